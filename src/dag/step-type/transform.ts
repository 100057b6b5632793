import { type Place, report } from "../../language/reader.ts";
import type { StepFields } from "../spec/fields.ts";

/** Its output is its input, with the templates filled in. */
export type TransformKind = { readonly kind: "transform" };

export const linkTransform = ({ input }: StepFields, at: Place): TransformKind | undefined =>
  input === undefined ? report(at, "a transform needs `input`: what it gives") : { kind: "transform" };
