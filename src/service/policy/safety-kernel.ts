import { canonicalBytes } from "../../base/canonical-json.ts";
import { payloadsBytes } from "../../execution/activity.ts";
import type { Admission, Admit, Grant, WantedAction } from "../../execution/admission.ts";
import type { Draft } from "../../execution/execution.ts";
import { jobHash } from "../../governance/action.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import { quotasOf } from "../../governance/limits/limits.ts";
import { type Decision, decide } from "../../governance/policy/decide.ts";
import { type Snapshot, unpublished } from "../../governance/policy/snapshot.ts";
import type { PendingActivity } from "../../protocol/generated/holdfast/state/v1/state.ts";
import type { ApprovalWrite } from "../../store/store.ts";
import { askForApproval } from "../approvals/approval-request.ts";
import { asksForApproval, type Gated, gated } from "../built-in/approval-gate.ts";
import { jobTaskQueue } from "../built-in/server-task-queue.ts";
import { capsOf, decisionRecord, denialOf, marksOf } from "../ledger/decision-record.ts";
import type { Limits } from "../limits/limits.ts";
import { actionIn } from "./wanted-action.ts";

/** What decisions on the actions of a draft add to its change: one commit holds the effect, the decision and its record. */
export type Noted = { readonly approvals: readonly ApprovalWrite[]; readonly ledger: readonly LedgerEntry[] };

/** Decides actions by the policy snapshot in force. */
export type SafetyKernel = {
  readonly admit: Admit;
  /** What has been decided on this draft's actions so far, and what of their results was refused. */
  noted(draft: Draft): Noted;
  /** Decides an action without any effect, by the snapshot in force. */
  decide(wanted: WantedAction, draft: Draft): Gated & { readonly jobHash: string };
  /** Whether a pending attempt has to be decided anew before a worker gets it. */
  needsDecision(activity: Pick<PendingActivity, "policySnapshot" | "attempt" | "decidedAttempt">): boolean;
  snapshot(): Snapshot;
  /** Puts another snapshot in force, from the next decision on. */
  enforce(snapshot: Snapshot): void;
};

const nothingNoted: Noted = { approvals: [], ledger: [] };

export function createSafetyKernel(deps: {
  readonly newId: () => string;
  readonly requirePolicy: boolean;
  readonly limits: Pick<Limits, "reserve" | "policyChanged">;
}): SafetyKernel {
  const { limits } = deps;
  let snapshot = unpublished({ requirePolicy: deps.requirePolicy });
  const notes = new WeakMap<Draft, { approvals: ApprovalWrite[]; ledger: LedgerEntry[] }>();

  const noteOf = (draft: Draft) => {
    let note = notes.get(draft);
    if (note === undefined) {
      note = { approvals: [], ledger: [] };
      notes.set(draft, note);
    }
    return note;
  };

  const judge: SafetyKernel["decide"] = (wanted, draft) => {
    const { decision, request } = gated(withinSize(withinAttempts(decide(snapshot, actionIn(wanted, draft))), wanted));
    return { decision, request, jobHash: jobHash(decision.action) };
  };

  const admit: Admit = (wanted, draft) => {
    // Without a policy nothing is looked at, so that it costs nothing.
    if (snapshot.unpublished?.effect === "ALLOW" && !asksForApproval(wanted)) return allowedUnpublished(snapshot.hash);
    // The execution of a job is no action beside the job, which is decided in it.
    if (wanted.kind === "workflow-start" && wanted.taskQueue === jobTaskQueue) return allowedUnpublished(snapshot.hash);
    const judged = judge(wanted, draft);
    const { request, jobHash: hash } = judged;
    const granted = grantOf(wanted, draft, hash);
    const { decision, until, limited, isNews } = withinLimits(judged.decision, granted, wanted, draft);
    const grant = decision.effect === "REQUIRE_APPROVAL" ? granted : null;
    const { namespaceId, runId } = draft.key;
    const { now } = draft.context;
    const note = noteOf(draft);
    if (isNews)
      note.ledger.push({
        namespaceId,
        at: now,
        kind: "decision",
        runId,
        body: canonicalBytes(
          decisionRecord(decision, { asked: actionIn(wanted, draft), jobHash: hash, grantedApprovalId: grant?.approvalId ?? null }),
        ),
      });
    switch (decision.effect) {
      case "ALLOW":
      case "ALLOW_WITH_CONSTRAINTS":
        return { effect: "allow", marks: marksOf(decision), caps: capsOf(decision), snapshot: snapshot.hash, limited };
      case "DENY":
        return {
          effect: "refuse",
          marks: marksOf(decision),
          rule: decision.ruleId,
          failure: denialOf(decision, hash),
          snapshot: snapshot.hash,
        };
      case "THROTTLE":
        if (until === null) return { effect: "allow", marks: marksOf(decision), caps: capsOf(decision), snapshot: snapshot.hash, limited };
        return { effect: "delay", marks: marksOf(decision), until, snapshot: snapshot.hash, limited };
      case "REQUIRE_APPROVAL": {
        if (grant !== null) {
          const keptGrant = grant === wanted.grant ? {} : { keptGrant: grant };
          return { effect: "allow", marks: marksOf(decision), caps: capsOf(decision), snapshot: snapshot.hash, limited, ...keptGrant };
        }
        const asked = askForApproval(wanted, draft, { id: deps.newId(), decision, request, jobHash: hash });
        note.approvals.push(asked.write);
        note.ledger.push(...asked.ledger);
        return { effect: "hold", marks: marksOf(decision), caps: capsOf(decision), hold: asked.hold, snapshot: snapshot.hash };
      }
    }
  };

  /**
   * What the limits make of a decision: of an activity that a worker is about to get. Before that they are only asked for, so that what
   * waits in a backlog takes no room from what could happen.
   */
  function withinLimits(decision: Decision, granted: Grant | null, wanted: WantedAction, draft: Draft): Limited {
    const isThrottled = decision.effect === "THROTTLE" && wanted.waitedUnder !== snapshot.hash;
    const until = isThrottled ? draft.context.now + (decision.delay ?? 0) : null;
    const permits =
      decision.effect !== "DENY" && (decision.effect !== "REQUIRE_APPROVAL" || granted !== null) && wanted.kind === "activity";
    const quotas = permits ? quotasOf(snapshot, decision) : [];
    if (quotas.length === 0) return { decision, until, limited: false, isNews: true };
    if (isThrottled || wanted.scheduledEventId === 0) return { decision, until, limited: true, isNews: true };
    const reserved = limits.reserve(quotas, wanted, draft);
    switch (reserved.outcome) {
      case "passes":
        return { decision, until, limited: true, isNews: true };
      case "denied":
        return { decision: { ...decision, effect: "DENY", reason: reserved.reason }, until, limited: true, isNews: true };
      case "waits":
        return {
          decision: { ...decision, effect: "THROTTLE", reason: reserved.reason },
          until: reserved.until,
          limited: true,
          isNews: reserved.isNews,
        };
    }
  }

  return {
    admit,
    noted: (draft) => {
      const note = notes.get(draft) ?? nothingNoted;
      if (draft.refusedResults.length === 0) return note;
      return { ...note, ledger: [...note.ledger, ...draft.refusedResults.map((refused) => refusalEntry(draft, refused))] };
    },
    decide: judge,
    needsDecision: ({ policySnapshot, attempt, decidedAttempt }) =>
      policySnapshot !== snapshot.hash || (decidedAttempt !== attempt && snapshot.unpublished?.effect !== "ALLOW"),
    snapshot: () => snapshot,
    enforce: (next) => {
      snapshot = next;
      limits.policyChanged();
    },
  };
}

/** That a result was dropped: its activity had been permitted, so no decision says it. */
const refusalEntry = ({ key, context, started }: Draft, { activity, reason }: Draft["refusedResults"][number]): LedgerEntry => ({
  namespaceId: key.namespaceId,
  at: context.now,
  kind: "refusal",
  runId: key.runId,
  body: canonicalBytes({
    refused: "result",
    rule: activity.outputCapRule === "" ? null : activity.outputCapRule,
    reason,
    snapshot: activity.policySnapshot,
    name: activity.activityType,
    workflow_type: started.workflowType?.name ?? "",
    workflow_id: key.workflowId,
    action_id: activity.activityId,
    task_queue: activity.taskQueue,
    attempt: activity.attempt,
  }),
});

/**
 * The grant for this very action: its own, or what an earlier attempt of the same step has left. An attempt whose input is another, or that the
 * policy now describes otherwise, has another hash.
 */
function grantOf({ kind, grant }: WantedAction, { core }: Draft, hash: string): Grant | null {
  if (grant?.jobHash === hash) return grant;
  return (kind === "activity" ? core.keptGrants.find((kept) => kept.jobHash === hash) : undefined) ?? null;
}

/** More attempts than the policy now permits may have been made before it said so. */
function withinAttempts(decision: Decision): Decision {
  const { attempt } = decision.action;
  const max = decision.constraints.budgets?.maxAttempts ?? Number.POSITIVE_INFINITY;
  if (decision.effect === "DENY" || attempt <= max) return decision;
  return { ...decision, effect: "DENY", reason: `attempt ${attempt}, and at most ${max} are permitted: ${decision.reason}` };
}

/** `until` is when a throttled action is decided again, null when it has waited; `isNews` whether the ledger does not know it yet. */
type Limited = { readonly decision: Decision; readonly until: number | null; readonly limited: boolean; readonly isNews: boolean };

/** What a worker would be given must not be larger than the policy permits. */
function withinSize(decision: Decision, { input }: WantedAction): Decision {
  const max = decision.constraints.budgets?.maxInputBytes;
  if (max === undefined || decision.effect === "DENY") return decision;
  const bytes = payloadsBytes(input);
  return bytes <= max
    ? decision
    : { ...decision, effect: "DENY", reason: `the input has ${bytes} bytes, and at most ${max} are permitted: ${decision.reason}` };
}

const allowedUnpublished = (hash: string): Admission => ({ effect: "allow", marks: null, caps: null, snapshot: hash });
