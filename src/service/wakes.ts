import type { DurationMs, EpochMs } from "../base/time.ts";
import { minuteMs, secondMs } from "../base/time.ts";
import type { RunKey } from "../execution/execution.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Clock } from "./clock.ts";

/** Wakes runs when their timers, time-outs and retries come due. Times far ahead stay in the store until they come near. */
export type Wakes = {
  /** Notes when a run next wants to be woken; null for never. Replaces the former time. */
  set(key: RunKey, at: EpochMs | null): void;
  /** The earliest time at which something is due, here or in the store; null for never. */
  next(): Promise<EpochMs | null>;
  /** Looks again now: the clock has jumped. */
  recheck(): void;
  start(): Promise<void>;
  stop(): void;
};

/** Times within this distance are kept in memory. */
const horizonMs: DurationMs = 2 * minuteMs;
const refillEveryMs: DurationMs = minuteMs;
const pageMax = 1_000;
/** Runs woken at one time. */
const concurrencyMax = 128;
const retryAfterMs: DurationMs = secondMs;

export function createWakes(deps: {
  readonly store: Pick<Store, "readWakes">;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly wake: (key: RunKey) => Promise<void>;
}): Wakes {
  const { store, clock, metrics, log, wake } = deps;
  const due = new Map<string, { readonly key: RunKey; readonly at: EpochMs }>();
  const heap = new Heap();
  let loadedUntil: EpochMs = 0;
  let cancelTimer = () => {};
  let timerAt = Number.POSITIVE_INFINITY;
  let cancelRefill = () => {};
  let active = 0;
  let stopped = false;

  function arm(): void {
    const at = heap.top()?.at ?? Number.POSITIVE_INFINITY;
    if (stopped || at >= timerAt || active >= concurrencyMax) return;
    cancelTimer();
    timerAt = at;
    cancelTimer = clock.schedule(at, fire);
  }

  function fire(): void {
    cancelTimer();
    timerAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    for (let top = heap.top(); top !== undefined && top.at <= now && active < concurrencyMax; top = heap.top()) {
      heap.pop();
      const wanted = due.get(top.runId);
      // A time that was replaced since stays in the heap until it is reached.
      if (wanted === undefined || wanted.at !== top.at) continue;
      due.delete(top.runId);
      active++;
      metrics.timersFired.add(1);
      wake(wanted.key)
        .catch((error: unknown) => {
          log.error("cannot wake a run, trying again", { runId: wanted.key.runId }, error);
          set(wanted.key, clock.now() + retryAfterMs);
        })
        .finally(() => {
          active--;
          arm();
        });
    }
    arm();
  }

  function set(key: RunKey, at: EpochMs | null): void {
    // What lies beyond the horizon is in the store, and is read when it comes near.
    if (at === null || at > loadedUntil) {
      due.delete(key.runId);
      return;
    }
    if (due.get(key.runId)?.at === at) return;
    due.set(key.runId, { key, at });
    heap.push({ at, runId: key.runId });
    arm();
  }

  async function refill(): Promise<void> {
    const until = clock.now() + horizonMs;
    // From now on commits report what falls below the new horizon; what was committed before is read.
    loadedUntil = until;
    let after: { wakeAt: EpochMs; runId: string } | null = null;
    for (;;) {
      const page: Awaited<ReturnType<Store["readWakes"]>> = await store.readWakes(until, after, pageMax);
      for (const { key, wakeAt } of page) if (!due.has(key.runId)) set(key, wakeAt);
      const last = page.at(-1);
      if (page.length < pageMax || last === undefined) return;
      after = { wakeAt: last.wakeAt, runId: last.key.runId };
    }
  }

  function refillLater(): void {
    if (stopped) return;
    cancelRefill = clock.schedule(clock.now() + refillEveryMs, () => {
      refill()
        .catch((error: unknown) => log.error("cannot read due timers, trying again", {}, error))
        .finally(refillLater);
    });
  }

  return {
    set,
    next: async () => {
      const [stored] = await store.readWakes(Number.MAX_SAFE_INTEGER, null, 1);
      const times = [...[...due.values()].map(({ at }) => at), ...(stored === undefined ? [] : [stored.wakeAt])];
      return times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b));
    },
    recheck: () => {
      cancelRefill();
      refill()
        .catch((error: unknown) => log.error("cannot read due timers, trying again", {}, error))
        .finally(() => {
          cancelTimer();
          timerAt = Number.POSITIVE_INFINITY;
          fire();
          refillLater();
        });
    },
    start: async () => {
      await refill();
      refillLater();
    },
    stop: () => {
      stopped = true;
      cancelTimer();
      cancelRefill();
    },
  };
}

type Entry = { readonly at: EpochMs; readonly runId: string };

/** A binary min-heap by time. */
class Heap {
  readonly #entries: Entry[] = [];

  top(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let index = entries.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#at(parent) <= entry.at) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  pop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    entries[0] = last;
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      const smaller = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(smaller) >= last.at) return;
      this.#swap(index, smaller);
      index = smaller;
    }
  }

  #at(index: number): EpochMs {
    return this.#entries[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const entries = this.#entries;
    [entries[a], entries[b]] = [entries[b] as Entry, entries[a] as Entry];
  }
}
