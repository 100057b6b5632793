import { describe, expect, test } from "vitest";
import { hourMs, minuteMs, secondMs } from "../base/time.ts";
import type { RunKey } from "../execution/execution.ts";
import { change, creation, runKey, update } from "../store/contract/material.ts";
import { silentLog } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { eventually, manualClock, openTestStore, turn } from "./service.test-kit.ts";
import { createWakes } from "./wakes.ts";

/** Wakes over a store with the given runs and times, in seconds from now. Who is woken is noted, and wants to be woken no more. */
async function open(given: { stored?: readonly number[]; wake?: (key: RunKey) => Promise<void> } = {}) {
  const store = await openTestStore();
  const clock = manualClock();
  const at = (seconds: number) => clock.now() + seconds * secondMs;
  const runs = (given.stored ?? []).map((seconds, index) => creation(runKey(index + 1), { wakeAt: at(seconds) }));
  if (runs.length > 0) await store.commit([change({ runs })]);
  const woken: string[] = [];
  const wakes = createWakes({
    store,
    clock,
    metrics: createMetrics(),
    log: silentLog,
    wake: async (key) => {
      woken.push(key.workflowId);
      await given.wake?.(key);
      const stored = await store.loadRun(key);
      if (stored !== null) await store.commit([change({ runs: [update(key, stored.version, { wakeAt: null })] })]);
    },
  });
  await wakes.start();
  return { store, clock, wakes, woken, at };
}
/** Lets time pass in steps, so that what is read meanwhile is in time. */
async function pass({ clock }: { clock: { advance(by: number): void } }, by: number, step = minuteMs / 2): Promise<void> {
  for (let passed = 0; passed < by; passed += step) {
    clock.advance(Math.min(step, by - passed));
    await turn();
  }
}

test("runs are woken when their time comes, earliest first", async () => {
  const { clock, wakes, woken, at } = await open();
  wakes.set(runKey(1), at(3));
  wakes.set(runKey(2), at(1));
  wakes.set(runKey(3), at(2));
  clock.advance(1.5 * secondMs);
  expect(woken).toEqual(["workflow-2"]);
  clock.advance(10 * secondMs);
  expect(woken).toEqual(["workflow-2", "workflow-3", "workflow-1"]);
});

test("many times come in order", async () => {
  const { clock, wakes, woken, at } = await open();
  const shuffled = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1);
  for (const number of shuffled) wakes.set(runKey(number), at(number));
  await pass({ clock }, 101 * secondMs, secondMs);
  expect(woken).toEqual([...shuffled].sort((a, b) => a - b).map((number) => `workflow-${number}`));
});

describe("a time is replaced", () => {
  test.each([
    ["by a later one", 5, [3, 6]],
    ["by an earlier one", 1, [1.5, 1]],
  ] as const)("%s", async (_, next, [before, after]) => {
    const { clock, wakes, woken, at } = await open();
    wakes.set(runKey(1), at(3));
    wakes.set(runKey(1), at(next));
    clock.advance(before * secondMs);
    expect(woken).toEqual(next < before ? ["workflow-1"] : []);
    clock.advance(after * secondMs);
    expect(woken).toEqual(["workflow-1"]);
  });

  test("by never", async () => {
    const { clock, wakes, woken, at } = await open();
    wakes.set(runKey(1), at(3));
    wakes.set(runKey(1), null);
    clock.advance(minuteMs);
    expect(woken).toEqual([]);
  });

  test("and set again", async () => {
    const { clock, wakes, woken, at } = await open();
    wakes.set(runKey(1), at(3));
    wakes.set(runKey(1), at(5));
    wakes.set(runKey(1), at(3));
    clock.advance(minuteMs);
    expect(woken).toEqual(["workflow-1"]);
  });
});

describe("times far ahead stay in the store", () => {
  // A run that is being woken while the store is read may be woken once more, which does nothing.
  const names = ({ woken }: { woken: readonly string[] }) => [...new Set(woken)];

  test("and are read when they come near", async () => {
    const opened = await open({ stored: [30, 119, 121, 3_600] });
    await pass(opened, minuteMs);
    expect(names(opened)).toEqual(["workflow-1"]);
    await pass(opened, 2 * minuteMs);
    expect(names(opened)).toEqual(["workflow-1", "workflow-2", "workflow-3"]);
    await pass(opened, hourMs);
    expect(names(opened)).toEqual(["workflow-1", "workflow-2", "workflow-3", "workflow-4"]);
  });

  test("one that is set beyond the horizon is not held in memory, but comes from the store", async () => {
    const opened = await open({ stored: [1] });
    const { store, wakes, at } = opened;
    const key = runKey(1);
    const later = at(600);
    await store.commit([change({ runs: [update(key, 1, { wakeAt: later })] })]);
    wakes.set(key, later);
    await pass(opened, 590 * secondMs);
    expect(names(opened)).toEqual([]);
    await pass(opened, minuteMs);
    expect(names(opened)).toEqual(["workflow-1"]);
  });

  test("more than one page of them", async () => {
    const opened = await open({ stored: Array.from({ length: 1_100 }, () => 1) });
    opened.clock.advance(secondMs);
    await eventually(() => opened.woken.length === 1_100);
    expect(new Set(opened.woken).size).toBe(1_100);
  });
});

test("the earliest time, in memory or in the store", async () => {
  const { clock, wakes } = await open({ stored: [3_600] });
  expect(await wakes.next()).toBe(clock.now() + hourMs);
  wakes.set(runKey(9), clock.now() + secondMs);
  expect(await wakes.next()).toBe(clock.now() + secondMs);
  expect(await (await open()).wakes.next()).toBeNull();
});

test("so many at one time; the others follow as these are done", async () => {
  const done: (() => void)[] = [];
  const { clock, wakes, woken, at } = await open({ wake: () => new Promise((resolve) => done.push(resolve)) });
  for (let number = 1; number <= 130; number++) wakes.set(runKey(number), at(1));
  clock.advance(secondMs);
  expect(woken).toHaveLength(128);
  for (const finish of done.splice(0, 2)) finish();
  await eventually(() => woken.length === 130);
});

test("a run that cannot be woken is tried again a second later", async () => {
  let failing = true;
  const { clock, wakes, woken, at } = await open({
    wake: async () => {
      if (failing) throw new Error("disk full");
    },
  });
  wakes.set(runKey(1), at(1));
  clock.advance(secondMs);
  await turn();
  failing = false;
  clock.advance(secondMs - 1);
  expect(woken).toHaveLength(1);
  clock.advance(1);
  expect(woken).toHaveLength(2);
});

test("after the clock has jumped, what is due is looked for again", async () => {
  const { clock, wakes, woken } = await open({ stored: [3_600] });
  clock.jump(hourMs);
  wakes.recheck();
  await eventually(() => woken.length === 1);
});

test("stopped, nobody is woken", async () => {
  const { clock, wakes, woken, at } = await open({ stored: [1] });
  wakes.set(runKey(2), at(1));
  wakes.stop();
  clock.advance(hourMs);
  expect(woken).toEqual([]);
});
