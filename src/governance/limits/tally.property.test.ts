import fc from "fast-check";
import { expect, test } from "vitest";
import type { Quota } from "./limits.ts";
import { type Ending, giveBack, retake, roomOf, type Taken, type Tally, take, unused } from "./tally.ts";

const named = { key: "k", tenant: "t", source: "rule main/r", by: "topic=a" };
const concurrency: Quota = { ...named, kind: "concurrency", max: 3 };
const perMinute: Quota = { ...named, kind: "rate", limit: { max: 4, per: 60_000, burst: null } };
const tokens: Quota = { ...named, kind: "spend", limit: { unit: "tokens", max: 100, by: "run", per: null, reserve: 25 } };
const breaker: Quota = { ...named, kind: "breaker", limit: { failures: 2, within: null, openFor: 1_000, probes: 2, successes: 2 } };

type Step = {
  readonly do: "admit" | "end" | "crash";
  readonly which: number;
  readonly how: Ending;
  readonly spent: number;
  readonly after: number;
};
const anyStep: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom("admit", "admit", "admit", "end", "end", "crash"),
  which: fc.nat(20),
  how: fc.constantFrom("succeeded", "failed", "abandoned", "never"),
  // A worker that keeps to what was reserved for it.
  spent: fc.integer({ min: 0, max: 25 }),
  after: fc.integer({ min: 0, max: 20_000 }),
});

type World = { tally: Tally; underWay: Taken[]; now: number; admittedAt: number[]; spent: number };

/** Admits, ends and crashes in any order; `look` sees the world after each step. */
function walk(quota: Quota, steps: readonly Step[], look: (world: World) => void): void {
  const world: World = { tally: unused, underWay: [], now: 1_000_000, admittedAt: [], spent: 0 };
  for (const step of steps) {
    world.now += step.after;
    if (step.do === "admit") {
      if (roomOf(quota, world.tally, world.now).count < 1) continue;
      const { tally, taken } = take(quota, world.tally, world.now);
      world.tally = tally;
      world.underWay.push(taken);
      world.admittedAt.push(world.now);
    } else if (step.do === "end") {
      const [taken] = world.underWay.splice(step.which % Math.max(1, world.underWay.length), 1);
      if (taken === undefined) continue;
      world.tally = giveBack(taken, world.tally, { how: step.how, spent: step.spent, at: world.now });
      if (step.how !== "never") world.spent += step.spent;
    } else {
      // What is recorded is the sum of what was spent, and what each attempt under way took.
      const recorded = { ...unused, budget: { start: 0, spent: world.spent, reserved: 0 } };
      world.tally = world.underWay.reduce((tally, taken) => retake(taken, tally), recorded);
    }
    look(world);
  }
}
const steps = fc.array(anyStep, { maxLength: 80 });

test("never more at once than permitted, whatever ends or crashes when", () => {
  fc.assert(
    fc.property(steps, (given) =>
      walk(concurrency, given, ({ underWay, tally }) => {
        expect(underWay.length).toBeLessThanOrEqual(3);
        expect(tally.held).toBe(underWay.length);
      }),
    ),
  );
});

test("never more than the budget, spent and set aside together", () => {
  fc.assert(
    fc.property(steps, (given) =>
      walk(tokens, given, ({ underWay, spent, tally }) => {
        expect(spent + underWay.length * 25).toBeLessThanOrEqual(100);
        expect(tally.budget).toEqual({ start: 0, spent, reserved: underWay.length * 25 });
      }),
    ),
  );
});

test("never more in a window than the rate, unless a crash forgets", () => {
  const noCrash = steps.map((given) => given.filter((step) => step.do !== "crash" && step.how !== "never"));
  fc.assert(
    fc.property(noCrash, (given) =>
      walk(perMinute, given, ({ admittedAt, now }) => {
        const window = (at: number) => Math.floor(at / 60_000);
        expect(admittedAt.filter((at) => window(at) === window(now)).length).toBeLessThanOrEqual(4);
      }),
    ),
  );
});

test("a breaker that is open lets nothing through, and one that is half-open no more than its probes", () => {
  fc.assert(
    fc.property(steps, (given) =>
      walk(breaker, given, ({ tally, now }) => {
        const { count } = roomOf(breaker, tally, now);
        const { state } = tally.breaker;
        expect(count).toBeLessThanOrEqual(state === "closed" ? Number.POSITIVE_INFINITY : 2);
        if (tally.breaker.state === "open" && now < tally.breaker.until) expect(count).toBe(0);
      }),
    ),
  );
});

test("where nobody may go and time alone makes room, somebody may go then", () => {
  fc.assert(
    fc.property(fc.constantFrom(perMinute, breaker), steps, (quota, given) =>
      walk(quota, given, ({ tally, now }) => {
        const { count, moreAt } = roomOf(quota, tally, now);
        if (count === 0) expect(roomOf(quota, tally, moreAt ?? now).count).toBeGreaterThan(0);
      }),
    ),
  );
});
