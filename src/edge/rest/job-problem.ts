import type { Refusal } from "../../protocol/refusal.ts";
import type { DeadLetterRefusal } from "../../service/jobs/dead-letters.ts";
import type { LeaseRefusal } from "../../service/workers/leases.ts";
import { badRequest, type Problem, type ProblemCodes } from "./problem.ts";
import { problemOfExhausted } from "./quota-problem.ts";

type AnyRefusal = DeadLetterRefusal | LeaseRefusal;
type Known = Exclude<AnyRefusal["kind"], "refused">;

const refusals: { readonly [R in Known]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-job": [404, "job not found"],
  "idempotency-key-reused": [409, "idempotency key already used: for something else than this request asks for"],
  "no-remediations": [409, "no remediations available: only a job that a rule denied may have some"],
  "remediation-required": [400, "`remediation_id` required: the rule offers several"],
  "no-such-remediation": [404, "remediation not found"],
  "no-such-dead-letter": [404, "dlq entry not found"],
  "too-many-leases": [429, "too many workers wait for tasks: try again later"],
  "no-such-lease": [404, "this tenant has no such lease"],
  "lease-gone": [410, "the attempt has been answered, has timed out, or was cancelled: nobody waits for its outcome"],
};

export function jobProblem(refusal: AnyRefusal): Problem {
  if (refusal.kind === "refused") return requestProblem(refusal.refusal);
  const [status, detail] = refusals[refusal.kind];
  return { status, code: refusal.kind, detail };
}

/** For a route to state. */
export const jobCodes = (...kinds: readonly Known[]): ProblemCodes => Object.fromEntries(kinds.map((kind) => [kind, refusals[kind][0]]));
/** Of what becomes a request of an execution: its bounds. */
export const requestCodes: ProblemCodes = { refused: 400, "no-such-namespace": 404 };

function requestProblem(refusal: Refusal): Problem {
  switch (refusal.kind) {
    case "namespace-not-found":
      return jobProblem({ kind: "no-such-namespace" });
    case "not-found":
      return jobProblem({ kind: "no-such-job" });
    case "invalid-argument":
    case "failed-precondition":
      return badRequest("refused", refusal.message);
    case "resource-exhausted":
      return problemOfExhausted(refusal);
    default:
      return { status: 503, code: "unavailable", detail: "this cannot be done right now: try again" };
  }
}
