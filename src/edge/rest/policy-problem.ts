import type { BundleProblem } from "../../service/policy/bundle-source.ts";
import type { PolicyRefusal } from "../../service/policy/policies.ts";
import type { Problem, ProblemCodes } from "./problem.ts";

type Plain = Exclude<PolicyRefusal["kind"], "broken-policy">;

const refusals: { readonly [R in Plain]: readonly [status: number, detail: string] } = {
  "no-such-bundle": [404, "bundle not found"],
  "no-such-snapshot": [404, "snapshot not found: none with this hash was ever in force"],
  "bad-bundle-id": [400, "a bundle id is letters, digits, `_`, `.` and `-`, with up to three `/` between parts"],
  "content-required": [400, "content required: a new bundle needs its text"],
  "bundle-of-file": [409, "this bundle is a policy file of the server's configuration: change the file"],
  "bundle-changed": [412, "the bundle is not the one with this tag: look at it again"],
  "too-many-bundles": [409, "there are too many bundles, or they are too large together"],
  "nothing-to-publish": [400, "no policy bundles to publish: without any, everything would be allowed"],
  "changed-meanwhile": [409, "something else has come into force, or a bundle has changed, meanwhile: look again"],
};

export function policyProblem(refusal: PolicyRefusal): Problem {
  if (refusal.kind === "broken-policy") return brokenPolicy(refusal.problems);
  const [status, detail] = refusals[refusal.kind];
  return { status, code: refusal.kind, detail };
}

/** What is wrong with policy texts, each at its place. */
export const brokenPolicy = (problems: readonly BundleProblem[]): Problem => ({
  status: 422,
  code: "broken-policy",
  detail: `invalid policy content: ${problems.map(({ bundle, line, column, message }) => `${bundle}:${line}:${column}: ${message}`).join("; ")}`,
  errors: problems.map(({ bundle, line, column, message }) => ({ detail: message, bundle, line, column })),
});

/** For a route to state. */
export const policyCodes = (...kinds: readonly Plain[]): ProblemCodes => Object.fromEntries(kinds.map((kind) => [kind, refusals[kind][0]]));
export const brokenPolicyCode: ProblemCodes = { "broken-policy": 422 };
