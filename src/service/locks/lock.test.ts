import fc from "fast-check";
import { expect, test } from "vitest";
import { present } from "../../base/assert.ts";
import type { Result } from "../../base/result.ts";
import { acquire, atTime, type Lock, type LockMode, release, renew, takeOver } from "./lock.ts";

const by = (owner: string, mode: LockMode, now = 0, ttl = 100) => ({ resource: "db", owner, mode, now, ttl });
const held = (...asked: readonly ReturnType<typeof by>[]): Lock =>
  present(
    asked.reduce<Lock | null>((lock, one) => {
      const acquired = acquire(lock, one);
      return acquired.ok ? acquired.value : lock;
    }, null),
    "the lock",
  );
const counts = (lock: Lock | null) => Object.fromEntries(lock?.holds.map(({ owner, count }) => [owner, count]) ?? []);

test.each([
  // held                                           asked                    outcome
  [[by("a", "exclusive")], by("b", "exclusive"), "lock-unavailable"],
  [[by("a", "exclusive")], by("b", "shared"), "lock-unavailable"],
  [[by("a", "shared")], by("b", "exclusive"), "lock-unavailable"],
  [[by("a", "shared")], by("b", "shared"), { mode: "shared", a: 1, b: 1 }],
  [[by("a", "exclusive")], by("a", "exclusive"), { mode: "exclusive", a: 2 }],
  [[by("a", "exclusive")], by("a", "shared"), { mode: "exclusive", a: 2 }],
  [[by("a", "shared")], by("a", "exclusive"), { mode: "exclusive", a: 2 }],
  [[by("a", "shared"), by("b", "shared")], by("a", "exclusive"), "lock-unavailable"],
] as const)("%j, then %j: %j", (before, asked, outcome) => {
  const acquired = acquire(held(...before), asked);
  expect(acquired.ok ? { mode: acquired.value.mode, ...counts(acquired.value) } : acquired.error).toEqual(outcome);
});

test("a hold ends at its time, whatever the others do", () => {
  const lock = held(by("a", "shared", 0, 100), by("b", "shared", 0, 300));
  expect([99, 100, 300].map((now) => counts(atTime(lock, now)))).toEqual([{ a: 1, b: 1 }, { b: 1 }, {}]);
});

test("renewing sets what remains, acquiring again only adds to it", () => {
  const lock = held(by("a", "exclusive", 0, 100), by("a", "exclusive", 10, 20));
  expect(lock.holds).toEqual([{ owner: "a", count: 2, expiresAt: 100 }]);
  expect(renew(lock, { owner: "a", ttl: 20, now: 10 })).toMatchObject({ value: { holds: [{ expiresAt: 30 }] } });
  expect(renew(lock, { owner: "b", ttl: 20, now: 10 })).toEqual({ ok: false, error: "lock-lost" });
});

test("it is free when it was released as often as acquired", () => {
  const once = release(held(by("a", "exclusive"), by("a", "exclusive")), { owner: "a", now: 1 });
  expect(once).toMatchObject({ value: { holds: [{ owner: "a", count: 1 }] } });
  expect(release(once.ok ? once.value : null, { owner: "a", now: 1 })).toEqual({ ok: true, value: null });
  expect(release(null, { owner: "a", now: 1 })).toEqual({ ok: false, error: "lock-not-held" });
});

test("nobody shares with one who holds exclusively, in any order of requests", () => {
  const owner = fc.constantFrom("a", "b", "c");
  const step = fc.record({ owner, mode: fc.constantFrom<LockMode>("exclusive", "shared"), gives: fc.boolean(), after: fc.nat(80) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let lock: Lock | null = null;
      let now = 0;
      for (const { owner, mode, gives, after } of steps) {
        now += after;
        const before: Lock | null = lock === null ? null : atTime(lock, now);
        const next: Result<Lock | null, string> = gives ? release(before, { owner, now }) : acquire(before, by(owner, mode, now));
        lock = next.ok ? next.value : before;
        if (lock?.mode === "exclusive") expect(lock.holds).toHaveLength(1);
        expect(lock?.holds.every(({ count }) => count > 0) ?? true).toBe(true);
      }
    }),
  );
});

test.each([
  // held                                               taken over by              holds then
  [[by("a", "exclusive")], by("b", "exclusive"), { mode: "exclusive", b: 1 }],
  [[by("a", "exclusive")], by("b", "shared"), { mode: "shared", b: 1 }],
  [[by("a", "shared"), by("b", "shared")], by("b", "exclusive"), { mode: "exclusive", b: 2 }],
  // Nobody is in the way.
  [[by("a", "shared")], by("b", "shared"), { mode: "shared", a: 1, b: 1 }],
] as const)("%j, taken over by %j: %j", (before, asked, outcome) => {
  const lock = takeOver(held(...before), asked);
  expect(lock.ok ? { mode: lock.value.mode, ...counts(lock.value) } : lock.error).toEqual(outcome);
});
