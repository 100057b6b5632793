import { describe, expect, test } from "vitest";
import { actionOf } from "../action.ts";
import { inputOfValues } from "../action-input.ts";
import { decide } from "./decide.ts";
import { bundle, snapshotFrom } from "./policy.test-kit.ts";
import { snapshotOf, unpublished } from "./snapshot.ts";

const at = (topic: string, workflowId = "wf") => actionOf({ topic, workflowId });

test("a decision carries everything that a record and a worker need", () => {
  const snapshot = snapshotFrom(`
rules:
- id: refund
  match: {topics: [payment.refund]}
  decision: require_approval
  reason: a person must look
  constraints: {budgets: {max_attempts: 1}}
  approval: {roles: [finance], quorum: 2, expires_after: 1h}
  remediations: [{id: voucher, replacement_topic: payment.voucher}]`);
  const action = at("payment.refund");
  expect(decide(snapshot, action)).toEqual({
    effect: "REQUIRE_APPROVAL",
    ruleId: "refund",
    bundle: "main",
    reason: "a person must look",
    constraints: { budgets: { maxAttempts: 1 } },
    remediations: [{ id: "voucher", replacementTopic: "payment.voucher" }],
    approval: {
      roles: ["finance"],
      principals: [],
      quorum: 2,
      fourEyes: false,
      expiresAfter: 3_600_000,
      onExpiry: "deny",
      escalation: [],
      reasonRequired: false,
    },
    delay: null,
    snapshot: snapshot.hash,
    action,
    observed: null,
  });
});

describe("no rule matches", () => {
  test.each([
    ["rules: []", "DENY"],
    ["version: '1'", "DENY"],
    ["default_decision: deny", "DENY"],
    ["default_decision: allow", "ALLOW"],
    ["{mode: observe, default_decision: deny}", "ALLOW"],
  ])("%s: %s", (source, effect) => {
    expect(decide(snapshotFrom(source), at("x"))).toMatchObject({ effect, ruleId: null });
  });

  test.each([
    [["default_decision: allow", "default_decision: deny"], "DENY"], // one that denies is enough
    [["default_decision: allow", "rules: [{id: a, decision: allow, match: {topics: [a]}}]"], "ALLOW"],
    [["default_decision: allow", "{mode: observe, default_decision: deny}"], "ALLOW"],
    [["default_decision: allow", "tests: []"], "ALLOW"],
  ])("%j together: %s", (sources, effect) => {
    expect(decide(snapshotOf(sources.map((source, index) => bundle(`b${index}`, source))), at("x")).effect).toBe(effect);
  });

  const start = actionOf({ kind: "workflow-start", name: "Order", workflowId: "order-7" });
  test.each([
    // Whatever a workflow does is decided when it does it, so that a policy that is silent about starts permits them …
    ["rules: [{id: a, match: {topics: [a]}, decision: allow}]", "ALLOW", null],
    ["rules: [{id: a, match: {kinds: [workflow-start], names: [Refund]}, decision: allow, enabled: false}]", "ALLOW", null],
    ["rules: [{id: a, match: {kinds: [workflow-start], names: [Refund]}, decision: allow, mode: observe}]", "ALLOW", "DENY"],
    // … and one that speaks of them does not.
    ["rules: [{id: a, match: {kinds: [workflow-start], names: [Refund]}, decision: allow}]", "DENY", null],
    ["rules: [{id: a, match: {topics: [workflow.Refund]}, decision: allow}]", "DENY", null],
    ["default_decision: deny", "DENY", null],
    ["{default_decision: allow, rules: [{id: a, match: {topics: [workflow.Refund]}, decision: deny}]}", "ALLOW", null],
  ])("and a workflow starts under %s: %s", (source, effect, observed) => {
    const decision = decide(snapshotFrom(source), start);
    expect([decision.effect, decision.observed?.effect ?? null]).toEqual([effect, observed]);
  });

  test.each([
    [false, "ALLOW", "no policy is published"],
    [true, "DENY", "no policy is published, and one is required"],
  ])("without any policy, require_policy %s", (requirePolicy, effect, reason) => {
    expect(decide(unpublished({ requirePolicy }), actionOf({ name: "Charge" }))).toMatchObject({
      effect,
      reason,
      action: { topic: "activity.Charge" },
    });
  });
});

describe("whatever goes wrong while deciding denies, and says so", () => {
  const snapshot = snapshotFrom(`
rules:
- {id: looks-inside, match: {topics: [a]}, when: input.amount > 10, decision: allow}
- {id: rest, decision: allow}`);

  test.each([
    ["an input that lacks the field", inputOfValues([{}]), "rule `looks-inside` cannot be told: no such key: amount"],
    ["an encrypted input", inputOfValues(["x"], "binary/encrypted"), "encoded as `binary/encrypted`"],
    ["a field of another type", inputOfValues([{ amount: "many" }]), "no such overload"],
  ])("%s", (_what, input, reason) => {
    const decision = decide(snapshot, actionOf({ topic: "a", input }));
    expect(decision).toMatchObject({ effect: "DENY", ruleId: "looks-inside", approval: null });
    expect(decision.reason).toContain(reason);
  });

  test("an input that no rule on the way looks into is nobody's problem", () => {
    expect(decide(snapshot, actionOf({ topic: "b", input: inputOfValues(["x"], "binary/encrypted") })).effect).toBe("ALLOW");
  });

  test("a bug", () => {
    const input = {
      ...inputOfValues([1]),
      args: () => {
        throw new Error("no such luck");
      },
    };
    expect(decide(snapshot, actionOf({ topic: "a", input }))).toMatchObject({ effect: "DENY", reason: "deciding failed: no such luck" });
  });
});

describe("a local activity has run when the server hears of it: it is allowed or denied", () => {
  const local = actionOf({ kind: "local-activity", name: "Charge" });
  test.each([
    // rule                                                     effect   reason
    ["decision: allow", "ALLOW", "allowed by rule `r`"],
    ["decision: deny", "DENY", "denied by rule `r`"],
    ["decision: require_approval", "DENY", "a local activity cannot wait for an approval: needs approval by rule `r`"],
    ["decision: throttle", "DENY", "a local activity cannot be slowed down: slowed down by rule `r`"],
    [
      "decision: allow, constraints: {budgets: {max_attempts: 2}}",
      "DENY",
      "a local activity cannot be held to limits: allowed within limits by rule `r`",
    ],
  ])("%s: %s", (rule, effect, reason) => {
    expect(decide(snapshotFrom(`rules: [{id: r, match: {names: [Charge]}, ${rule}}]`), local)).toMatchObject({
      effect,
      reason,
      ruleId: "r",
      constraints: {},
      approval: null,
      delay: null,
    });
  });

  test("the caps of a tenant are not on them", () => {
    const snapshot = snapshotFrom("{default_decision: allow, tenants: {shop: {max_concurrent_jobs: 3}}}");
    expect(decide(snapshot, { ...local, namespace: "shop" }).effect).toBe("ALLOW");
    expect(decide(snapshot, actionOf({ name: "Charge", namespace: "shop" })).effect).toBe("ALLOW_WITH_CONSTRAINTS");
  });

  test("a namespace that forbids them denies before all rules", () => {
    const snapshot = snapshotFrom("{deny_local_activities: [prod-*], rules: [{id: r, decision: allow}]}");
    expect(decide(snapshot, { ...local, namespace: "prod-eu" })).toMatchObject({ effect: "DENY", ruleId: "deny-local-activities" });
    expect(decide(snapshot, { ...local, namespace: "test" })).toMatchObject({ effect: "ALLOW", ruleId: "r" });
    expect(decide(snapshot, actionOf({ name: "Charge", namespace: "prod-eu" }))).toMatchObject({ effect: "ALLOW", ruleId: "r" });
  });
});

describe("modes", () => {
  const deny = (mode: string): string => `rules: [{id: no, decision: deny, ${mode}}]\ndefault_decision: allow`;

  test.each([
    // bundle            rule              effect    observed
    ["", "", "DENY", null],
    ["mode: observe", "", "ALLOW", "no"],
    ["", "mode: observe", "ALLOW", "no"],
    ["mode: observe", "mode: enforce", "DENY", null], // the rule's own word counts
    ["canary: 100", "", "DENY", null],
  ] as const)("bundle {%s}, rule {%s}: %s", (ofBundle, ofRule, effect, observed) => {
    const decision = decide(snapshotFrom(`${ofBundle}\n${deny(ofRule)}`), at("x"));
    expect([decision.effect, decision.observed?.ruleId ?? null]).toEqual([effect, observed]);
  });

  test("an observed rule does not shield an action from the rules behind it", () => {
    const snapshot = snapshotFrom("rules: [{id: trial, decision: allow, mode: observe}, {id: law, decision: deny}]");
    expect(decide(snapshot, at("x"))).toMatchObject({ effect: "DENY", ruleId: "law", observed: { ruleId: "trial", effect: "ALLOW" } });
  });

  test("an observed bundle's default is recorded, and lets pass", () => {
    expect(decide(snapshotFrom("mode: observe\nrules: [{id: a, match: {topics: [a]}, decision: allow}]"), at("x"))).toMatchObject({
      effect: "ALLOW",
      observed: { effect: "DENY", ruleId: null },
    });
  });

  const denied = (canary: number): ReadonlySet<string> => {
    const snapshot = snapshotFrom(deny(`canary: ${canary}`));
    const ids = Array.from({ length: 2_000 }, (_, index) => `order-${index}`);
    return new Set(ids.filter((id) => decide(snapshot, at("x", id)).effect === "DENY"));
  };

  test("a canary holds for its share of workflows, always the same ones, and grows", () => {
    const ten = denied(10);
    const thirty = denied(30);
    expect(ten.size).toBeGreaterThan(150);
    expect(ten.size).toBeLessThan(250);
    expect(thirty.size).toBeGreaterThan(520);
    expect([...ten].every((id) => thirty.has(id))).toBe(true);
    expect(denied(10)).toEqual(ten);
    expect(denied(100).size).toBe(2_000);
  });

  test("a bundle's canary takes whole workflows, default and all", () => {
    const snapshot = snapshotFrom(
      "canary: 50\nrules: [{id: a, match: {topics: [a]}, decision: deny}, {id: b, match: {topics: [b]}, decision: deny}]",
    );
    for (let index = 0; index < 100; index++) {
      const effects = ["a", "b", "c"].map((topic) => decide(snapshot, at(topic, `order-${index}`)).effect);
      expect(new Set(effects).size).toBe(1);
    }
  });
});

describe("the catalogue gives meaning to what unmodified workers send", () => {
  const snapshot = snapshotFrom(`
default_decision: allow
actions:
- {match: {activity_types: [Charge*]}, topic: payment.charge, labels: {team: billing}, risk_tags: [money]}
- {match: {task_queues: [eu]}, topic: ignored, labels: {region: eu, team: ignored}, capability: pay, risk_tags: [money, eu]}`);

  test.each([
    ["nothing fits: the default topic", { name: "Ship" }, { topic: "activity.Ship", capability: "", riskTags: [] }],
    ["nothing fits: what the caller said", { name: "Ship", topic: "own" }, { topic: "own" }],
    ["the policy's word wins", { name: "ChargeCard", topic: "harmless", labels: new Map([["team", "x"]]) }, { topic: "payment.charge" }],
    [
      "entries add to each other, the first to say wins",
      { name: "ChargeCard", taskQueue: "eu", riskTags: ["own"] },
      {
        topic: "payment.charge",
        capability: "pay",
        riskTags: ["own", "money", "eu"],
        labels: new Map([
          ["region", "eu"],
          ["team", "billing"],
        ]),
      },
    ],
  ])("%s", (_what, fields, expected) => {
    expect(decide(snapshot, actionOf(fields)).action).toMatchObject(expected);
  });
});
