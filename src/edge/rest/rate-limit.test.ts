import fc from "fast-check";
import { expect, test } from "vitest";
import { createRateLimit } from "./rate-limit.ts";

test("so many at once, then as many as time gives back", () => {
  let at = 0;
  const { take } = createRateLimit({ perSecond: 2, burst: 3, now: () => at });
  const take4 = [take("ada"), take("ada"), take("ada"), take("ada")];
  expect(take4.map(({ allowed, remaining }) => `${allowed} ${remaining}`)).toEqual(["true 2", "true 1", "true 0", "false 0"]);
  expect(take4[3]).toEqual({ allowed: false, remaining: 0, resetSeconds: 2, retrySeconds: 1 });
  expect(take("bob").allowed).toBe(true);
  at = 500;
  expect([take("ada").allowed, take("ada").allowed]).toEqual([true, false]);
  at = 60_000;
  expect(take("ada")).toEqual({ allowed: true, remaining: 2, resetSeconds: 1, retrySeconds: 0 });
});

test("never more than the burst and what time has given", () => {
  const requests = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 });
  fc.assert(
    fc.property(requests, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (pauses, perSecond, burst) => {
      let at = 0;
      const { take } = createRateLimit({ perSecond, burst, now: () => at });
      let allowed = 0;
      for (const pause of pauses) {
        at += pause;
        if (take("ada").allowed) allowed++;
        expect(allowed).toBeLessThanOrEqual(burst + (at / 1_000) * perSecond + 1e-6);
      }
    }),
  );
});

test("callers without end are not remembered without end", () => {
  const { take } = createRateLimit({ perSecond: 1, burst: 1, now: () => 0 });
  expect([take("first").allowed, take("first").allowed]).toEqual([true, false]);
  for (let caller = 0; caller < 10_000; caller++) take(String(caller));
  expect(take("first").allowed).toBe(true);
});
