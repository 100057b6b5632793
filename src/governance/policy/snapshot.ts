import { assert } from "../../base/assert.ts";
import { canonicalJson } from "../../base/canonical-json.ts";
import { sha256Hex } from "../../base/sha256.ts";
import { tenantOf } from "../action.ts";
import { Catalogue } from "./catalogue.ts";
import { type Constraints, isUnconstrained, mergeConstraints } from "./constraints.ts";
import type { Effect } from "./effect.ts";
import { type Expression, expressionOf } from "./expression.ts";
import type { Glob } from "./glob.ts";
import { type Condition, compiledGlobs, conditionsOf, type Match, mcpRefused } from "./match.ts";
import type { ApprovalTerms, Limit, Policy, Remediation, Rule } from "./policy.ts";
import { type Rollout, rolloutOf } from "./rollout.ts";
import { TopicIndex } from "./topic-index.ts";

/** A policy under the name by which it is published. */
export type Bundle = { readonly id: string; readonly policy: Policy };

/** What a rule, or the default, says about the actions it decides. */
export type Outcome = {
  readonly effect: Effect;
  /** Null when no rule decided. */
  readonly ruleId: string | null;
  /** Null when no rule decided. */
  readonly bundle: string | null;
  readonly reason: string;
  readonly constraints: Constraints;
  readonly remediations: readonly Remediation[];
  readonly approval: ApprovalTerms | null;
  /** Of a throttled action: how long it waits, in milliseconds. */
  readonly delay: number | null;
};

export type CompiledRule = {
  readonly bundle: string;
  readonly id: string;
  /** In its file; 0 for a rule that a tenant's lists gave. */
  readonly line: number;
  readonly topics: readonly Glob[] | null;
  readonly conditions: readonly Condition[];
  /** `conditions` without the topic, which the index has answered. */
  readonly furtherConditions: readonly Condition[];
  readonly rollout: Rollout;
  readonly outcome: Outcome;
};

export type CompiledLimit = {
  readonly bundle: string;
  readonly limit: Limit;
  readonly topics: readonly Glob[];
  readonly rollout: Rollout;
};

/** The immutable, compiled set of bundles that decides. */
export type Snapshot = {
  /** SHA-256 of the canonical content: what decisions and grants refer to. The same bundles give the same hash anywhere. */
  readonly hash: string;
  readonly version: string;
  readonly bundles: readonly Bundle[];
  /** In the order in which they are tried. */
  readonly rules: readonly CompiledRule[];
  readonly index: TopicIndex;
  readonly catalogue: Catalogue;
  readonly limits: readonly CompiledLimit[];
  /** By bundle and rule, `bundle/rule`: how many attempts the rule itself permits at once. */
  readonly concurrency: ReadonlyMap<string, number>;
  /** By tenant. */
  readonly tenantConstraints: ReadonlyMap<string, Constraints>;
  readonly defaultTenant: string;
  /** The bundles that have a say in what happens when no rule matches. */
  readonly defaults: readonly { readonly effect: "ALLOW" | "DENY" | null; readonly rollout: Rollout }[];
  /** Of the rules that speak of workflow starts, by their kind or topic: where none is enforced, starts are only denied by a default that is written. */
  readonly startRollouts: readonly Rollout[];
  /** Decides everything, when set: no policy is published. */
  readonly unpublished: Outcome | null;
};

/**
 * Merges bundles: those with a lower `order` first, then by id in the order of its UTF-8 bytes. What a tenant's lists and
 * `deny_local_activities` refuse comes before all rules, what its lists allow behind them. The default is to deny unless a bundle says
 * `default_decision: allow` and none says `deny`; of tenant caps the smallest holds; version and default tenant are the first given.
 */
export function snapshotOf(bundles: readonly Bundle[]): Snapshot {
  assert(new Set(bundles.map(({ id }) => id)).size === bundles.length, "two bundles share an id");
  const sorted = [...bundles].sort((a, b) => a.policy.order - b.policy.order || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
  const rules = [...sorted.flatMap(refusals), ...sorted.flatMap(ownRules), ...sorted.flatMap(tenantAllowances)];
  return {
    hash: sha256Hex(canonicalJson(["holdfast.policy/1", ...sorted.map(contentOf)])),
    version: sorted.find(({ policy }) => policy.version !== "")?.policy.version ?? "",
    bundles: sorted,
    rules,
    index: new TopicIndex(rules),
    catalogue: new Catalogue(sorted),
    limits: sorted.flatMap((bundle) =>
      bundle.policy.limits.map((limit) => ({
        bundle: bundle.id,
        limit,
        topics: compiledGlobs(limit.topics),
        rollout: bundleRollout(bundle),
      })),
    ),
    concurrency: new Map(
      rules.flatMap(({ bundle, id, outcome }) => entryOf(`${bundle}/${id}`, outcome.constraints.budgets?.maxConcurrentJobs)),
    ),
    tenantConstraints: tenantConstraintsOf(sorted),
    defaultTenant: sorted.find(({ policy }) => policy.defaultTenant !== null)?.policy.defaultTenant ?? "default",
    defaults: sorted.filter(hasSay).map((bundle) => ({ effect: bundle.policy.defaultDecision, rollout: bundleRollout(bundle) })),
    startRollouts: sorted.flatMap((bundle) =>
      bundle.policy.rules.filter((rule) => rule.enabled && speaksOfStarts(rule.match)).map((rule) => ruleRollout(bundle, rule)),
    ),
    unpublished: null,
  };
}

const speaksOfStarts = ({ kinds = [], topics = [] }: Match): boolean =>
  kinds.includes("workflow-start") || topics.some((topic) => topic.startsWith("workflow."));

const entryOf = (key: string, value: number | undefined): readonly (readonly [string, number])[] =>
  value === undefined ? [] : [[key, value]];

/** What decides while no policy is published: everything passes, and is recorded as such; or nothing does. */
export const unpublished = ({ requirePolicy }: { readonly requirePolicy: boolean }): Snapshot => ({
  ...snapshotOf([]),
  unpublished: requirePolicy
    ? plainOutcome("DENY", "no policy is published, and one is required")
    : plainOutcome("ALLOW", "no policy is published"),
});

export const plainOutcome = (effect: Effect, reason: string): Outcome => ({
  effect,
  ruleId: null,
  bundle: null,
  reason,
  constraints: {},
  remediations: [],
  approval: null,
  delay: null,
});

/** A file with test cases only says nothing about what happens when no rule matches. */
const hasSay = ({ policy }: Bundle): boolean =>
  policy.rules.length > 0 || policy.tenants.size > 0 || policy.denyLocalActivities.length > 0 || policy.defaultDecision !== null;

const bundleRollout = ({ id, policy }: Bundle): Rollout => rolloutOf(policy.mode, policy.canary, id);

/**
 * What of a bundle decides: neither its tests nor where in the file something stands. What it does not say is left out, so that a policy
 * keeps its hash when the language learns a new word.
 */
function contentOf({ id, policy }: Bundle): object {
  const { tests: _, description: __, rules, ...rest } = policy;
  const deciding = rules.filter(({ enabled }) => enabled).map(({ line: _, description: __, enabled: ___, ...rule }) => said(rule));
  return { id, ...said({ ...rest, rules: deciding }) };
}

const said = (fields: object): object => Object.fromEntries(Object.entries(fields).filter(([, value]) => !saysNothing(value)));

function saysNothing(value: unknown): boolean {
  if (value instanceof Map) return value.size === 0;
  if (Array.isArray(value)) return value.length === 0;
  return value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
}

const ownRules = (bundle: Bundle): readonly CompiledRule[] =>
  bundle.policy.rules.filter(({ enabled }) => enabled).map((rule) => compileRule(bundle, rule));

const because: { readonly [E in Effect]: string } = {
  ALLOW: "allowed",
  DENY: "denied",
  REQUIRE_APPROVAL: "needs approval",
  ALLOW_WITH_CONSTRAINTS: "allowed within limits",
  THROTTLE: "slowed down",
};

const ruleRollout = (bundle: Bundle, { id, mode, canary }: Rule): Rollout =>
  mode === null && canary === null ? bundleRollout(bundle) : rolloutOf(mode ?? "enforce", canary, `${bundle.id}/${id}`);

function compileRule(bundle: Bundle, rule: Rule): CompiledRule {
  const { id, effect, reason, constraints, remediations, approval, delay } = rule;
  const rollout = ruleRollout(bundle, rule);
  const outcome = { effect, reason: reason ?? `${because[effect]} by rule \`${id}\``, constraints, remediations, approval, delay };
  return compiled(bundle, {
    id,
    line: rule.line,
    match: rule.match,
    rollout,
    outcome,
    when: rule.when === null ? null : expressionOf(rule.when),
  });
}

type Parts = {
  readonly id: string;
  readonly line: number;
  readonly match: Match;
  readonly when: Expression | null;
  readonly rollout: Rollout;
  readonly outcome: Omit<Outcome, "ruleId" | "bundle">;
};

function compiled(bundle: Bundle, { id, line, match, when, rollout, outcome }: Parts, further: readonly Condition[] = []): CompiledRule {
  const { topics } = match;
  const conditions = [...conditionsOf(match, when), ...further];
  return {
    bundle: bundle.id,
    id,
    line,
    topics: topics === undefined ? null : compiledGlobs(topics),
    conditions,
    furtherConditions: conditions.filter(({ field }) => field !== "topics"),
    rollout,
    outcome: { ...outcome, ruleId: id, bundle: bundle.id },
  };
}

/** What a bundle refuses before any rule is tried. */
function refusals(bundle: Bundle): readonly CompiledRule[] {
  const given = (id: string, match: Match, reason: string, further: readonly Condition[] = []): CompiledRule =>
    compiled(bundle, { id, line: 0, match, when: null, rollout: bundleRollout(bundle), outcome: plainOutcome("DENY", reason) }, further);
  const { denyLocalActivities: namespaces, tenants } = bundle.policy;
  const local = given(
    "deny-local-activities",
    { kinds: ["local-activity"], namespaces },
    "local activities are forbidden in this namespace",
  );
  return [
    ...(namespaces.length > 0 ? [local] : []),
    ...[...tenants].flatMap(([tenant, { denyTopics, mcp }]) => [
      ...denyTopics.map((pattern, index) =>
        given(`legacy:${tenant}:deny:${index + 1}`, { tenants: [tenant], topics: [pattern] }, `topic "${pattern}" denied by tenant policy`),
      ),
      ...(mcp === null
        ? []
        : [given(`tenant:${tenant}:mcp`, { tenants: [tenant] }, `MCP call not allowed for tenant \`${tenant}\``, [mcpRefused(mcp)])]),
    ]),
  ];
}

const tenantAllowances = (bundle: Bundle): readonly CompiledRule[] =>
  [...bundle.policy.tenants].flatMap(([tenant, { allowTopics }]) =>
    allowTopics.map((pattern, index) =>
      compiled(bundle, {
        id: `legacy:${tenant}:allow:${index + 1}`,
        line: 0,
        match: { tenants: [tenant], topics: [pattern] },
        when: null,
        rollout: bundleRollout(bundle),
        outcome: plainOutcome("ALLOW", `topic "${pattern}" allowed by tenant policy`),
      }),
    ),
  );

function tenantConstraintsOf(bundles: readonly Bundle[]): ReadonlyMap<string, Constraints> {
  const caps = new Map<string, Constraints>();
  for (const { policy } of bundles)
    for (const [tenant, { maxConcurrentJobs }] of policy.tenants) {
      const key = tenantOf(tenant);
      if (maxConcurrentJobs !== null && policy.mode === "enforce")
        caps.set(key, mergeConstraints(caps.get(key) ?? {}, { budgets: { maxConcurrentJobs } }));
    }
  return caps;
}

/** What an outcome means for one tenant: its caps come with every permission. */
export function outcomeFor(snapshot: Snapshot, outcome: Outcome, tenant: string): Outcome {
  if (snapshot.tenantConstraints.size === 0 || outcome.effect === "DENY") return outcome;
  const caps = snapshot.tenantConstraints.get(tenant);
  if (caps === undefined) return outcome;
  const constraints = mergeConstraints(outcome.constraints, caps);
  return {
    ...outcome,
    constraints,
    effect: outcome.effect === "ALLOW" && !isUnconstrained(constraints) ? "ALLOW_WITH_CONSTRAINTS" : outcome.effect,
  };
}
