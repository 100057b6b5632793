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
import { timeOf } from "./time-of.ts";

/** An approval with all that it says itself. */
export const approvalView = (approval: Readonly<Approval>): object => ({
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

const principalView = (principal: Principal | undefined): object | null =>
  principal === undefined ? null : { id: principal.id, kind: principal.kind, roles: principal.roles };

const requirementsView = (requirements: ApprovalRequirements | undefined): object | null =>
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

const approversView = (approvers: Approvers | undefined): object => ({
  roles: approvers?.roles ?? [],
  principals: approvers?.principals ?? [],
});
