import type { DurationMs, EpochMs } from "../../base/time.ts";

export type BreakerLimit = {
  /** Opens after so many failures … */
  readonly failures: number;
  /** … within this time; in a row when null. */
  readonly within: DurationMs | null;
  /** How long it stays open before it lets probes through. */
  readonly openFor: DurationMs;
  /** How many actions may be on their way at once while it is half-open. */
  readonly probes: number;
  /** How many of them must succeed for it to close. */
  readonly successes: number;
};

/**
 * Closed: everything passes, failures are counted. Open: nothing passes until `until`. Half-open: a few probes pass, and their outcome
 * closes it or opens it again.
 */
export type Breaker =
  | { readonly state: "closed"; readonly failedAt: readonly EpochMs[] }
  | { readonly state: "open"; readonly until: EpochMs }
  | { readonly state: "half-open"; readonly probing: number; readonly succeeded: number; readonly since: EpochMs };

export const closedBreaker: Breaker = { state: "closed", failedAt: [] };

export type Passage = { readonly breaker: Breaker; readonly allowed: boolean; readonly retryAt: EpochMs | null };

/** Asks to let one action through. Whoever is let through reports its outcome with `report`, once. */
export function pass(breaker: Breaker, limit: BreakerLimit, now: EpochMs): Passage {
  switch (breaker.state) {
    case "closed":
      return { breaker, allowed: true, retryAt: null };
    case "open":
      return now < breaker.until
        ? { breaker, allowed: false, retryAt: breaker.until }
        : { breaker: { state: "half-open", probing: 1, succeeded: 0, since: now }, allowed: true, retryAt: null };
    case "half-open": {
      // A probe whose outcome was never reported must not keep it half-open for ever.
      if (now - breaker.since >= limit.openFor) return { breaker: { ...breaker, probing: 1, since: now }, allowed: true, retryAt: null };
      if (breaker.probing >= limit.probes) return { breaker, allowed: false, retryAt: breaker.since + limit.openFor };
      return { breaker: { ...breaker, probing: breaker.probing + 1 }, allowed: true, retryAt: null };
    }
  }
}

/** Takes note of how an action ended. While open, the outcome of an action from before is no news. */
export function report(breaker: Breaker, limit: BreakerLimit, outcome: "succeeded" | "failed", now: EpochMs): Breaker {
  if (breaker.state === "open") return breaker;
  if (breaker.state === "half-open") {
    if (outcome === "failed") return { state: "open", until: now + limit.openFor };
    const succeeded = breaker.succeeded + 1;
    return succeeded >= limit.successes ? closedBreaker : { ...breaker, succeeded, probing: Math.max(0, breaker.probing - 1), since: now };
  }
  if (outcome === "succeeded") return limit.within === null && breaker.failedAt.length > 0 ? closedBreaker : breaker;
  const recent = limit.within;
  const failedAt = [...breaker.failedAt.filter((at) => recent === null || now - at < recent), now];
  return failedAt.length >= limit.failures ? { state: "open", until: now + limit.openFor } : { state: "closed", failedAt };
}

/** How an action that was let through would have ended is not known: its place as a probe is free again. */
export const abandon = (breaker: Breaker): Breaker =>
  breaker.state === "half-open" ? { ...breaker, probing: Math.max(0, breaker.probing - 1) } : breaker;

/** How many a breaker that is not closed lets through now, and when one more. */
export function openingsOf(
  breaker: Exclude<Breaker, { readonly state: "closed" }>,
  { probes, openFor }: BreakerLimit,
  now: EpochMs,
): { readonly count: number; readonly moreAt: EpochMs | null } {
  if (breaker.state === "open") return now < breaker.until ? { count: 0, moreAt: breaker.until } : { count: probes, moreAt: null };
  const lostAt = breaker.since + openFor;
  if (now >= lostAt) return { count: 1, moreAt: null };
  return { count: Math.max(0, probes - breaker.probing), moreAt: lostAt };
}
