import type { Refusal } from "../../protocol/refusal.ts";
import type { DagRunRefusal } from "../../service/dag/dag-runs.ts";
import type { DagWorkflowRefusal } from "../../service/dag/dag-workflows.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";
import { problemOfExhausted } from "./quota-problem.ts";

type Known = Exclude<DagRunRefusal["kind"] | DagWorkflowRefusal["kind"], "invalid-workflow" | "refused">;

const refusals: { readonly [R in Known]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-workflow": [404, "workflow not found"],
  "no-such-run": [404, "workflow run not found"],
  "bad-workflow-id": [400, "a workflow id begins with a letter or digit, and has at most 128 letters, digits, `.`, `_` and `-`"],
  "too-many-workflows": [409, "there are too many workflows"],
  "workflow-changed": [412, "the workflow is not the one with this tag: look at it again"],
  busy: [503, "others are changing this at the same moment: try again"],
  "bad-cursor": [400, "`cursor` is not the `next_cursor` of a page of this list"],
  "run-ended": [409, "this run has ended"],
  "idempotency-key-reused": [409, "idempotency key already used: it stands for another request, take a new one"],
  "invalid-input": [400, "the input is not what the workflow asks for"],
  "cannot-rerun": [400, "the run cannot be repeated from there"],
  "query-failed": [409, "the run does not know the answer"],
  "unreadable-run": [409, "this run cannot be read"],
};

export function dagProblem(refusal: DagRunRefusal | DagWorkflowRefusal): Problem {
  if (refusal.kind === "refused") return requestProblem(refusal.refusal);
  if (refusal.kind === "invalid-workflow") {
    const errors = refusal.problems.filter(({ severity }) => severity === "error");
    return {
      ...badRequest("invalid-workflow", errors.map(({ line, column, message }) => `${line}:${column}: ${message}`).join("; ")),
      errors: errors.map(({ line, column, message }) => ({ detail: message, line, column })),
    };
  }
  const [status, detail] = refusals[refusal.kind];
  return { status, code: refusal.kind, detail: "message" in refusal ? refusal.message : detail };
}

/** For a route to state. */
export const dagCodes = (...kinds: readonly Known[]): ProblemCodes => Object.fromEntries(kinds.map((kind) => [kind, refusals[kind][0]]));
export const invalidWorkflowCode: ProblemCodes = { "invalid-workflow": 400 };
/** Of what starts a run: the policy has the last word. */
export const startCodes: ProblemCodes = { refused: 400, "policy-denied": 403, "no-such-namespace": 404 };
/** A bound of executions stands against it. */
export const boundCodes: ProblemCodes = { refused: 400 };

/** What the use cases of executions refuse with, in words of this API. Those of namespaces and of the policy are common; the rest are bounds. */
function requestProblem(refusal: Refusal): Problem {
  switch (refusal.kind) {
    case "namespace-not-found":
      return dagProblem({ kind: "no-such-namespace" });
    case "permission-denied":
      return { status: 403, code: "policy-denied", detail: refusal.message };
    case "not-found":
      return dagProblem({ kind: "no-such-run" });
    case "invalid-argument":
    case "failed-precondition":
      return badRequest("refused", refusal.message);
    case "resource-exhausted":
      return problemOfExhausted(refusal);
    default:
      return { status: 503, code: "unavailable", detail: "this cannot be done right now: try again" };
  }
}
