import { assertNever } from "../../base/assert.ts";
import { canonicalBytes } from "../../base/canonical-json.ts";
import {
  type Approval,
  ApprovalStatus,
  type Approvers,
  OnExpiry,
  type Principal,
  Verdict,
} from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Principal as Actor } from "../action.ts";
import type { LedgerEntry, LedgerKind } from "../ledger/ledger.ts";
import type { ApprovalEvent, ClosedStatus } from "./approval.ts";
import { requirementsOf } from "./approver.ts";

/** The word of each end of an approval, in records and answers. */
export const statusWords: { readonly [S in ClosedStatus | ApprovalStatus.PENDING]: string } = {
  [ApprovalStatus.PENDING]: "pending",
  [ApprovalStatus.GRANTED]: "granted",
  [ApprovalStatus.REJECTED]: "rejected",
  [ApprovalStatus.EXPIRED]: "expired",
  [ApprovalStatus.WITHDRAWN]: "withdrawn",
  [ApprovalStatus.VOID]: "void",
};

/** What the ledger says of an event of an approval. `approval` is its state after the event. */
export function approvalEntry(approval: Readonly<Approval>, event: ApprovalEvent): LedgerEntry {
  const { kind, at, body } = described(approval, event);
  const { id, namespaceId, runId, jobHash, policySnapshot } = approval;
  return { namespaceId, at, kind, runId, body: canonicalBytes({ approval: id, job_hash: jobHash, snapshot: policySnapshot, ...body }) };
}

type Described = { readonly kind: LedgerKind; readonly at: number; readonly body: { readonly [key: string]: unknown } };

function described(approval: Readonly<Approval>, event: ApprovalEvent): Described {
  switch (event.type) {
    case "ApprovalRequested":
      return { kind: "approval-requested", at: approval.createdAt, body: askedFor(approval) };
    case "ApprovalVoted": {
      const { voter, verdict, reason, at } = event.vote;
      return { kind: "approval-vote", at, body: { voter: who(voter), verdict: verdict === Verdict.GRANT ? "grant" : "reject", reason } };
    }
    case "ApprovalDelegated": {
      const { from, to, reason, at } = event.delegation;
      return { kind: "approval-changed", at, body: { change: "delegated", from: who(from), to, reason } };
    }
    case "ApprovalEscalated":
      return changed(event.at, { change: "escalated", escalation: approval.escalationsTaken, expires_at: event.expiresAt });
    case "ApprovalUsed":
      return changed(event.at, { change: "used" });
    case "ApprovalClosed":
      return {
        kind: "approval-closed",
        at: event.at,
        body: { status: statusWords[event.status], reason: event.reason, ...(event.by === null ? {} : { by: who(event.by) }) },
      };
    default:
      return assertNever(event);
  }
}

const changed = (at: number, body: Described["body"]): Described => ({ kind: "approval-changed", at, body });

function askedFor(approval: Readonly<Approval>): Described["body"] {
  const { quorum, fourEyes, expiresAfter, onExpiry, escalations, reasonRequired, approvers } = requirementsOf(approval);
  return {
    workflow_id: approval.workflowId,
    workflow_type: approval.workflowType,
    scheduled_event_id: approval.scheduledEventId,
    activity_id: approval.activityId,
    activity_type: approval.activityType,
    task_queue: approval.taskQueue,
    topic: approval.topic,
    labels: approval.labels,
    capability: approval.capability,
    risk_tags: approval.riskTags,
    requester: who(approval.requester),
    starter: who(approval.starter),
    rule: approval.ruleId,
    reason: approval.reason,
    requirements: {
      approvers: group(approvers),
      quorum,
      four_eyes: fourEyes,
      expires_after: expiresAfter,
      on_expiry: onExpiry === OnExpiry.ESCALATE ? "escalate" : "deny",
      escalations: escalations.map((escalation) => ({ after: escalation.after, approvers: group(escalation.approvers) })),
      reason_required: reasonRequired,
    },
  };
}

const who = (principal: Actor | Principal | undefined): unknown =>
  principal === undefined ? null : { ...principal, roles: [...principal.roles] };
const group = (approvers: Approvers | undefined): unknown => (approvers === undefined ? null : { ...approvers });
