// A module of its own, to be loaded when it is needed: a dynamic import of the CommonJS package itself has no names once it is bundled.
export { parseDocument } from "yaml";
