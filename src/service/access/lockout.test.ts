import { describe, expect, test } from "vitest";
import { minuteMs, secondMs } from "../../base/time.ts";
import { createLockout, firstPause, freeFailures, longestPause } from "./lockout.ts";

function open() {
  let now = 1_000_000;
  const lockout = createLockout({ now: () => now });
  const fail = (source: string, times = 1): void => {
    for (let time = 0; time < times; time++) lockout.failed(source);
  };
  const wait = (ms: number): void => {
    now += ms;
  };
  return { lockout, fail, wait };
}

describe("whoever presents wrong credentials", () => {
  test("waits twice as long after each failure, from the fifth on", () => {
    const { lockout, fail, wait } = open();
    fail("10.0.0.1", freeFailures - 1);
    expect(lockout.retryAfter("10.0.0.1")).toBe(0);
    const pauses = Array.from({ length: 12 }, () => {
      fail("10.0.0.1", 3);
      const pause = lockout.retryAfter("10.0.0.1");
      wait(pause);
      return pause;
    });
    expect(pauses.slice(0, 4)).toEqual([1, 2, 4, 8].map((times) => times * firstPause));
    expect(pauses.at(-1)).toBe(longestPause);
    expect(lockout.retryAfter("10.0.0.2")).toBe(0);
  });

  test("may try again after the time is over, and begins anew after a success or ten quiet minutes", () => {
    const { lockout, fail, wait } = open();
    fail("a", freeFailures);
    wait(firstPause);
    expect(lockout.retryAfter("a")).toBe(0);
    fail("a");
    expect(lockout.retryAfter("a")).toBe(2 * firstPause);
    lockout.succeeded("a");
    expect(lockout.retryAfter("a")).toBe(0);
    fail("a", freeFailures);
    wait(10 * minuteMs + 1);
    fail("a");
    expect(lockout.retryAfter("a")).toBe(0);
  });

  test("now and then is not locked out", () => {
    const { lockout, fail, wait } = open();
    for (let time = 0; time < 50; time++) {
      fail("a");
      wait(minuteMs + secondMs);
      expect(lockout.retryAfter("a")).toBe(0);
    }
  });

  test("gains nothing by another address of its network", () => {
    const { lockout, fail } = open();
    fail("2001:db8:1:2::1 key", freeFailures);
    expect(lockout.retryAfter("2001:db8:1:2:ffff::7 key")).toBe(firstPause);
    expect(lockout.retryAfter("2001:db8:1:2:1:2:3:4 key")).toBe(firstPause);
    expect(lockout.retryAfter("2001:db8:1:3::1 key")).toBe(0);
    fail("2001:db8::1", freeFailures);
    expect(lockout.retryAfter("2001:db8:0:0:9::1")).toBe(firstPause);
    fail("::ffff:10.0.0.1", freeFailures);
    expect(lockout.retryAfter("::ffff:10.0.0.2")).toBe(0);
  });

  test("takes no more memory however many there are", () => {
    const { lockout, fail } = open();
    fail("first", freeFailures);
    for (let each = 0; each < 10_000; each++) fail(`source-${each}`);
    expect(lockout.retryAfter("first")).toBe(0);
  });
});
