import type { ActionKind } from "../governance/action.ts";
import type { Policy } from "../governance/policy/policy.ts";

const decidedKinds: ReadonlySet<ActionKind> = new Set(["activity", "workflow-start", "local-activity"]);

/** A permission whose limits nobody holds would be a lie: what cannot be enforced is refused when the policy is loaded. */
export function notEnforcedYet(policy: Policy): readonly string[] {
  const missing = new Set<string>();
  if (policy.limits.length > 0) missing.add("`limits`");
  for (const { maxConcurrentJobs } of policy.tenants.values()) if (maxConcurrentJobs !== null) missing.add("`tenants.max_concurrent_jobs`");
  for (const { match, constraints } of policy.rules) {
    for (const kind of match.kinds ?? []) if (!decidedKinds.has(kind)) missing.add(`a rule for the kind \`${kind}\``);
    if (constraints.rates !== undefined) missing.add("`constraints.rates`");
    if (constraints.spend !== undefined) missing.add("`constraints.spend`");
    if (constraints.budgets?.maxConcurrentJobs !== undefined) missing.add("`constraints.budgets.max_concurrent_jobs`");
  }
  return [...missing];
}
