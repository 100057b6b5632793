import { secondMs } from "../../base/time.ts";
import type { ProblemCodes } from "./problem.ts";

export const rateLimitCodes: ProblemCodes = { "rate-limited": 429, "too-many-requests-under-way": 429 };

export type Taken = {
  readonly allowed: boolean;
  /** Requests that may follow at once. */
  readonly remaining: number;
  /** Until as many as ever may follow at once, rounded up. */
  readonly resetSeconds: number;
  /** Until the next request, rounded up; 0 when it may come at once. */
  readonly retrySeconds: number;
};

/** Who asked last is forgotten last; a forgotten one begins anew. */
const callersMax = 10_000;

/** A bucket for each caller: `burst` requests at once, and `perSecond` in the long run. */
export function createRateLimit({ perSecond, burst, now }: { perSecond: number; burst: number; now: () => number }) {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    take: (caller: string): Taken => {
      const at = now();
      const bucket = buckets.get(caller) ?? { tokens: burst, at };
      const tokens = Math.min(burst, bucket.tokens + ((at - bucket.at) / secondMs) * perSecond);
      const allowed = tokens >= 1;
      const left = allowed ? tokens - 1 : tokens;
      buckets.delete(caller);
      buckets.set(caller, { tokens: left, at });
      const [oldest] = buckets.keys();
      if (buckets.size > callersMax && oldest !== undefined) buckets.delete(oldest);
      return {
        allowed,
        remaining: Math.floor(left),
        resetSeconds: Math.ceil((burst - left) / perSecond),
        retrySeconds: left >= 1 ? 0 : Math.ceil((1 - left) / perSecond),
      };
    },
  };
}
