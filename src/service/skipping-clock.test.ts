import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { dayMs, hourMs, secondMs } from "../base/time.ts";
import { turn } from "./service.test-kit.ts";
import { createSkippingClock } from "./skipping-clock.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A clock that drives a server whose state the test sets. */
function open(server: { busy?: boolean; wake?: number | null } = {}) {
  const state = { busy: false, wake: null as number | null, jumps: 0, ...server };
  const clock = createSkippingClock();
  clock.drive({
    isBusy: () => state.busy,
    nextWake: async () => state.wake,
    jumped: () => {
      state.jumps++;
      // As a server does: what was due is done.
      state.wake = null;
    },
  });
  const begin = clock.now();
  /** Hours that passed for the server, though none did outside. */
  return { clock, state, hours: () => (clock.now() - begin) / hourMs };
}
const settle = async () => {
  for (let turns = 0; turns < 5; turns++) await turn();
};

test("it starts locked, and runs with real time", async () => {
  const { clock, state, hours } = open();
  state.wake = clock.now() + hourMs;
  clock.consider();
  await settle();
  expect(hours()).toBe(0);
  vi.advanceTimersByTime(hourMs);
  expect(hours()).toBe(1);
});

describe("unlocked", () => {
  test("it jumps to the next time at which something is due", async () => {
    const { clock, state, hours } = open();
    state.wake = clock.now() + 30 * dayMs;
    clock.unlock();
    await settle();
    expect([hours(), state.jumps]).toEqual([30 * 24, 1]);
  });

  test.each([
    ["a worker has something to do", { busy: true }],
    ["nothing will ever be due", { wake: null }],
  ])("it does not while %s", async (_, given) => {
    const { clock, state, hours } = open();
    state.wake = clock.now() + hourMs;
    Object.assign(state, given);
    clock.unlock();
    await settle();
    expect(hours()).toBe(0);
  });

  test("it looks again after each commit", async () => {
    const { clock, state, hours } = open({ busy: true });
    state.wake = clock.now() + hourMs;
    clock.unlock();
    await settle();
    state.busy = false;
    clock.consider();
    await settle();
    expect(hours()).toBe(1);
  });

  test("locks are counted, and there are never fewer than none", async () => {
    const { clock, state, hours } = open();
    clock.lock();
    state.wake = clock.now() + hourMs;
    expect(clock.unlock().ok).toBe(true);
    await settle();
    expect(hours()).toBe(0);
    expect(clock.unlock().ok).toBe(true);
    await settle();
    expect(hours()).toBe(1);
    expect(clock.unlock()).toMatchObject({ ok: false, error: { kind: "invalid-argument" } });
  });
});

describe("who sleeps", () => {
  test("is woken by a jump", async () => {
    const { clock, hours } = open();
    clock.unlock();
    const slept = clock.sleepUntil(clock.now() + 2 * hourMs);
    await settle();
    vi.advanceTimersByTime(1);
    await slept;
    expect(Math.floor(hours())).toBe(2);
  });

  test("earliest first, and not past what the server has to do", async () => {
    const { clock, state, hours } = open();
    state.wake = clock.now() + hourMs;
    const woken: string[] = [];
    void clock.sleepUntil(clock.now() + 3 * hourMs).then(() => woken.push("three"));
    void clock.sleepUntil(clock.now() + 2 * hourMs).then(() => woken.push("two"));
    clock.unlock();
    await settle();
    expect([hours(), woken]).toEqual([1, []]);
    clock.consider();
    await settle();
    vi.advanceTimersByTime(1);
    await settle();
    expect(woken).toEqual(["two"]);
    vi.advanceTimersByTime(1);
    await settle();
    expect(woken).toEqual(["two", "three"]);
  });

  test("locked, waits in real time", async () => {
    const { clock } = open();
    let awake = false;
    void clock.sleepUntil(clock.now() + 5 * secondMs).then(() => {
      awake = true;
    });
    vi.advanceTimersByTime(4_999);
    await settle();
    expect(awake).toBe(false);
    vi.advanceTimersByTime(1);
    await settle();
    expect(awake).toBe(true);
  });
});

test("callbacks follow a jump, unless they were called off", async () => {
  const { clock, state } = open();
  const called: string[] = [];
  clock.schedule(clock.now() + hourMs, () => called.push("due"));
  clock.schedule(clock.now() + hourMs, () => called.push("called off"))();
  clock.schedule(clock.now() + 2 * hourMs, () => called.push("later"));
  state.wake = clock.now() + hourMs;
  clock.unlock();
  await settle();
  vi.advanceTimersByTime(1);
  expect(called).toEqual(["due"]);
});
