import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { Lockout } from "./authenticator.ts";
import { createLockout, failuresFree, failureWindow, lockedSourcesMax, lockForgottenAfter, lockTimeMax, networkOf } from "./lockout.ts";

let now: number;
let lockout: Lockout;
beforeEach(() => {
  now = 1_800_000_000_000;
  lockout = createLockout({ now: () => now });
});

const fail = (source: string, times: number): void => {
  for (let count = 0; count < times; count++) lockout.failed(source);
};

test("a few failures cost nothing", () => {
  fail("192.0.2.1", failuresFree);
  expect(lockout.retryAfter("192.0.2.1")).toBe(0);
  expect(lockout.retryAfter("192.0.2.2")).toBe(0);
});

test("each further one costs twice as long, up to a bound", () => {
  fail("192.0.2.1", failuresFree);
  const waits: number[] = [];
  for (let count = 0; count < 11; count++) {
    lockout.failed("192.0.2.1");
    waits.push(lockout.retryAfter("192.0.2.1") / 1_000);
    now += lockout.retryAfter("192.0.2.1");
    expect(lockout.retryAfter("192.0.2.1")).toBe(0);
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
});

test("failures that were under way when it was locked are one", () => {
  fail("192.0.2.1", failuresFree + 10);
  expect(lockout.retryAfter("192.0.2.1")).toBe(1_000);
  now += 400;
  fail("192.0.2.1", 10);
  expect(lockout.retryAfter("192.0.2.1")).toBe(600);
});

test("a success clears it", () => {
  fail("192.0.2.1", failuresFree + 1);
  lockout.succeeded("192.0.2.1");
  fail("192.0.2.1", failuresFree);
  expect(lockout.retryAfter("192.0.2.1")).toBe(0);
});

describe("time clears it", () => {
  test("failures that are far apart", () => {
    for (let count = 0; count < 100; count++) {
      lockout.failed("192.0.2.1");
      now += failureWindow / (failuresFree - 1);
      expect(lockout.retryAfter("192.0.2.1")).toBe(0);
    }
  });

  test("a lock that was long ago, and not one that has just ended", () => {
    fail("192.0.2.1", failuresFree + 1);
    now += 1_000 + lockForgottenAfter - 1;
    lockout.failed("192.0.2.1");
    expect(lockout.retryAfter("192.0.2.1")).toBe(2_000);
    now += 2_000 + lockForgottenAfter;
    fail("192.0.2.1", failuresFree);
    expect(lockout.retryAfter("192.0.2.1")).toBe(0);
  });
});

test("what is tried at an address is a source of its own", () => {
  fail("192.0.2.1 key-1", failuresFree + 1);
  expect(lockout.retryAfter("192.0.2.1 key-1")).toBe(1_000);
  expect(lockout.retryAfter("192.0.2.1 key-2")).toBe(0);
  expect(lockout.retryAfter("192.0.2.1")).toBe(0);
  fail("2001:db8::1 key-1", failuresFree + 1);
  expect(lockout.retryAfter("2001:db8::ffff key-1")).toBe(1_000);
});

test("it remembers so many sources and no more", () => {
  fail("192.0.2.1", failuresFree + 1);
  fail("192.0.2.2", failuresFree);
  for (let source = 0; source < lockedSourcesMax - 1; source++) lockout.failed(`source-${source}`);
  lockout.failed("192.0.2.2");
  expect(lockout.retryAfter("192.0.2.1")).toBe(0);
  expect(lockout.retryAfter("192.0.2.2")).toBe(1_000);
});

test("whatever happens, a wait is between nothing and its bound", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("failed" as const), source: fc.nat(3) }),
    fc.record({ kind: fc.constant("succeeded" as const), source: fc.nat(3) }),
    fc.record({ kind: fc.constant("time" as const), source: fc.nat(400_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const own = createLockout({ now: () => now });
      for (const { kind, source } of steps) {
        if (kind === "time") now += source;
        else own[kind](`192.0.2.${source}`);
        const wait = own.retryAfter("192.0.2.0");
        expect(wait >= 0 && wait <= lockTimeMax).toBe(true);
      }
    }),
  );
});

describe("networks", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:0DB8:0000:0000:1:2:3:4", "2001:db8:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["a pipe", "a pipe"],
    ["", ""],
  ])("%s → %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  test("of addresses that differ in their last 64 bits are one", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(networkOf(address)).toMatch(/^([0-9a-f]{1,4}:){4}:\/64$|^\d+\.\d+\.\d+\.\d+$/);
      }),
    );
  });
});
