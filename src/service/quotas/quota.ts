import type { DurationMs } from "../../base/time.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Refusal } from "../../protocol/refusal.ts";

export const quotaNames = ["requests", "worker-requests", "open-runs", "stored-bytes", "concurrent-activities", "open-polls"] as const;
export type QuotaName = (typeof quotaNames)[number];

/** What workers ask and answer is work that is under way: it may go on when clients are held up. */
export const workerFactor = 4;

type Refused = Exclude<QuotaName, "concurrent-activities">;

const { NAMESPACE } = ResourceExhaustedScope;
const { RPS_LIMIT, CONCURRENT_LIMIT, PERSISTENCE_STORAGE_LIMIT } = ResourceExhaustedCause;

const causes: { readonly [Q in Refused]: readonly [ResourceExhaustedCause, (limit: number) => string] } = {
  requests: [RPS_LIMIT, (limit) => `namespace rate limit exceeded: ${limit} requests a second`],
  "worker-requests": [RPS_LIMIT, (limit) => `namespace rate limit exceeded: ${limit} requests of workers a second`],
  "open-runs": [CONCURRENT_LIMIT, (limit) => `the namespace has ${limit} open runs, which is its quota`],
  "stored-bytes": [
    PERSISTENCE_STORAGE_LIMIT,
    (limit) => `the histories of the namespace take more than ${limit} bytes, which is its quota`,
  ],
  "open-polls": [CONCURRENT_LIMIT, (limit) => `namespace limit on concurrent polls has been reached (${limit})`],
};

/** Of a quota that is used up: which one, and when it makes sense to try again. */
export function quotaExceeded(name: Refused, limit: number, retryAfter: DurationMs): Refusal {
  const [cause, message] = causes[name];
  return { kind: "resource-exhausted", message: message(limit), cause, scope: NAMESPACE, quota: { name, retryAfter } };
}
