import type { Policy } from "../governance/policy/policy.ts";

/** A permission whose limits nobody holds would be a lie: what cannot be enforced is refused when the policy is loaded. */
export function notEnforcedYet(policy: Policy): readonly string[] {
  const missing = new Set<string>();
  if (policy.limits.length > 0) missing.add("`limits`");
  if (policy.denyLocalActivities.length > 0) missing.add("`deny_local_activities`");
  for (const { maxConcurrentJobs } of policy.tenants.values()) if (maxConcurrentJobs !== null) missing.add("`tenants.max_concurrent_jobs`");
  for (const { match, constraints } of policy.rules) {
    for (const kind of match.kinds ?? []) if (kind !== "activity") missing.add(`a rule for the kind \`${kind}\``);
    if (constraints.rates !== undefined) missing.add("`constraints.rates`");
    if (constraints.spend !== undefined) missing.add("`constraints.spend`");
    if (constraints.budgets?.maxConcurrentJobs !== undefined) missing.add("`constraints.budgets.max_concurrent_jobs`");
  }
  return [...missing];
}
