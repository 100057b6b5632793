import { assert } from "../../base/assert.ts";
import type { WantedAction } from "../../execution/admission.ts";
import type { Draft } from "../../execution/execution.ts";
import { decide, evolve, holdTimes } from "../../governance/approval/approval.ts";
import { approvalEntry } from "../../governance/approval/approval-entry.ts";
import type { ApprovalInput } from "../../governance/approval/approval-input.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import type { Decision } from "../../governance/policy/decide.ts";
import type { ApprovalTerms } from "../../governance/policy/policy.ts";
import { encode, make } from "../../protocol/codec.ts";
import { Approval, ApprovalRequirements, OnExpiry } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { Hold } from "../../protocol/generated/holdfast/state/v1/state.ts";
import type { ApprovalWrite } from "../../store/store.ts";
import { isOfStep, starterOf } from "../policy/wanted-action.ts";

/** Asks for the approval that a decision requires: its row, the hold of the action, and what the ledger keeps. */
export function askForApproval(
  wanted: WantedAction,
  draft: Draft,
  asked: { readonly id: string; readonly decision: Decision; readonly request: ApprovalInput | null; readonly jobHash: string },
): { readonly write: ApprovalWrite; readonly hold: Hold; readonly ledger: readonly LedgerEntry[] } {
  const { id, decision, request, jobHash } = asked;
  const { key, context, core, started } = draft;
  const { action } = decision;
  const starter = starterOf(draft);
  const scheduledEventId = wanted.scheduledEventId || core.nextEventId;
  const decided = decide(
    null,
    {
      type: "ask",
      ask: {
        id,
        ...key,
        scheduledEventId,
        workflowType: started.workflowType?.name ?? "",
        activityId: wanted.id,
        activityType: wanted.name,
        taskQueue: wanted.taskQueue,
        topic: action.topic,
        labels: Object.fromEntries(action.labels),
        capability: action.capability,
        riskTags: [...action.riskTags],
        requester: { ...action.principal, roles: [...action.principal.roles] },
        // Not necessarily who acts: a workflow may ask for a program that it names.
        starter: { ...starter, roles: [...starter.roles] },
        ruleId: decision.ruleId ?? "",
        reason: decision.reason,
        policySnapshot: decision.snapshot,
        jobHash,
        requirements: requirementsOf(decision.approval),
        title: request?.title ?? "",
        context: request?.context ?? "",
        kind: action.kind,
      },
    },
    context.now,
  );
  assert(decided.ok, "a new approval cannot be refused");
  const approval = decided.value.reduce<Readonly<Approval>>(evolve, make(Approval));
  return {
    write: {
      id,
      run: key,
      scheduledEventId,
      createdAt: context.now,
      status: approval.status,
      body: encode(Approval, approval),
      expectedVersion: 0,
    },
    hold: make(Hold, {
      approvalId: id,
      ruleId: decision.ruleId ?? "",
      reason: decision.reason,
      since: context.now,
      ...holdTimes(approval),
      isRequest: request !== null,
      grantOutlives: wanted.kind === "activity" && isOfStep(wanted, draft),
    }),
    ledger: decided.value.map((event) => approvalEntry(approval, event)),
  };
}

function requirementsOf(terms: ApprovalTerms | null): ApprovalRequirements {
  const {
    roles = [],
    principals = [],
    quorum = 1,
    fourEyes = false,
    expiresAfter = null,
    onExpiry = "deny",
    escalation = [],
    reasonRequired = false,
  } = terms ?? {};
  return make(ApprovalRequirements, {
    approvers: { roles: [...roles], principals: [...principals] },
    quorum,
    fourEyes,
    expiresAfter: expiresAfter ?? 0,
    onExpiry: onExpiry === "escalate" ? OnExpiry.ESCALATE : OnExpiry.DENY,
    escalations: escalation.map(({ after, roles: others, principals: more }) => ({
      after,
      approvers: { roles: [...others], principals: [...more] },
    })),
    reasonRequired,
  });
}
