import * as z from "zod/mini";
import { present } from "../../base/assert.ts";
import { isPending, nextEscalationAt } from "../../governance/approval/approval.ts";
import { statusWords } from "../../governance/approval/approval-entry.ts";
import { approversNow, grantsNeeded } from "../../governance/approval/approver.ts";
import {
  type Approval,
  type ApprovalRequirements,
  type Approvers,
  OnExpiry,
  type Principal,
  Verdict,
} from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { count, listOf, named, texts, textsByName, timeOrNull } from "./schema.ts";
import { timeOf } from "./time-of.ts";

const principalSchema = named("Principal", z.object({ id: z.string(), kind: z.string(), roles: texts }));
const approversSchema = { roles: texts, principals: texts };
/** An approval with all that it says itself. */
export const approvalFields = {
  id: z.string(),
  status: z.string(),
  workflow_id: z.string(),
  workflow_type: z.string(),
  run_id: z.string(),
  kind: z.string(),
  activity_id: z.string(),
  activity_type: z.string(),
  task_queue: z.string(),
  topic: z.string(),
  labels: textsByName,
  capability: z.string(),
  risk_tags: texts,
  requester: z.nullable(principalSchema),
  starter: z.nullable(principalSchema),
  title: z.string(),
  context: z.unknown(),
  rule_id: z.string(),
  reason: z.string(),
  policy_snapshot: z.string(),
  job_hash: z.string(),
  requirements: z.nullable(
    z.object({
      ...approversSchema,
      quorum: z.int(),
      four_eyes: z.boolean(),
      reason_required: z.boolean(),
      expires_after_ms: z.number(),
      on_expiry: z.enum(["deny", "escalate"]),
      escalations: listOf(z.object({ after_ms: z.number(), ...approversSchema })),
    }),
  ),
  approvers: z.object({ anybody: z.boolean(), ...approversSchema }),
  grants: count,
  grants_needed: count,
  votes: listOf(z.object({ voter: z.nullable(principalSchema), verdict: z.enum(["grant", "reject"]), reason: z.string(), at: timeOrNull })),
  delegations: listOf(z.object({ from: z.nullable(principalSchema), to: z.string(), reason: z.string(), at: timeOrNull })),
  created_at: timeOrNull,
  expires_at: timeOrNull,
  escalates_at: timeOrNull,
  escalated_at: timeOrNull,
  closed_at: timeOrNull,
  close_reason: z.string(),
  used_at: timeOrNull,
};
export const approvalSchema = named("Approval", z.object(approvalFields));
type ApprovalView = z.infer<typeof approvalSchema>;

export const approvalView = (approval: Readonly<Approval>): ApprovalView => ({
  id: approval.id,
  status: statusOf(approval),
  workflow_id: approval.workflowId,
  workflow_type: approval.workflowType,
  run_id: approval.runId,
  kind: approval.kind,
  activity_id: approval.activityId,
  activity_type: approval.activityType,
  task_queue: approval.taskQueue,
  topic: approval.topic,
  labels: approval.labels,
  capability: approval.capability,
  risk_tags: approval.riskTags,
  requester: principalView(approval.requester),
  starter: principalView(approval.starter),
  title: approval.title,
  context: approval.context === "" ? null : JSON.parse(approval.context),
  rule_id: approval.ruleId,
  reason: approval.reason,
  policy_snapshot: approval.policySnapshot,
  job_hash: approval.jobHash,
  requirements: requirementsView(approval.requirements),
  approvers: approversNow(approval),
  grants: approval.votes.filter(({ verdict }) => verdict === Verdict.GRANT).length,
  grants_needed: grantsNeeded(approval),
  votes: approval.votes.map(({ voter, verdict, reason, at }) => ({
    voter: principalView(voter),
    verdict: verdict === Verdict.GRANT ? "grant" : "reject",
    reason,
    at: timeOf(at),
  })),
  delegations: approval.delegations.map(({ from, to, reason, at }) => ({ from: principalView(from), to, reason, at: timeOf(at) })),
  created_at: timeOf(approval.createdAt),
  expires_at: timeOf(approval.expiresAt),
  escalates_at: timeOf(isPending(approval) ? (nextEscalationAt(approval) ?? 0) : 0),
  escalated_at: timeOf(approval.escalatedAt),
  closed_at: timeOf(approval.closedAt),
  close_reason: approval.closeReason,
  used_at: timeOf(approval.usedAt),
});

const words: { readonly [status: number]: string } = statusWords;
const statusOf = ({ status }: Readonly<Approval>): string => present(words[status], `word of status ${status}`);

const principalView = (principal: Principal | undefined): z.infer<typeof principalSchema> | null =>
  principal === undefined ? null : { id: principal.id, kind: principal.kind, roles: principal.roles };

const requirementsView = (requirements: ApprovalRequirements | undefined): ApprovalView["requirements"] =>
  requirements === undefined
    ? null
    : {
        ...approversView(requirements.approvers),
        quorum: requirements.quorum,
        four_eyes: requirements.fourEyes,
        reason_required: requirements.reasonRequired,
        expires_after_ms: requirements.expiresAfter,
        on_expiry: requirements.onExpiry === OnExpiry.ESCALATE ? "escalate" : "deny",
        escalations: requirements.escalations.map(({ after, approvers }) => ({ after_ms: after, ...approversView(approvers) })),
      };

const approversView = (
  approvers: Approvers | undefined,
): { readonly roles: readonly string[]; readonly principals: readonly string[] } => ({
  roles: approvers?.roles ?? [],
  principals: approvers?.principals ?? [],
});
