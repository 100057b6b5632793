import { expect, test } from "vitest";
import { actionOf } from "../action.ts";
import { decide } from "./decide.ts";
import { diff } from "./diff.ts";
import { bundle, snapshotFrom } from "./policy.test-kit.ts";
import { simulate } from "./simulate.ts";
import { snapshotOf } from "./snapshot.ts";

const deny = (id: string): string => `{id: ${id}, decision: deny, match: {topics: [${id}]}}`;

test("bundles are merged by order, then by id in bytes", () => {
  const snapshot = snapshotOf([
    bundle("slack/x", `rules: [${deny("c")}]`),
    bundle("github/x", `rules: [${deny("b")}]`),
    bundle("Zebra", `rules: [${deny("z")}]`),
    bundle("late", `order: 1\nrules: [${deny("d")}]\nversion: second`),
    bundle("base", `order: -1\nrules: [${deny("a")}]\nversion: first`),
  ]);
  expect(snapshot.rules.map(({ id }) => id)).toEqual(["a", "z", "b", "c", "d"]);
  expect(snapshot.version).toBe("first");
});

test("what tenants refuse stands before all rules of all bundles, what they allow behind them", () => {
  const snapshot = snapshotOf([
    bundle("a", `rules: [${deny("rule-of-a")}]\ntenants: {t: {allow_topics: [x]}}`),
    bundle("b", `rules: [${deny("rule-of-b")}]\ntenants: {t: {deny_topics: [x], max_concurrent_jobs: 5}}\ndeny_local_activities: ["*"]`),
    bundle("c", "tenants: {T: {max_concurrent_jobs: 3}}"),
  ]);
  expect(snapshot.rules.map(({ id }) => id)).toEqual([
    "deny-local-activities",
    "legacy:t:deny:1",
    "rule-of-a",
    "rule-of-b",
    "legacy:t:allow:1",
  ]);
  expect(snapshot.tenantConstraints.get("t")).toEqual({ budgets: { maxConcurrentJobs: 3 } });
});

test("two bundles of one name are a bug of the caller", () => {
  expect(() => snapshotOf([bundle("a", "rules: []"), bundle("a", "rules: []")])).toThrow("two bundles share an id");
});

test("the hash is that of what decides", () => {
  const { hash } = snapshotFrom(`rules: [${deny("a")}]`);
  expect(hash).toBe("5ced9a72a64968de68c9002655ba6ef88fcadbc918326e3e901c8d25c93a6af3");
  // Comments, layout, the order of keys, descriptions, tests and disabled rules do not decide.
  expect(
    snapshotFrom(
      `# why\nrules:\n\n- {match: {topic: a}, decision: block, id: a, description: no}\n- {id: b, enabled: false, decision: allow}`,
    ).hash,
  ).toBe(hash);
  expect(snapshotFrom(`rules: [${deny("a")}]\ntests: [{action: {topic: a}, expect: {decision: deny}}]`).hash).toBe(hash);
  expect(snapshotFrom(`rules: [${deny("b")}]`).hash).not.toBe(hash);
  expect(snapshotFrom(`mode: observe\nrules: [${deny("a")}]`).hash).not.toBe(hash);
});

test("an unrelated bundle changes the hash, and not the decision", () => {
  const action = actionOf({ topic: "a" });
  const alone = snapshotOf([bundle("one", `rules: [${deny("a")}]`)]);
  const both = snapshotOf([bundle("one", `rules: [${deny("a")}]`), bundle("two", `rules: [${deny("b")}]`)]);
  expect(both.hash).not.toBe(alone.hash);
  expect(simulate(alone, both, action).changed).toBe(false);
  expect(decide(both, action).ruleId).toBe("a");
});

test("a simulation says what would change for the action", () => {
  const candidate = snapshotFrom("rules: [{id: a, decision: throttle, delay: 1m}]");
  expect(simulate(snapshotFrom(`rules: [${deny("a")}]`), candidate, actionOf({ topic: "a" }))).toMatchObject({
    current: { effect: "DENY" },
    candidate: { effect: "THROTTLE", delay: 60_000 },
    changed: true,
  });
});

test("a diff names what was added, removed, changed and moved", () => {
  const before = snapshotOf([
    bundle("main", `rules: [${deny("a")}, ${deny("b")}, ${deny("c")}, ${deny("d")}]`),
    bundle("old", "rules: []"),
  ]);
  const after = snapshotOf([
    bundle(
      "main",
      `rules: [${deny("d")}, ${deny("a")}, {id: c, decision: allow, match: {topics: [c]}}, ${deny("e")}]\ndefault_decision: allow`,
    ),
    bundle("new", "limits: [{topic: x, rate: {max: 1, per: 1s}}]"),
  ]);
  expect(
    diff(before, after).map(({ kind, bundle: id, what, fields }) => `${id}: ${what} ${kind} ${fields.map(({ field }) => field).join()}`),
  ).toEqual([
    "main: default_decision added default_decision",
    "main: rule `b` removed ",
    "main: rule `d` moved ",
    "main: rule `c` changed effect",
    "main: rule `e` added ",
    "old: bundle removed ",
    "new: bundle added ",
    "new: limits added limits",
  ]);
  expect(diff(before, before)).toEqual([]);
});
