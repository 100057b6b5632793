import type { Caps, Marks } from "../../execution/admission.ts";
import { denialFailure, summaryLettersMax } from "../../execution/failures.ts";
import type { Action } from "../../governance/action.ts";
import { type Constraints, constraintsRecord, isUnconstrained } from "../../governance/policy/constraints.ts";
import type { Decision } from "../../governance/policy/decide.ts";
import type { Effect } from "../../governance/policy/effect.ts";
import type { Remediation } from "../../governance/policy/policy.ts";
import { make } from "../../protocol/codec.ts";
import { Payload } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import type { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { UserMetadata } from "../../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";
import { actionRecord } from "../policy/recorded-action.ts";

/* What is said of a decision: in the ledger, in the history of the run, and to the code that asked for the action. */

/** Header of a scheduled activity that says what was decided of it. */
export const decisionHeader = "holdfast-decision";

/** What the ledger keeps of a decision about an action, which `asked` is before the policy described it. */
export function decisionRecord(
  { effect, ruleId, bundle, reason, snapshot, constraints, action, observed }: Decision,
  { asked, jobHash, grantedApprovalId }: { readonly asked: Action; readonly jobHash: string; readonly grantedApprovalId: string | null },
): object {
  return {
    effect,
    rule: ruleId,
    bundle,
    reason,
    snapshot,
    ...(permitsWithin(effect, constraints) ? { constraints: constraintsRecord(constraints) } : {}),
    job_hash: jobHash,
    ...actionRecord(asked, action),
    // By this grant the action may happen although it needs approval.
    ...(grantedApprovalId === null ? {} : { approval: grantedApprovalId }),
    ...(observed === null ? {} : { observed: { effect: observed.effect, rule: observed.ruleId } }),
  };
}

/** What waits for a person or its turn runs within the same limits afterwards. */
const permitsWithin = (effect: Effect, constraints: Constraints): boolean => effect !== "DENY" && !isUnconstrained(constraints);

const json = (value: unknown): Payload =>
  make(Payload, { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(value)) });

/** What the history of the run shows: SDKs hand the header to the activity and replay without looking at either. */
export function marksOf({ effect, ruleId, reason, snapshot, constraints }: Decision): Marks {
  const limits = permitsWithin(effect, constraints) ? { constraints } : {};
  const decided = { effect, rule: ruleId, reason, snapshot, ...limits };
  return {
    header: { [decisionHeader]: json(decided) },
    userMetadata:
      effect === "ALLOW" ? undefined : make(UserMetadata, { summary: json(`${effect}: ${reason}`.slice(0, summaryLettersMax)) }),
  };
}

export function capsOf({ constraints: { budgets }, ruleId }: Decision): Caps | null {
  if (budgets === undefined) return null;
  const { maxRuntimeMs = null, maxAttempts = null, maxOutputBytes } = budgets;
  const output = maxOutputBytes === undefined ? {} : { output: { bytes: maxOutputBytes, rule: ruleId ?? "" } };
  return { startToClose: maxRuntimeMs, attempts: maxAttempts, ...output };
}

/** An ordinary `catch` in any SDK reads rule, reason, snapshot and remediations from the details. */
export const denialOf = ({ ruleId, reason, snapshot, remediations }: Decision, hash: string): Failure =>
  denialFailure({ rule: ruleId, reason, snapshot, jobHash: hash, remediations: remediations.map(plain) });

/** As JSON has it, which knows no maps. */
const plain = ({ addLabels, ...remediation }: Remediation): object => ({
  ...remediation,
  ...(addLabels === undefined ? {} : { addLabels: Object.fromEntries(addLabels) }),
});
