import { type Action, tenantOf } from "../action.ts";
import type { Rate, Spend } from "../policy/constraints.ts";
import type { Decision } from "../policy/decide.ts";
import { isEnforced } from "../policy/rollout.ts";
import type { CompiledLimit, Snapshot } from "../policy/snapshot.ts";
import type { BreakerLimit } from "./breaker.ts";
import type { SpendLimit } from "./budget.ts";
import type { BucketLimit, WindowLimit } from "./rate.ts";

/*
 * What a permission is limited by, and what each limit counts together. The state machines are in files of their own (`rate.ts`,
 * `budget.ts`, `breaker.ts`), `tally.ts` is the one view of them all.
 */

/** Names one count: the same text for all actions that count together. It survives a change of the limit's numbers. */
type Counted = {
  readonly key: string;
  readonly tenant: string;
  /** Who set it: `rule shop/refunds`, `limits of shop: payment.*`, `tenant acme`. */
  readonly source: string;
  /** What is counted together: `topic=payment.card`; of a rule's or tenant's attempts at once, all of them. */
  readonly by: string;
};

/** One limit, as it holds for one action. */
export type Quota =
  | (Counted & { readonly kind: "rate"; readonly limit: RateLimit })
  | (Counted & { readonly kind: "concurrency"; readonly max: number })
  | (Counted & { readonly kind: "breaker"; readonly limit: BreakerLimit })
  | (Counted & { readonly kind: "spend"; readonly limit: SpendLimit });

/** With a burst a token bucket, without one a count by window. */
export type RateLimit = BucketLimit | (WindowLimit & { readonly burst: null });

/**
 * The limits that a permitted action is under, each count once: of two that differ in their numbers only, the smaller holds. Everything is
 * counted within a tenant, so that none of them slows another.
 */
export function quotasOf(snapshot: Snapshot, { action, constraints, ruleId, bundle }: Decision): readonly Quota[] {
  const { rates, spend, budgets } = constraints;
  const top = limitsFor(snapshot, action);
  if (rates === undefined && spend === undefined && budgets?.maxConcurrentJobs === undefined && top.length === 0) return none;
  const tenant = tenantOf(action.namespace);
  const rule = `rule ${bundle}/${ruleId}`;
  const counted = (kind: Quota["kind"], source: string, by: string, ...more: readonly (string | number)[]): Counted => ({
    key: JSON.stringify([kind, tenant, source, by, ...more]),
    tenant,
    source,
    by,
  });
  const quotas: Quota[] = [];
  for (const { max, per, by } of rates ?? [])
    quotas.push({ ...counted("rate", rule, countedAs(by, action), per), kind: "rate", limit: { max, per, burst: null } });
  for (const limit of spend ?? [])
    quotas.push({ ...counted("spend", rule, countedAs(limit.by, action), limit.unit, limit.per ?? 0), kind: "spend", limit });
  const own = snapshot.concurrency.get(`${bundle}/${ruleId}`);
  if (own !== undefined) quotas.push({ ...counted("concurrency", rule, "rule"), kind: "concurrency", max: own });
  const cap = snapshot.tenantConstraints.get(tenant)?.budgets?.maxConcurrentJobs;
  if (cap !== undefined) quotas.push({ ...counted("concurrency", `tenant ${tenant}`, "tenant"), kind: "concurrency", max: cap });
  for (const { bundle: of, limit } of top) {
    const source = `limits of ${of}: ${limit.topics.join(", ")}`;
    const { rate, breaker } = limit;
    if (rate !== null)
      quotas.push({
        ...counted("rate", source, countedAs(rate.by, action), rate.per),
        kind: "rate",
        limit: { max: rate.max, per: rate.per, burst: limit.burst ?? rate.max },
      });
    if (breaker !== null) quotas.push({ ...counted("breaker", source, countedAs("topic", action)), kind: "breaker", limit: breaker });
  }
  return eachOnce(quotas);
}

const none: readonly Quota[] = [];

/** The limits that hold for an action whichever rule allowed it, in the order of the snapshot. */
const limitsFor = (snapshot: Snapshot, action: Action): readonly CompiledLimit[] =>
  snapshot.limits.length === 0
    ? snapshot.limits
    : snapshot.limits.filter(({ topics, rollout }) => topics.some((glob) => glob.fits(action.topic)) && isEnforced(rollout, action));

function eachOnce(quotas: readonly Quota[]): readonly Quota[] {
  const byKey = new Map<string, Quota>();
  for (const quota of quotas) {
    const other = byKey.get(quota.key);
    if (other === undefined || maxOf(quota) < maxOf(other)) byKey.set(quota.key, quota);
  }
  return [...byKey.values()];
}

/** The number that it must not exceed. */
export const maxOf = (quota: Quota): number =>
  quota.kind === "concurrency" ? quota.max : quota.kind === "breaker" ? quota.limit.failures : quota.limit.max;

/** What a limit counts together: the value of its scope in this action. An action without the label counts among all such. */
export function countedAs(by: Rate["by"] | Spend["by"], action: Action): string {
  if (by.startsWith("label:")) return `${by}=${action.labels.get(by.slice("label:".length)) ?? ""}`;
  const values: { readonly [scope: string]: string } = {
    topic: action.topic,
    principal: action.principal.id,
    tenant: tenantOf(action.namespace),
    workflow: action.workflowId,
    run: `${action.workflowId}/${action.runId}`,
  };
  return `${by}=${values[by] ?? ""}`;
}
