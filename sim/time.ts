import type { DurationMs, EpochMs } from "../src/base/time.ts";
import type { Clock } from "../src/service/clock.ts";

/** Time that passes only when nobody has anything left to do at the present moment. */
export type VirtualTime = {
  now(): EpochMs;
  /** Calls back at `at`, in the order of times, then of calls. Returns how to call it off. */
  at(at: EpochMs, callback: () => void): () => void;
  sleep(by: DurationMs): Promise<void>;
  /** Moves to the next moment at which something is to happen and lets it happen; false when there is none. */
  step(): boolean;
  /** A clock of a process that can die: then it calls nobody back any more. */
  clockOf(isAlive: () => boolean): Clock;
};

export function createVirtualTime(start: EpochMs = Date.UTC(2026, 0, 1)): VirtualTime {
  let now = start;
  let sequence = 0;
  const waiting = new Map<number, { readonly at: EpochMs; readonly callback: () => void }>();

  const time: VirtualTime = {
    now: () => now,
    at: (at, callback) => {
      const id = ++sequence;
      waiting.set(id, { at: Math.max(at, now), callback });
      return () => void waiting.delete(id);
    },
    sleep: (by) => new Promise((resolve) => void time.at(now + by, resolve)),
    step: () => {
      let first: number | null = null;
      let at = Number.POSITIVE_INFINITY;
      for (const [id, entry] of waiting) {
        if (entry.at >= at) continue;
        at = entry.at;
        first = id;
      }
      const entry = first === null ? undefined : waiting.get(first);
      if (first === null || entry === undefined) return false;
      waiting.delete(first);
      now = entry.at;
      entry.callback();
      return true;
    },
    clockOf: (isAlive) => ({
      now: () => now,
      schedule: (at, callback) => time.at(at, () => isAlive() && callback()),
    }),
  };
  return time;
}
