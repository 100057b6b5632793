import type { Decision } from "../governance/policy/decide.ts";
import type { Snapshot } from "../governance/policy/snapshot.ts";
import { type CliContext, exitCodes, type Finish } from "./context.ts";
import { loadPolicies, sentence } from "./policy-files.ts";
import { oneLine } from "./table.ts";

/** A decision for programs: what it says, and about what. */
export const plainDecision = ({
  effect,
  ruleId,
  bundle,
  reason,
  constraints,
  remediations,
  approval,
  delay,
  snapshot,
  observed,
  action,
}: Decision): object => ({
  decision: effect,
  rule: ruleId,
  bundle,
  reason,
  constraints,
  remediations,
  approval,
  delay_ms: delay,
  snapshot,
  observed:
    observed === null ? null : { decision: observed.effect, rule: observed.ruleId, bundle: observed.bundle, reason: observed.reason },
  action: {
    topic: action.topic,
    labels: Object.fromEntries(action.labels),
    capability: action.capability,
    risk_tags: action.riskTags,
  },
});

/** A decision for people, in a line or two. */
export function decisionLines({ effect, ruleId, bundle, reason, observed }: Decision): readonly string[] {
  const by = ruleId === null ? "default" : `rule \`${ruleId}\` of ${bundle}`;
  const would = observed === null ? [] : [`if everything observed were enforced: ${observed.effect}, ${observed.reason}`];
  return [`${effect} by ${by}: ${reason}`, ...would].map(oneLine);
}

/** The snapshot of policy files that must be right; or null, when the command has ended because they are not. */
export async function usableSnapshot(files: readonly string[], context: CliContext, finish: Finish): Promise<Snapshot | null> {
  const { snapshot, problems } = await loadPolicies(files);
  if (snapshot === null) {
    for (const problem of problems) context.complain(sentence(problem));
    finish(exitCodes.failure);
  }
  return snapshot;
}
