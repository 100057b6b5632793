import { secondMs } from "../../base/time.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { Problem, ProblemCodes } from "./problem.ts";

export const quotaCodes: ProblemCodes = { "quota-exceeded": 429 };

/** Of a quota of the tenant that is used up: which one, and when to try again. Everything else is too much at this moment. */
export function problemOfExhausted(refusal: Refusal): Problem {
  const quota = refusal.kind === "resource-exhausted" ? refusal.quota : undefined;
  if (refusal.kind !== "resource-exhausted" || quota === undefined)
    return { status: 503, code: "unavailable", detail: "this cannot be done right now: try again" };
  const detail = `${refusal.message} (\`${quota.name}\`): see GET /api/v1/quotas`;
  return { status: 429, code: "quota-exceeded", detail, retryAfterSeconds: Math.ceil(quota.retryAfter / secondMs) };
}
