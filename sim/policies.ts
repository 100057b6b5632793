import { assert } from "../src/base/assert.ts";
import { type DurationMs, secondMs } from "../src/base/time.ts";
import { unpublished } from "../src/governance/policy/snapshot.ts";
import { compileBundles, unsignedAllowed } from "../src/service/policy/bundle-source.ts";
import type { ActivityType } from "./workflow.ts";

/* The policies of simulated administrators: as tables for whoever checks the server, and as the text that the server gets. */

/** What a policy tells apart: activities by their type, everything else by its kind. */
export type Target = ActivityType | "child-workflow" | "external-signal" | "external-cancellation" | "workflow-start";

export type Verdict =
  | { readonly effect: "ALLOW" }
  | { readonly effect: "DENY" }
  | { readonly effect: "REQUIRE_APPROVAL"; readonly attempts?: number; readonly terms?: string }
  | { readonly effect: "THROTTLE"; readonly delay: DurationMs }
  | {
      readonly effect: "ALLOW_WITH_CONSTRAINTS";
      readonly attempts?: number;
      /** Attempts of the rule at one time. */
      readonly concurrency?: number;
      /** Attempts of the rule that a run may spend. */
      readonly spend?: number;
      /** How many attempts in two seconds. */
      readonly rate?: number;
    };

export type SimulatedPolicy = {
  readonly name: string;
  readonly text: string;
  /** Of the snapshot that the text is alone. */
  readonly hash: string;
  verdict(target: Target): Verdict;
};

export const bundleId = "simulated";
/** The role of those who may decide on most approvals. */
export const approverRole = "approver";

const byApprovers = `roles: [${approverRole}]`;

const tables: { readonly [name: string]: { readonly [T in Target]?: Verdict } } = {
  open: {},
  firm: { pay: { effect: "DENY" }, "child-workflow": { effect: "DENY" }, "external-cancellation": { effect: "DENY" } },
  shut: {
    act: { effect: "DENY" },
    pay: { effect: "DENY" },
    ship: { effect: "DENY" },
    "child-workflow": { effect: "DENY" },
    "external-signal": { effect: "DENY" },
    "external-cancellation": { effect: "DENY" },
    "workflow-start": { effect: "DENY" },
  },
  careful: {
    act: { effect: "REQUIRE_APPROVAL", terms: `${byApprovers}, expires_after: 8s` },
    ship: { effect: "REQUIRE_APPROVAL", attempts: 2 },
    "child-workflow": { effect: "REQUIRE_APPROVAL", terms: `${byApprovers}` },
    "external-signal": { effect: "REQUIRE_APPROVAL", terms: `${byApprovers}, expires_after: 20s` },
    "workflow-start": { effect: "DENY" },
  },
  twoPeople: {
    pay: {
      effect: "REQUIRE_APPROVAL",
      terms: `${byApprovers}, quorum: 2, four_eyes: true, expires_after: 6s, on_expiry: escalate, escalation: [{ after: 3s, principals: [chief] }]`,
    },
    "child-workflow": { effect: "REQUIRE_APPROVAL", terms: `${byApprovers}, quorum: 2, expires_after: 10s` },
    "external-cancellation": { effect: "REQUIRE_APPROVAL" },
    "workflow-start": { effect: "REQUIRE_APPROVAL", terms: `${byApprovers}, expires_after: 12s` },
  },
  slow: {
    act: { effect: "THROTTLE", delay: 2 * secondMs },
    ship: { effect: "THROTTLE", delay: secondMs / 4 },
    "child-workflow": { effect: "THROTTLE", delay: 3 * secondMs },
    "external-signal": { effect: "THROTTLE", delay: secondMs },
    "external-cancellation": { effect: "THROTTLE", delay: secondMs },
    "workflow-start": { effect: "THROTTLE", delay: 2 * secondMs },
  },
  capped: {
    act: { effect: "ALLOW_WITH_CONSTRAINTS", attempts: 2 },
    pay: { effect: "ALLOW_WITH_CONSTRAINTS", attempts: 1 },
    ship: { effect: "ALLOW_WITH_CONSTRAINTS", attempts: 3, spend: 4 },
  },
  crowded: {
    act: { effect: "ALLOW_WITH_CONSTRAINTS", concurrency: 1 },
    pay: { effect: "ALLOW_WITH_CONSTRAINTS", concurrency: 2, attempts: 4 },
    ship: { effect: "ALLOW_WITH_CONSTRAINTS", spend: 2 },
    "external-signal": { effect: "DENY" },
  },
  steady: {
    act: { effect: "ALLOW_WITH_CONSTRAINTS", rate: 3 },
    pay: { effect: "ALLOW_WITH_CONSTRAINTS", concurrency: 1, spend: 5 },
    "workflow-start": { effect: "REQUIRE_APPROVAL" },
  },
};

const conditions: { readonly [T in Target]: string } = {
  act: "activity_types: [act]",
  pay: "activity_types: [pay]",
  ship: "activity_types: [ship]",
  "child-workflow": "kinds: [child-workflow]",
  "external-signal": "kinds: [external-signal]",
  "external-cancellation": "kinds: [external-cancellation]",
  "workflow-start": "kinds: [workflow-start]",
};

/** One rule for each target that a table names; its id is the target, in whichever policy. */
function ruleOf(target: Target, verdict: Verdict): string {
  const constraints: string[] = [];
  const budgets: string[] = [];
  if ("attempts" in verdict) budgets.push(`max_attempts: ${verdict.attempts}`);
  if ("concurrency" in verdict) budgets.push(`max_concurrent_jobs: ${verdict.concurrency}`);
  if (budgets.length > 0) constraints.push(`budgets: { ${budgets.join(", ")} }`);
  if ("spend" in verdict) constraints.push(`spend: [{ unit: actions, max: ${verdict.spend}, by: run }]`);
  if ("rate" in verdict) constraints.push(`rates: [{ max: ${verdict.rate}, per: 2s, by: topic }]`);
  return [
    `  - id: ${target}`,
    `    match: { ${conditions[target]} }`,
    `    decision: ${verdict.effect}`,
    ...("terms" in verdict ? [`    approval: { ${verdict.terms} }`] : []),
    ...("delay" in verdict ? [`    delay: ${verdict.delay}ms`] : []),
    ...(constraints.length > 0 ? [`    constraints: { ${constraints.join(", ")} }`] : []),
  ].join("\n");
}

const allowed: Verdict = { effect: "ALLOW" };

const policies: readonly SimulatedPolicy[] = Object.entries(tables).map(([name, table]) => {
  const rules = (Object.entries(table) as [Target, Verdict][]).map(([target, verdict]) => ruleOf(target, verdict));
  const text = [`version: ${name}`, "default_decision: allow", ...(rules.length > 0 ? ["rules:", ...rules] : [])].join("\n");
  const compiled = compileBundles([{ id: bundleId, origin: "api", content: text, signature: null }], unsignedAllowed);
  assert(compiled.ok, `policy ${name} compiles`);
  return { name, text, hash: compiled.value.hash, verdict: (target) => table[target] ?? allowed };
});

const [first, ...others] = policies;
assert(first !== undefined, "there are policies");
/** Under which everything may happen. */
export const openPolicy: SimulatedPolicy = first;
export const anyPolicy: readonly [SimulatedPolicy, ...SimulatedPolicy[]] = [first, ...others];

/** What decides as long as nothing is published: everything may happen, and nothing is recorded. */
export const ungoverned: string = unpublished({ requirePolicy: false }).hash;

const byHash = new Map(policies.map((policy) => [policy.hash, policy]));
export const policyOf = (hash: string): SimulatedPolicy | undefined => byHash.get(hash);
