import fc from "fast-check";
import { expect, test } from "vitest";
import { type Action, actionKinds, actionOf } from "../action.ts";
import { inputOfValues } from "../action-input.ts";
import { decide, decideByScan } from "./decide.ts";
import { explain } from "./explain.ts";
import { parsePolicy } from "./policy.ts";
import { printPolicy } from "./print.ts";
import { snapshotOf } from "./snapshot.ts";

const one = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const some = <T>(...values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });

const match = fc
  .record({
    topics: optional(some("a", "b", "a.*", "*", "[ab]", "?.x", "\\a")),
    tenants: optional(some("t1", "T2")),
    capabilities: optional(some("read", "write")),
    risk_tags: optional(some("prod", "money")),
    requires: optional(some("net", "gpu")),
    labels: optional(fc.dictionary(one("env", "team"), one("x", "y"), { maxKeys: 2 })),
    kinds: optional(some("job", "activity")),
    secrets_present: optional(fc.boolean()),
  })
  .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));

const rule = fc
  .record({
    match,
    decision: one("allow", "deny", "require_approval", "throttle", "allow_with_constraints"),
    when: optional(one("input.n > 3", "attempt > 1", "'prod' in risk_tags", "has(input.m) && input.m == 1")),
    mode: optional(one("enforce", "observe")),
    enabled: optional(fc.boolean()),
    constraints: optional(one({ budgets: { max_attempts: 2 } }, { diff: { max_files: 3 } })),
  })
  .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));

const policySource = fc
  .record({
    rules: fc.array(rule, { maxLength: 12 }),
    default_decision: one("allow", "deny"),
    mode: one("enforce", "observe"),
    order: one(0, 1, 2),
    canary: optional(one(30, 70)),
    tenants: one({}, { t1: { deny_topics: ["a"] } }, { t2: { allow_topics: ["*"], max_concurrent_jobs: 3 } }),
    actions: one([], [{ match: { names: ["N*"] }, topic: "a.x", risk_tags: ["prod"] }]),
  })
  .map((fields) =>
    JSON.stringify({
      ...fields,
      ...(fields.canary === undefined ? {} : { mode: "enforce" }),
      rules: fields.rules.map((one, index) => ({ id: `r${index}`, ...one })),
    }),
  );

const policy = policySource.map((source) => {
  const parsed = parsePolicy(source).policy;
  if (parsed === null) throw new Error(source);
  return parsed;
});

const action: fc.Arbitrary<Action> = fc
  .record({
    topic: one("", "a", "b", "a.x", "a/b", "c"),
    namespace: one("t1", "T2", "t3"),
    kind: one(...actionKinds),
    name: one("N1", "M"),
    capability: one("", "read", "write"),
    riskTags: fc.subarray(["prod", "money", "secrets"]),
    requires: fc.subarray(["net", "gpu"]),
    labels: fc.dictionary(one("env", "team"), one("x", "y")).map((labels) => new Map(Object.entries(labels))),
    workflowId: one("", "w1", "w2", "w3"),
    attempt: one(1, 2),
    input: one([{ n: 1 }], [{ n: 5, m: 1 }], [{}]).map((args) => inputOfValues(args)),
  })
  .map(actionOf);

const bundles = fc.array(policy, { maxLength: 3 }).map((policies) => policies.map((one, index) => ({ id: `b${index}`, policy: one })));

test("the index finds what trying every rule finds, every time", () => {
  fc.assert(
    fc.property(bundles, action, (given, asked) => {
      const snapshot = snapshotOf(given);
      const decision = decide(snapshot, asked);
      expect(decide(snapshot, asked)).toEqual(decision);
      expect(decideByScan(snapshot, asked)).toEqual(decision);
    }),
    { numRuns: 500 },
  );
});

test("the order in which bundles are given makes no difference", () => {
  fc.assert(
    fc.property(bundles, action, (given, asked) => {
      const [forward, backward] = [snapshotOf(given), snapshotOf([...given].reverse())];
      expect(backward.hash).toBe(forward.hash);
      expect(decide(backward, asked)).toEqual(decide(forward, asked));
    }),
  );
});

test("a policy printed and read again decides alike, under the same hash", () => {
  fc.assert(
    fc.property(policy, action, (given, asked) => {
      const again = parsePolicy(printPolicy(given)).policy;
      if (again === null) throw new Error(printPolicy(given));
      const [before, after] = [snapshotOf([{ id: "b", policy: given }]), snapshotOf([{ id: "b", policy: again }])];
      expect(after.hash).toBe(before.hash);
      expect(decide(after, asked)).toEqual(decide(before, asked));
    }),
  );
});

test("the first rule that matches and is enforced decides, and explaining shows it", () => {
  fc.assert(
    fc.property(bundles, action, (given, asked) => {
      const snapshot = snapshotOf(given);
      const { decision, rules } = explain(snapshot, asked);
      expect(decision).toEqual(decide(snapshot, asked));
      const deciding = rules.findIndex(({ result }) => result === "decided");
      expect(rules[deciding]?.id ?? null).toBe(decision.ruleId);
      expect(rules.every(({ result }, index) => (result === "not-reached") === (deciding >= 0 && index > deciding))).toBe(true);
      expect(rules.filter(({ result }) => result === "not-matched").every(({ mismatches }) => mismatches.length > 0)).toBe(true);
      const observed = rules.find(({ result }) => result === "observed");
      if (observed !== undefined) expect(decision.observed?.ruleId).toBe(observed.id);
    }),
    { numRuns: 500 },
  );
});
