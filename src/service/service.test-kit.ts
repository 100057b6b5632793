import { randomUUID } from "node:crypto";
import type { Result } from "../base/result.ts";
import { type DurationMs, dayMs, type EpochMs } from "../base/time.ts";
import { defaultLimits } from "../execution/limits.ts";
import type { Refusal } from "../protocol/refusal.ts";
import { openSqlite } from "../store/sqlite/sqlite.ts";
import type { Store } from "../store/store.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import type { Clock } from "./clock.ts";
import { type Core, type CoreOptions, startCore } from "./core.ts";
import type { Limits } from "./limits/limits.ts";
import type { Caller } from "./services.ts";

// What the tests of this folder share: a clock that a test moves, a store that fails or waits when it is told to, and a whole core.

/** Lets everything happen that is ready to happen. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const turnsMax = 10_000;
/** Waits, without sleeping, until `look` finds something. */
export async function eventually<T>(look: () => T | null | undefined | false): Promise<T> {
  for (let turns = 0; turns < turnsMax; turns++) {
    const found = look();
    if (found !== null && found !== undefined && found !== false) return found;
    await turn();
  }
  throw new Error("it never happened");
}

export type ManualClock = Clock & {
  /** Lets time pass; callbacks run when their time has come, in order. */
  advance(by: DurationMs): void;
  /** Sets the clock forward without a callback. */
  jump(by: DurationMs): void;
};

export function manualClock(start: EpochMs = Date.UTC(2026, 0, 1)): ManualClock {
  let now = start;
  const scheduled = new Set<{ readonly at: EpochMs; readonly callback: () => void }>();
  return {
    now: () => now,
    schedule: (at, callback) => {
      const entry = { at, callback };
      scheduled.add(entry);
      // What is due already does not wait for the test.
      if (at <= now) setImmediate(() => scheduled.delete(entry) && callback());
      return () => void scheduled.delete(entry);
    },
    advance: (by) => {
      const until = now + by;
      for (;;) {
        const [next] = [...scheduled].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        scheduled.delete(next);
        now = Math.max(now, next.at);
        next.callback();
      }
      now = until;
    },
    jump: (by) => {
      now += by;
    },
  };
}

/** A store whose commits a test can hold up or let fail. */
export type TestStore = Store & {
  /** Commits begin to wait; returns how to let them go on. */
  hold(): () => void;
  /** Every commit from now on fails as on a full disk, until the returned function is called. */
  fail(): () => void;
};

export async function openTestStore(): Promise<TestStore> {
  const store = await openSqlite({ path: ":memory:" });
  let gate: Promise<void> | null = null;
  let failing = false;
  return {
    ...store,
    commit: async (changes) => {
      await gate;
      if (failing) throw new Error("disk full");
      return store.commit(changes);
    },
    hold: () => {
      let open = () => {};
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return () => {
        gate = null;
        open();
      };
    },
    fail: () => {
      failing = true;
      return () => {
        failing = false;
      };
    },
  };
}

/** No limits to hold: for kernels without a core. */
export const unlimited: Pick<Limits, "reserve" | "policyChanged"> = { reserve: () => ({ outcome: "passes" }), policyChanged: () => {} };

/** A caller that waits as long as it takes. */
export const patient: Caller = { clientName: "", clientVersion: "", deadline: null, signal: new AbortController().signal };

/** The value of what must not be refused. */
export function accepted<T>(result: Result<T, Refusal>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`);
  return result.value;
}

export type TestCore = Core & { readonly store: TestStore; readonly clock: ManualClock };

/** The server without its edges, over a store in memory, with the namespace `default`. */
export async function openCore(
  given: { store?: TestStore; clock?: ManualClock } & Partial<Pick<CoreOptions, "limits">> &
    Pick<CoreOptions, "policy" | "push" | "checkpoints" | "artifacts" | "access" | "quotas"> = {},
): Promise<TestCore> {
  const store = given.store ?? (await openTestStore());
  const clock = given.clock ?? manualClock();
  const core = await startCore({
    store,
    clock,
    log: silentLog,
    metrics: createMetrics(),
    limits: given.limits ?? defaultLimits,
    longPoll: { poll: 60_000, history: 20_000, update: 20_000 },
    newId: randomUUID,
    namespaces: [{ name: "default", retention: dayMs, searchAttributes: {} }],
    retention: true,
    ...(given.policy === undefined ? {} : { policy: given.policy }),
    ...(given.push === undefined ? {} : { push: given.push }),
    ...(given.checkpoints === undefined ? {} : { checkpoints: given.checkpoints }),
    ...(given.artifacts === undefined ? {} : { artifacts: given.artifacts }),
    ...(given.access === undefined ? {} : { access: given.access }),
    ...(given.quotas === undefined ? {} : { quotas: given.quotas }),
  });
  return { ...core, store, clock };
}
