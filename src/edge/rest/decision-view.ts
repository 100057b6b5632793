import * as z from "zod/mini";
import type { Constraints } from "../../governance/policy/constraints.ts";
import { isUnconstrained } from "../../governance/policy/constraints.ts";
import type { Decision } from "../../governance/policy/decide.ts";
import type { Effect } from "../../governance/policy/effect.ts";
import { listOf, named, texts, textsByName } from "./schema.ts";

/** Source: cordum.agent.v1.DecisionType. */
const decisionTypes: { readonly [E in Effect]: string } = {
  ALLOW: "DECISION_TYPE_ALLOW",
  DENY: "DECISION_TYPE_DENY",
  REQUIRE_APPROVAL: "DECISION_TYPE_REQUIRE_HUMAN",
  THROTTLE: "DECISION_TYPE_THROTTLE",
  ALLOW_WITH_CONSTRAINTS: "DECISION_TYPE_ALLOW_WITH_CONSTRAINTS",
};

const anything = z.record(z.string(), z.unknown());
export const decisionFields = {
  decision: z.string(),
  reason: z.string(),
  redactedContextPtr: z.string(),
  policySnapshot: z.string(),
  ruleId: z.string(),
  constraints: z.nullable(anything),
  approvalRequired: z.boolean(),
  approvalRef: z.string(),
  remediations: listOf(
    z.object({
      id: z.string(),
      title: z.string(),
      summary: z.string(),
      replacementTopic: z.string(),
      replacementCapability: z.string(),
      addLabels: textsByName,
      removeLabels: texts,
    }),
  ),
  bundle: z.string(),
  topic: z.string(),
  exactConstraints: anything,
  approval: z.nullable(anything),
  delayMs: z.nullable(z.number()),
  observed: z.nullable(z.object({ decision: z.string(), reason: z.string(), ruleId: z.string() })),
};
export const decisionSchema = named("Decision", z.object(decisionFields));
/** What would be decided, beside what is. */
export const simulationFields = { ...decisionFields, changed: z.boolean(), current: decisionSchema };

/** A decision as the JSON form of cordum.agent.v1.PolicyCheckResponse, all fields present; from `bundle` on they are ours. */
export const decisionView = (decision: Decision): z.infer<typeof decisionSchema> => ({
  decision: decisionTypes[decision.effect],
  reason: decision.reason,
  redactedContextPtr: "",
  policySnapshot: decision.snapshot,
  ruleId: decision.ruleId ?? "",
  constraints: isUnconstrained(decision.constraints) ? null : constraintsView(decision.constraints),
  approvalRequired: decision.effect === "REQUIRE_APPROVAL",
  approvalRef: "",
  remediations: decision.remediations.map((remediation) => ({
    id: remediation.id ?? "",
    title: remediation.title ?? "",
    summary: remediation.summary ?? "",
    replacementTopic: remediation.replacementTopic ?? "",
    replacementCapability: remediation.replacementCapability ?? "",
    addLabels: Object.fromEntries(remediation.addLabels ?? []),
    removeLabels: remediation.removeLabels ?? [],
  })),
  bundle: decision.bundle ?? "",
  topic: decision.action.topic,
  // As CAP has no way to say it: what is not there is no limit, an empty list allows nothing.
  exactConstraints: decision.constraints,
  approval: decision.approval,
  delayMs: decision.delay,
  observed:
    decision.observed === null
      ? null
      : { decision: decisionTypes[decision.observed.effect], reason: decision.observed.reason, ruleId: decision.observed.ruleId ?? "" },
});

/** Zero is no limit. 64-bit numbers are texts, as in every JSON form of a protocol buffer. */
const constraintsView = ({ budgets, sandbox, toolchain, diff, redactionLevel, ...ours }: Constraints): z.infer<typeof anything> => ({
  budgets: {
    maxRuntimeMs: String(budgets?.maxRuntimeMs ?? 0),
    maxRetries: Math.max(0, (budgets?.maxAttempts ?? 1) - 1),
    maxArtifactBytes: String(budgets?.maxArtifactBytes ?? 0),
    maxConcurrentJobs: budgets?.maxConcurrentJobs ?? 0,
    maxAttempts: budgets?.maxAttempts ?? 0,
    maxInputBytes: String(budgets?.maxInputBytes ?? 0),
    maxOutputBytes: String(budgets?.maxOutputBytes ?? 0),
  },
  sandbox: {
    isolated: sandbox?.isolated ?? false,
    networkAllowlist: sandbox?.networkAllowlist ?? [],
    fsReadOnly: sandbox?.fsReadOnly ?? [],
    fsReadWrite: sandbox?.fsReadWrite ?? [],
  },
  toolchain: { allowedTools: toolchain?.allowedTools ?? [], allowedCommands: toolchain?.allowedCommands ?? [] },
  diff: { maxFiles: diff?.maxFiles ?? 0, maxLines: diff?.maxLines ?? 0, denyPathGlobs: diff?.denyPathGlobs ?? [] },
  redactionLevel: redactionLevel ?? "",
  ...ours,
});
