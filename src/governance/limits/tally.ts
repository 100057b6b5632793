import { assertNever } from "../../base/assert.ts";
import type { EpochMs } from "../../base/time.ts";
import { abandon, type Breaker, closedBreaker, openingsOf, pass, report } from "./breaker.ts";
import { type Budget, inWindow, type Reservation, renewedAt, reserve, roomIn, settle, untouched } from "./budget.ts";
import type { Quota } from "./limits.ts";
import { type Bucket, countInWindow, takeTokens, tokensAt, type Window, windowAt } from "./rate.ts";

/* One view of all limits: how much room a quota has, what an attempt takes of it, and what comes back when the attempt ends. */

/** How far a quota is used. */
export type Tally = {
  readonly bucket: Bucket | null;
  readonly window: Window | null;
  readonly held: number;
  readonly breaker: Breaker;
  readonly budget: Budget;
};

export const unused: Tally = { bucket: null, window: null, held: 0, breaker: closedBreaker, budget: untouched };

/** How many more attempts may go now. */
export type Room = {
  readonly count: number;
  /** When time alone makes room for one more than `count`; null when something has to end first, or nothing is missing. */
  readonly moreAt: EpochMs | null;
  /** Waiting for what is under way does not help: until the next window, if there is one, there will be no room. */
  readonly exhausted: boolean;
};

const unlimited: Room = { count: Number.POSITIVE_INFINITY, moreAt: null, exhausted: false };

export function roomOf(quota: Quota, tally: Tally, now: EpochMs): Room {
  switch (quota.kind) {
    case "rate": {
      const { limit } = quota;
      if (limit.burst === null) {
        const { start, used } = windowAt(tally.window, limit, now);
        return { count: Math.max(0, limit.max - used), moreAt: start + limit.per, exhausted: false };
      }
      const count = Math.floor(tokensAt(tally.bucket, limit, now));
      const next = count >= limit.burst ? null : takeTokens(tally.bucket, limit, now, count + 1).retryAt;
      return { count, moreAt: next, exhausted: false };
    }
    case "concurrency":
      return { count: Math.max(0, quota.max - tally.held), moreAt: null, exhausted: false };
    case "breaker": {
      if (tally.breaker.state === "closed") return unlimited;
      return { ...openingsOf(tally.breaker, quota.limit, now), exhausted: false };
    }
    case "spend": {
      const budget = inWindow(tally.budget, quota.limit, now);
      return { ...roomIn(budget, quota.limit), moreAt: renewedAt(budget, quota.limit.per) };
    }
    default:
      return assertNever(quota);
  }
}

/** What one attempt took of a quota, and what has to be known to give it back, also after a restart. */
export type Taken = { readonly quota: Quota; readonly reservation: Reservation | null };

/** Takes room for one attempt; to be asked of a quota that has some. */
export function take(quota: Quota, tally: Tally, now: EpochMs): { readonly tally: Tally; readonly taken: Taken } {
  const taken = { quota, reservation: null };
  switch (quota.kind) {
    case "rate":
      return quota.limit.burst === null
        ? { tally: { ...tally, window: countInWindow(tally.window, quota.limit, now).state }, taken }
        : { tally: { ...tally, bucket: takeTokens(tally.bucket, quota.limit, now).state }, taken };
    case "concurrency":
      return { tally: { ...tally, held: tally.held + 1 }, taken };
    case "breaker":
      return { tally: { ...tally, breaker: pass(tally.breaker, quota.limit, now).breaker }, taken };
    case "spend": {
      const { budget, reservation } = reserve(inWindow(tally.budget, quota.limit, now), quota.limit);
      return { tally: { ...tally, budget }, taken: { quota, reservation } };
    }
    default:
      return assertNever(quota);
  }
}

/** How an attempt ended: `abandoned` when nobody can say whether it would have worked. `never` if no worker ever got it. */
export type Ending = "succeeded" | "failed" | "abandoned" | "never";

/** What is left of a quota when the attempt is over, and has spent `spent` of it. */
export function giveBack({ quota, reservation }: Taken, tally: Tally, ended: { how: Ending; spent: number; at: EpochMs }): Tally {
  switch (quota.kind) {
    case "rate":
      // What went to a worker has been used, whatever became of it.
      return ended.how === "never" ? withOneMore(tally) : tally;
    case "concurrency":
      return { ...tally, held: Math.max(0, tally.held - 1) };
    case "breaker":
      return {
        ...tally,
        breaker:
          ended.how === "succeeded" || ended.how === "failed"
            ? report(tally.breaker, quota.limit, ended.how, ended.at)
            : abandon(tally.breaker),
      };
    case "spend":
      return reservation === null
        ? tally
        : { ...tally, budget: settle(tally.budget, reservation, ended.how === "never" ? 0 : ended.spent) };
    default:
      return assertNever(quota);
  }
}

function withOneMore(tally: Tally): Tally {
  const { bucket, window } = tally;
  return {
    ...tally,
    bucket: bucket && { ...bucket, tokens: bucket.tokens + 1 },
    window: window && { ...window, used: Math.max(0, window.used - 1) },
  };
}

/** Takes up what was taken before a restart. Rates and breakers begin anew. */
export function retake({ quota, reservation }: Taken, tally: Tally): Tally {
  if (quota.kind === "concurrency") return { ...tally, held: tally.held + 1 };
  if (quota.kind !== "spend" || reservation === null) return tally;
  const { budget } = tally;
  // What is recorded as spent may be of an older window than what was reserved last.
  if (reservation.start < budget.start) return tally;
  const since = reservation.start > budget.start ? { start: reservation.start, spent: 0, reserved: 0 } : budget;
  return { ...tally, budget: { ...since, reserved: since.reserved + reservation.amount } };
}

/** Whether forgetting the tally changes nothing for whoever asks next. */
export function isAtRest(quota: Quota, tally: Tally, now: EpochMs): boolean {
  switch (quota.kind) {
    case "rate":
      return quota.limit.burst === null
        ? windowAt(tally.window, quota.limit, now).used === 0
        : tokensAt(tally.bucket, quota.limit, now) >= quota.limit.burst;
    case "concurrency":
      return tally.held === 0;
    case "breaker":
      return tally.breaker.state === "closed" && tally.breaker.failedAt.length === 0;
    case "spend": {
      const { spent, reserved } = inWindow(tally.budget, quota.limit, now);
      return spent === 0 && reserved === 0;
    }
    default:
      return assertNever(quota);
  }
}
