import type { DurationMs, EpochMs } from "../../base/time.ts";

/** At most `max` in any `per` on average; `burst` (at least 1) may come at once. */
export type BucketLimit = { readonly max: number; readonly per: DurationMs; readonly burst: number };
/** How many tokens were there, and when. Null before the first action: the bucket is full. */
export type Bucket = { readonly tokens: number; readonly at: EpochMs };

/** `retryAt` is when the same request could be allowed if nobody else asks; null when it is allowed now, or never can be. */
export type Admission<S> = { readonly state: S; readonly allowed: boolean; readonly retryAt: EpochMs | null };

/** The tokens there are. A clock that was set back refills nothing until it has caught up. */
export function tokensAt(bucket: Bucket | null, { max, per, burst }: BucketLimit, now: EpochMs): number {
  return bucket === null ? burst : Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) * max) / per);
}

/** Takes `count` tokens, or none. */
export function takeTokens(bucket: Bucket | null, limit: BucketLimit, now: EpochMs, count = 1): Admission<Bucket> {
  const { max, per, burst } = limit;
  const refill = (elapsed: DurationMs): number => (elapsed * max) / per;
  const at = Math.max(now, bucket?.at ?? now);
  const tokens = tokensAt(bucket, limit, now);
  if (tokens >= count) return { state: { tokens: tokens - count, at }, allowed: true, retryAt: null };
  // The state stays: refilling it bit by bit would add up rounding errors.
  const state = bucket ?? { tokens, at };
  if (count > burst) return { state, allowed: false, retryAt: null };
  const wait = Math.ceil(((count - state.tokens) * per) / max);
  // By a rounding error the token may not be whole yet at that very moment; then it is one later.
  const isWhole = state.tokens + refill(wait) >= count;
  return { state, allowed: false, retryAt: state.at + (isWhole ? wait : wait + 1) };
}

/** At most `max` in each window of `per`, counted from the epoch: days end at midnight UTC. */
export type WindowLimit = { readonly max: number; readonly per: DurationMs };
export type Window = { readonly start: EpochMs; readonly used: number };

/** The window of now. */
export function windowAt(window: Window | null, { per }: Pick<WindowLimit, "per">, now: EpochMs): Window {
  const start = Math.max(Math.floor(now / per) * per, window?.start ?? Number.NEGATIVE_INFINITY);
  return { start, used: window?.start === start ? window.used : 0 };
}

/** Counts `count` into the window of `now`, or not at all. A clock that was set back keeps counting into the latest window. */
export function countInWindow(window: Window | null, { max, per }: WindowLimit, now: EpochMs, count = 1): Admission<Window> {
  const { start, used } = windowAt(window, { per }, now);
  if (used + count <= max) return { state: { start, used: used + count }, allowed: true, retryAt: null };
  return { state: { start, used }, allowed: false, retryAt: count > max ? null : start + per };
}
