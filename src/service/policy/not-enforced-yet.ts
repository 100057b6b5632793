import type { ActionKind } from "../../governance/action.ts";
import type { Policy } from "../../governance/policy/policy.ts";

const decidedKinds: ReadonlySet<ActionKind> = new Set([
  "activity",
  "job",
  "child-workflow",
  "external-signal",
  "external-cancellation",
  "workflow-start",
  "local-activity",
  // Decided for whoever is about to make the call and asks: `evaluatePolicy` of the HTTP API.
  "tool-call",
]);

/** A permission whose limits nobody holds would be a lie: what cannot be enforced is refused when the policy is loaded. */
export function notEnforcedYet(policy: Policy): readonly string[] {
  const missing = new Set<string>();
  for (const { match, constraints } of policy.rules) {
    for (const kind of match.kinds ?? []) if (!decidedKinds.has(kind)) missing.add(`a rule for the kind \`${kind}\``);
    const counts =
      constraints.rates !== undefined || constraints.spend !== undefined || constraints.budgets?.maxConcurrentJobs !== undefined;
    const isOfWorkers = match.kinds === undefined || match.kinds.some((kind) => kind === "activity" || kind === "job");
    if (counts && !isOfWorkers) missing.add("`rates`, `spend` or `max_concurrent_jobs` for actions that no worker carries out");
  }
  return [...missing];
}
