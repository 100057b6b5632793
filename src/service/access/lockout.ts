import { networkOf } from "../../base/network.ts";
import { type DurationMs, type EpochMs, minuteMs, secondMs } from "../../base/time.ts";

/** Slows down whoever tries credentials out. A source is an address, or an address and the key that is tried there. */
export type Lockout = {
  /** How long a source has to wait; 0 if it need not. */
  retryAfter(source: string): DurationMs;
  failed(source: string): void;
  /** Forgets what has failed there. */
  succeeded(source: string): void;
};

/** Failures within a minute that cost nothing: people mistype, and deployments start with yesterday's key. */
export const freeFailures = 5;
/** After them; twice as long after each further one. */
export const firstPause: DurationMs = secondMs;
export const longestPause: DurationMs = 5 * minuteMs;
/** A source that has been quiet for so long begins anew. */
const forgivenAfter: DurationMs = 10 * minuteMs;
/** The longest quiet one goes first. */
const sourcesMax = 10_000;

type Record = { readonly failures: number; readonly failedAt: EpochMs; readonly lockedUntil: EpochMs };

export function createLockout({ now }: { readonly now: () => EpochMs }): Lockout {
  const records = new Map<string, Record>();
  return {
    retryAfter: (source) => Math.max(0, (records.get(network(source))?.lockedUntil ?? 0) - now()),
    failed: (source) => {
      const key = network(source);
      const at = now();
      const before = records.get(key);
      // What was under way when it was locked out is not held against it.
      if (before !== undefined && at < before.lockedUntil) return;
      const quietFor = before === undefined ? Number.POSITIVE_INFINITY : at - before.failedAt;
      const isForgiven = quietFor > forgivenAfter || (quietFor > minuteMs && (before?.failures ?? 0) < freeFailures);
      const failures = isForgiven ? 1 : (before?.failures ?? 0) + 1;
      const pause = failures < freeFailures ? 0 : Math.min(longestPause, firstPause * 2 ** (failures - freeFailures));
      records.delete(key);
      records.set(key, { failures, failedAt: at, lockedUntil: at + pause });
      const [oldest] = records.keys();
      if (records.size > sourcesMax && oldest !== undefined) records.delete(oldest);
    },
    succeeded: (source) => void records.delete(network(source)),
  };
}

/** The address is the first part of a source. */
function network(source: string): string {
  const [address = "", ...rest] = source.split(" ");
  return [networkOf(address), ...rest].join(" ");
}
