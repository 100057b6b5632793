import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hourMs, secondMs } from "../base/time.ts";
import { createSystemClock } from "./clock.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each([
  // the host clock is set by, what the server's clock then moves by at once
  [-hourMs, 0],
  [-1, 0],
  [0, 0],
  [hourMs, hourMs],
])("a host clock that is set by %i ms moves ours by %i", (step, moved) => {
  const clock = createSystemClock();
  const before = clock.now();
  vi.setSystemTime(before + step);
  expect(clock.now() - before).toBe(moved);
});

test("a clock that was set back goes on where it stood, once the host has caught up", () => {
  const clock = createSystemClock();
  const before = clock.now();
  vi.setSystemTime(before - 10 * secondMs);
  vi.advanceTimersByTime(10 * secondMs);
  expect(clock.now()).toBe(before);
  vi.advanceTimersByTime(secondMs);
  expect(clock.now()).toBe(before + secondMs);
});
