import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { actionOf } from "../action.ts";
import { decide } from "../policy/decide.ts";
import { snapshotFrom } from "../policy/policy.test-kit.ts";
import { type Breaker, closedBreaker, pass, report } from "./breaker.ts";
import { countedAs, maxOf, quotasOf } from "./limits.ts";
import { type Bucket, countInWindow, takeTokens, type Window } from "./rate.ts";

describe("token bucket: 2 per second, 3 at once", () => {
  const limit = { max: 2, per: 1_000, burst: 3 };
  test("a burst, then one token every half second", () => {
    let bucket: Bucket | null = null;
    const outcome = [0, 0, 0, 0, 499, 500, 500, 10_000, 10_000, 10_000, 10_000].map((now) => {
      const { state, allowed, retryAt } = takeTokens(bucket, limit, now);
      bucket = state;
      return allowed ? "ok" : `at ${retryAt}`;
    });
    expect(outcome).toEqual(["ok", "ok", "ok", "at 500", "at 500", "ok", "at 1000", "ok", "ok", "ok", "at 10500"]);
  });

  test("a clock that is set back refills nothing, and takes nothing away", () => {
    const { state } = takeTokens({ tokens: 1, at: 5_000 }, limit, 1_000);
    expect(state).toEqual({ tokens: 0, at: 5_000 });
    expect(takeTokens(state, limit, 2_000)).toMatchObject({ allowed: false, retryAt: 5_500 });
  });

  test("whatever the clock does, no span of time lets more through than burst and rate allow", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -300, max: 700 }), { maxLength: 60 }), (steps) => {
        let bucket: Bucket | null = null;
        let now = 100_000;
        let first: number | null = null;
        let latest = now;
        let allowedCount = 0;
        for (const step of steps) {
          now += step;
          first ??= now;
          latest = Math.max(latest, now);
          const taken: ReturnType<typeof takeTokens> = takeTokens(bucket, limit, now);
          bucket = taken.state;
          if (taken.allowed) allowedCount++;
          else expect(takeTokens(bucket, limit, taken.retryAt ?? 0).allowed).toBe(true);
        }
        expect(allowedCount).toBeLessThanOrEqual(limit.burst + ((latest - (first ?? now)) * limit.max) / limit.per);
      }),
      // A token that a rounding error keeps from being whole when it is due.
      { examples: [[[0, 486, 484, -163, 411, 0]]] },
    );
  });
});

test("window: 2 per minute, counted from the epoch", () => {
  let window: Window | null = null;
  const outcome = [59_000, 59_500, 59_900, 60_000, 59_000, 60_100].map((now) => {
    const { state, allowed, retryAt } = countInWindow(window, { max: 2, per: 60_000 }, now);
    window = state;
    return allowed ? "ok" : `at ${retryAt}`;
  });
  expect(outcome).toEqual(["ok", "ok", "at 60000", "ok", "ok", "at 120000"]);
});

test("more at once than the limit holds can never be allowed", () => {
  expect(countInWindow(null, { max: 10, per: 1_000 }, 0, 11)).toMatchObject({ allowed: false, retryAt: null, state: { used: 0 } });
  expect(takeTokens(null, { max: 10, per: 1_000, burst: 10 }, 0, 11)).toMatchObject({ allowed: false, retryAt: null });
});

describe("circuit breaker: opens after 3 failures in 10 s, for 30 s, closes after 2 of 2 probes", () => {
  const limit = { failures: 3, within: 10_000, openFor: 30_000, probes: 2, successes: 2 };
  type Step = readonly ["pass" | "succeeded" | "failed", at: number];

  const walk = (steps: readonly Step[], given = limit as typeof limit | (Omit<typeof limit, "within"> & { within: null })): string => {
    let breaker: Breaker = closedBreaker;
    return steps
      .map(([what, at]) => {
        if (what !== "pass") {
          breaker = report(breaker, given, what, at);
          return breaker.state;
        }
        const asked = pass(breaker, given, at);
        breaker = asked.breaker;
        return asked.allowed ? "passed" : `refused until ${asked.retryAt}`;
      })
      .join(", ");
  };
  const opened: readonly Step[] = [
    ["failed", 0],
    ["failed", 1],
    ["failed", 2],
  ];
  const seen = "closed, closed, open, ";

  test.each<[string, readonly Step[], string]>([
    ["opens", [...opened, ["pass", 100]], `${seen}refused until 30002`],
    [
      "old failures do not count",
      [
        ["failed", 0],
        ["failed", 1],
        ["failed", 20_000],
        ["pass", 20_000],
      ],
      "closed, closed, closed, passed",
    ],
    ["late news while open", [...opened, ["succeeded", 5], ["failed", 6]], `${seen}open, open`],
    [
      "half-open lets two probes through",
      [...opened, ["pass", 30_002], ["pass", 30_003], ["pass", 30_004]],
      `${seen}passed, passed, refused until 60002`,
    ],
    [
      "both succeed: closed",
      [...opened, ["pass", 30_002], ["pass", 30_003], ["succeeded", 30_010], ["succeeded", 30_011], ["pass", 30_012]],
      `${seen}passed, passed, half-open, closed, passed`,
    ],
    [
      "one fails: open again",
      [...opened, ["pass", 30_002], ["failed", 30_010], ["pass", 30_011]],
      `${seen}passed, open, refused until 60010`,
    ],
    ["a lost probe is tried again", [...opened, ["pass", 30_002], ["pass", 30_003], ["pass", 60_002]], `${seen}passed, passed, passed`],
    ["a clock that is set back keeps it open", [...opened, ["pass", -50_000]], `${seen}refused until 30002`],
  ])("%s", (_what, steps, expected) => {
    expect(walk(steps)).toBe(expected);
  });

  test("without a time, failures count in a row", () => {
    const inARow = { ...limit, within: null };
    expect(
      walk(
        [
          ["failed", 0],
          ["failed", 1],
          ["succeeded", 2],
          ["failed", 3],
          ["failed", 4],
          ["failed", 1e9],
        ],
        inARow,
      ),
    ).toBe("closed, closed, closed, closed, closed, open");
  });
});

test.each([
  ["topic", "topic=a"],
  ["principal", "principal=ann"],
  ["tenant", "tenant=shop"],
  ["workflow", "workflow=w"],
  ["run", "run=w/r"],
  ["label:team", "label:team=x"],
  ["label:other", "label:other="],
])("by %s an action counts as %s", (by, expected) => {
  const action = actionOf({
    topic: "a",
    namespace: "Shop",
    workflowId: "w",
    runId: "r",
    principal: { id: "ann", kind: "human", roles: [] },
    labels: new Map([["team", "x"]]),
  });
  expect(countedAs(by, action)).toBe(expected);
});

describe("the limits an action is under", () => {
  const quotasFor = (policy: string, fields: Parameters<typeof actionOf>[0]) => {
    const snapshot = snapshotFrom(policy);
    return quotasOf(snapshot, decide(snapshot, actionOf(fields)));
  };
  const told = (policy: string, fields: Parameters<typeof actionOf>[0]) =>
    quotasFor(policy, fields).map((quota) => `${quota.kind} ${maxOf(quota)} ${quota.source} ${quota.by}`);
  const free = "default_decision: allow";

  test.each<[what: string, policy: string, fields: Parameters<typeof actionOf>[0], expected: readonly string[]]>([
    ["none", "rules: [{ id: r, decision: allow }]", { topic: "a" }, []],
    [
      "of a rule: rates, spending and attempts at once",
      `rules: [{ id: r, decision: allow, constraints: { rates: [{ max: 3, per: 1m, by: principal }],
        spend: [{ unit: tokens, max: 100, by: run, reserve: 10 }], budgets: { max_concurrent_jobs: 2 } } }]`,
      { topic: "a", workflowId: "w", runId: "1", principal: { id: "ann", kind: "human", roles: [] } },
      ["rate 3 rule main/r principal=ann", "spend 100 rule main/r run=w/1", "concurrency 2 rule main/r rule"],
    ],
    [
      "of a tenant, in whatever case it is written; a rule's own number stays its own",
      `tenants: { Shop: { max_concurrent_jobs: 4 } }
rules: [{ id: r, decision: allow, constraints: { budgets: { max_concurrent_jobs: 9 } } }]`,
      { namespace: "SHOP", topic: "a" },
      ["concurrency 9 rule main/r rule", "concurrency 4 tenant shop tenant"],
    ],
    ["of another tenant", `${free}\ntenants: { shop: { max_concurrent_jobs: 4 } }`, { namespace: "other", topic: "a" }, []],
    [
      "of a topic, whichever rule allowed it",
      `${free}\nlimits: [{ topics: [pay.*, x], rate: { max: 1, per: 1s } }, { topic: '*', breaker: { failures: 7, open_for: 1s } }]`,
      { topic: "pay.card" },
      ["rate 1 limits of main: pay.*, x topic=pay.card", "breaker 7 limits of main: * topic=pay.card"],
    ],
    [
      "of two that count the same, the smaller",
      `rules: [{ id: r, decision: allow, constraints: { rates: [{ max: 5, per: 1s }, { max: 3, per: 1s }, { max: 9, per: 1m }] } }]`,
      { topic: "a" },
      ["rate 3 rule main/r topic=a", "rate 9 rule main/r topic=a"],
    ],
    [
      "what is only observed limits nothing",
      `mode: observe\n${free}\nlimits: [{ topics: ['*'], rate: { max: 1, per: 1s } }]\ntenants: { shop: { max_concurrent_jobs: 1 } }`,
      { namespace: "shop", topic: "a" },
      [],
    ],
  ])("%s", (_what, policy, fields, expected) => {
    expect(told(policy, fields).toSorted()).toEqual(expected.toSorted());
  });

  test("tenants never count together, and a count outlives a change of its numbers", () => {
    const keys = (max: number, namespace: string) =>
      quotasFor(`${free}\nlimits: [{ topics: [a], rate: { max: ${max}, per: 1s } }]`, { namespace, topic: "a" }).map(({ key }) => key);
    expect(keys(1, "shop")).toEqual(keys(2, "Shop"));
    expect(keys(1, "shop")).not.toEqual(keys(1, "other"));
  });

  test("a burst is as large as the rate, unless the policy says so", () => {
    const limitOf = (more: string) => quotasFor(`${free}\nlimits: [{ topics: [a], rate: { max: 5, per: 1s }${more} }]`, { topic: "a" })[0];
    expect(limitOf("")).toMatchObject({ limit: { burst: 5 } });
    expect(limitOf(", burst: 9")).toMatchObject({ limit: { burst: 9 } });
  });
});
