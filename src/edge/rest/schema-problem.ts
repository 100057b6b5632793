import type { SchemaRefusal } from "../../service/schemas.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";

type Plain = Exclude<SchemaRefusal["kind"], "invalid-schema">;

const refusals: { readonly [R in Plain]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-schema": [404, "schema not found"],
  "bad-schema-id": [400, "a schema id begins with a letter or digit, and has at most 128 letters, digits, `.`, `_`, `/` and `-`"],
  "too-many-schemas": [409, "there are too many schemas"],
  "schema-changed": [412, "the schema is not the one with this tag: look at it again"],
  busy: [503, "others are changing this at the same moment: try again"],
};

export function schemaProblem(refusal: SchemaRefusal): Problem {
  if (refusal.kind === "invalid-schema") return badRequest("invalid-schema", refusal.message);
  const [status, detail] = refusals[refusal.kind];
  return { status, code: refusal.kind, detail };
}

/** For a route to state. */
export const schemaCodes = (...kinds: readonly Plain[]): ProblemCodes => Object.fromEntries(kinds.map((kind) => [kind, refusals[kind][0]]));
