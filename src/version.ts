import { readFileSync } from "node:fs";

// One level below the package in the sources and in the build alike.
const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { readonly version: string };

/** Of this package, as in `0.1.0`. */
export const version = manifest.version;
