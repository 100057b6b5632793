import { present } from "../base/assert.ts";
import { openAdmitted } from "../execution/admitted-start.ts";
import { cancelUnstartedChild, childClosed, childStarted, childStartFailed, childToStart } from "../execution/child.ts";
import { terminateRun } from "../execution/close.ts";
import { decide } from "../execution/decide.ts";
import { type Draft, type Effect, isRunning, openDraft, type RunKey } from "../execution/execution.ts";
import { externalCancelDone, externalSignalDone } from "../execution/external.ts";
import { failRefused, pendingAction } from "../execution/held-action.ts";
import { applyClearance, heldBackChild, isHeldBack, outgoingAction, wantedOutgoing } from "../execution/outgoing.ts";
import { requestCancel, signal } from "../execution/signal.ts";
import { startedAttributes, startRun } from "../execution/start.ts";
import { decideStart } from "../execution/start-policy.ts";
import { scheduleWorkflowTask } from "../execution/workflow-task.ts";
import { holdTimes, isPending } from "../governance/approval/approval.ts";
import type { Hold, PendingChild } from "../protocol/generated/holdfast/state/v1/state.ts";
import {
  CancelExternalWorkflowExecutionFailedCause,
  SignalExternalWorkflowExecutionFailedCause,
  StartChildWorkflowExecutionFailedCause,
} from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { ParentClosePolicy, WorkflowIdConflictPolicy } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type {
  HistoryEvent,
  StartChildWorkflowExecutionInitiatedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { OutboxKey, Store } from "../store/store.ts";
import { decideOnApproval, settle } from "./approvals/approval-record.ts";
import type { Clock } from "./clock.ts";
import { type InlineWorker, readEvent } from "./dispatch.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import type { Namespaces } from "./namespaces.ts";
import type { SafetyKernel } from "./policy/safety-kernel.ts";
import { NotCommitted, type RunCell, type Runs } from "./runs.ts";

const attemptsMax = 16;

/** Whether an action leaves only now because the policy kept it back. It is decided again, and nobody wants it once its run has closed. */
type Departure = { readonly keptBack: boolean };
const first: Departure = { keptBack: false };
const resumed: Departure = { keptBack: true };

/**
 * Carries out effects on other runs. What happens there, what the source learns of it, and the removal of the outbox entry are one
 * commit: a crash before it repeats the whole, after it nothing.
 */
export function createEffects(deps: {
  readonly store: Pick<Store, "currentRunId" | "readApproval" | "readHistory">;
  readonly clock: Pick<Clock, "now">;
  readonly runs: Runs<InlineWorker>;
  readonly namespaces: Namespaces;
  readonly startLock: KeyedLock;
  readonly kernel: Pick<SafetyKernel, "admit" | "needsDecision">;
  readonly newId: () => string;
}) {
  const { store, clock, runs, namespaces, startLock, kernel, newId } = deps;

  const draftOf = (cell: RunCell): Draft => openDraft(cell.state, runs.contextOf(cell.key.namespaceId));
  const done = (key: OutboxKey) => runs.submit([], { deleteOutbox: [key] });

  return async function carryOut(key: OutboxKey, effect: Effect): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await once(key, effect);
        return;
      } catch (error) {
        if (!(error instanceof NotCommitted) || attempt >= attemptsMax) throw error;
      }
    }
  };

  async function once(key: OutboxKey, effect: Effect): Promise<void> {
    switch (effect.kind) {
      case "start-child":
        return startChild(key, effect.initiated, first);
      case "signal-external":
        return signalExternal(key, effect.initiated, first);
      case "cancel-external":
        return cancelExternal(key, effect.initiated, first);
      case "report-to-parent":
        return reportToParent(key, effect.closed);
      case "close-child":
        return closeChild(key, effect.child);
      case "settle-approval":
        return settleApproval(key, effect.hold);
      case "escalate-approval":
        return escalateApproval(key, effect);
      case "resume-action":
        return resumeAction(key, effect.initiatedEventId);
    }
  }

  /** What the policy kept back goes out as it would have at once. If its run has closed since, nobody wants it any more. */
  async function resumeAction(key: OutboxKey, initiatedEventId: number): Promise<void> {
    const initiated = await readEvent(store, key.run, initiatedEventId);
    const source = await runs.load(key.run);
    if (initiated === undefined || source === null || outgoingAction(draftOf(source), initiatedEventId) === null) return done(key);
    switch (initiated.attributes?.$case) {
      case "startChildWorkflowExecutionInitiatedEventAttributes":
        return startChild(key, initiated, resumed);
      case "signalExternalWorkflowExecutionInitiatedEventAttributes":
        return signalExternal(key, initiated, resumed);
      case "requestCancelExternalWorkflowExecutionInitiatedEventAttributes":
        return cancelExternal(key, initiated, resumed);
      default:
        return done(key);
    }
  }

  /**
   * Whether the policy now in force lets an action leave. What it refuses, holds or delays is so in this very draft, which is to be committed
   * either way. What a run left behind when it closed was decided when it was asked for.
   */
  function mayLeave(draft: Draft, initiated: HistoryEvent, { keptBack }: Departure): boolean {
    const action = outgoingAction(draft, initiated.eventId);
    if (action === null) return !keptBack;
    if (isHeldBack(action.clearance)) return false;
    const { policySnapshot } = action.clearance;
    if (!kernel.needsDecision({ policySnapshot, attempt: 1, decidedAttempt: keptBack ? 0 : 1 })) return true;
    if (applyClearance(draft, initiated.eventId, kernel.admit(wantedOutgoing(action, initiated), draft))) return true;
    failRefused(draft);
    return false;
  }

  async function startChild(key: OutboxKey, event: HistoryEvent, departure: Departure): Promise<void> {
    const { attributes: initiated } = event;
    if (initiated?.$case !== "startChildWorkflowExecutionInitiatedEventAttributes") return done(key);
    const { namespaceId, workflowId } = initiated.value;
    return startLock.run(`${namespaceId}\n${workflowId}`, async () => {
      const current = await store.currentRunId({ namespaceId, workflowId });
      const existing = current === null ? null : await runs.load({ namespaceId, workflowId, runId: current });
      const parent = await runs.load(key.run);
      if (parent === null) return done(key);
      const parentDraft = draftOf(parent);
      if (!mayLeave(parentDraft, event, departure)) return runs.submit([{ cell: parent, draft: parentDraft }], { deleteOutbox: [key] });
      const child = childToStart(parentDraft, event.eventId);
      // A parent that closed before its child was started takes it back, unless it was to live on its own anyway.
      const abandoned = !departure.keptBack && !isRunning(parentDraft) && initiated.value.parentClosePolicy === ParentClosePolicy.ABANDON;
      if (child === null && !abandoned) return done(key);
      const childKey: RunKey = { namespaceId, workflowId, runId: newId() };
      const verdict = decideStart(
        existing?.state ?? null,
        { reuse: initiated.value.workflowIdReusePolicy, conflict: WorkflowIdConflictPolicy.UNSPECIFIED },
        "",
      );
      const fail = (cause: StartChildWorkflowExecutionFailedCause) => {
        if (child !== null)
          childStartFailed(parentDraft, child, {
            cause,
            workflowTaskCompletedEventId: initiated.value.workflowTaskCompletedEventId,
            control: initiated.value.control,
          });
        return runs.submit([{ cell: parent, draft: parentDraft }], { deleteOutbox: [key] });
      };
      if (namespaces.byId(namespaceId) === undefined) return fail(StartChildWorkflowExecutionFailedCause.NAMESPACE_NOT_FOUND);
      if (verdict.verdict === "refuse") return fail(StartChildWorkflowExecutionFailedCause.WORKFLOW_ALREADY_EXISTS);
      const userMetadata = child?.clearance?.summarized ? undefined : event.userMetadata;
      const childDraft = startChildRun(childKey, parent, { ...event, userMetadata }, initiated.value);
      if (childDraft === null) return fail(StartChildWorkflowExecutionFailedCause.UNSPECIFIED);
      if (child !== null) childStarted(parentDraft, child, { runId: childKey.runId, header: initiated.value.header });
      const parts = [{ cell: runs.create(childKey), draft: childDraft, becomeCurrent: { expectedRunId: current } }];
      if (verdict.verdict === "terminate-and-start" && existing !== null) {
        const terminated = draftOf(existing);
        terminateRun(terminated, { reason: "TerminateIfRunning WorkflowIdReusePolicy", identity: "history-service" });
        return runs.submit([{ cell: existing, draft: terminated }, ...parts, { cell: parent, draft: parentDraft }], {
          deleteOutbox: [key],
        });
      }
      return runs.submit([...parts, { cell: parent, draft: parentDraft }], { deleteOutbox: [key] });
    });
  }

  function startChildRun(
    key: RunKey,
    parent: RunCell,
    event: HistoryEvent,
    initiated: StartChildWorkflowExecutionInitiatedEventAttributes,
  ): Draft | null {
    const context = runs.contextOf(key.namespaceId);
    const started = startedAttributes(key, { ...initiated, identity: parent.state.started.identity }, context);
    if (!started.ok) return null;
    const { workflowId, runId, namespaceId } = parent.key;
    // Another namespace has rules of its own about what starts there.
    const open = key.namespaceId === namespaceId ? startRun : openAdmitted;
    const draft = open(
      key,
      {
        ...started.value,
        parentWorkflowNamespace: namespaces.byId(namespaceId)?.name ?? "",
        parentWorkflowNamespaceId: namespaceId,
        parentWorkflowExecution: { workflowId, runId },
        parentInitiatedEventId: event.eventId,
        rootWorkflowExecution: parent.state.started.rootWorkflowExecution ?? { workflowId, runId },
      },
      context,
      { userMetadata: event.userMetadata, principal: parent.state.starter },
    );
    if (isRunning(draft)) scheduleWorkflowTask(draft);
    return draft;
  }

  /** The run that an external signal or cancellation is for; null when there is none. */
  async function target(
    namespace: string,
    execution: { workflowId: string; runId: string } | undefined,
    source: { cell: RunCell; childWorkflowOnly: boolean },
  ): Promise<RunCell | null> {
    const entry = namespaces.get(namespace);
    if (!entry.ok || execution === undefined) return null;
    const found = await runs.find({ namespaceId: entry.value.id, ...execution });
    if (!found.ok) return null;
    const parent = found.value.state.started.parentWorkflowExecution;
    return source.childWorkflowOnly && parent?.workflowId !== source.cell.key.workflowId ? null : found.value;
  }

  async function signalExternal(key: OutboxKey, event: HistoryEvent, departure: Departure): Promise<void> {
    const initiated = event.attributes;
    const source = await runs.load(key.run);
    if (source === null || initiated?.$case !== "signalExternalWorkflowExecutionInitiatedEventAttributes") return done(key);
    const { namespace, workflowExecution, signalName, input, header, childWorkflowOnly } = initiated.value;
    const cell = await target(namespace, workflowExecution, { cell: source, childWorkflowOnly });
    const request = {
      signalName,
      input,
      header,
      identity: "history-service",
      requestId: `${key.run.runId}/${event.eventId}`,
      links: [],
      externalWorkflowExecution: { workflowId: key.run.workflowId, runId: key.run.runId },
    };
    const sourceDraft = draftOf(source);
    if (!mayLeave(sourceDraft, event, departure)) return runs.submit([{ cell: source, draft: sourceDraft }], { deleteOutbox: [key] });
    if (cell === source) {
      // A run that signals itself: one transition does both.
      signal(sourceDraft, request);
      externalSignalDone(sourceDraft, event.eventId, null);
      return runs.submit([{ cell: source, draft: sourceDraft }], { deleteOutbox: [key] });
    }
    const signaled = cell === null ? null : decide(cell.state, runs.contextOf(cell.key.namespaceId), (draft) => signal(draft, request));
    const full = signaled !== null && !signaled.ok && signaled.error.kind === "invalid-argument";
    const cause = signaled?.ok
      ? null
      : full
        ? SignalExternalWorkflowExecutionFailedCause.SIGNAL_COUNT_LIMIT_EXCEEDED
        : namespaces.get(namespace).ok
          ? SignalExternalWorkflowExecutionFailedCause.EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
          : SignalExternalWorkflowExecutionFailedCause.NAMESPACE_NOT_FOUND;
    externalSignalDone(sourceDraft, event.eventId, cause);
    const parts = [{ cell: source, draft: sourceDraft }];
    if (signaled?.ok && cell !== null) parts.unshift({ cell, draft: signaled.value.draft });
    return runs.submit(parts, { deleteOutbox: [key] });
  }

  async function cancelExternal(key: OutboxKey, event: HistoryEvent, departure: Departure): Promise<void> {
    const initiated = event.attributes;
    const source = await runs.load(key.run);
    if (source === null || initiated?.$case !== "requestCancelExternalWorkflowExecutionInitiatedEventAttributes") return done(key);
    const { namespace, workflowExecution, childWorkflowOnly, reason } = initiated.value;
    const cell = await target(namespace, workflowExecution, { cell: source, childWorkflowOnly });
    const request = {
      reason,
      identity: "history-service",
      externalWorkflowExecution: { workflowId: key.run.workflowId, runId: key.run.runId },
      externalInitiatedEventId: event.eventId,
    };
    const sourceDraft = draftOf(source);
    const unstarted = childWorkflowOnly ? heldBackChild(sourceDraft, { namespace, workflowId: workflowExecution?.workflowId ?? "" }) : null;
    if (unstarted !== null) {
      externalCancelDone(sourceDraft, event.eventId, null);
      cancelUnstartedChild(sourceDraft, unstarted);
    }
    if (unstarted !== null || !mayLeave(sourceDraft, event, departure))
      return runs.submit([{ cell: source, draft: sourceDraft }], { deleteOutbox: [key] });
    if (cell === source) {
      requestCancel(sourceDraft, request);
      externalCancelDone(sourceDraft, event.eventId, null);
      return runs.submit([{ cell: source, draft: sourceDraft }], { deleteOutbox: [key] });
    }
    if (cell === null) {
      const cause = namespaces.get(namespace).ok
        ? CancelExternalWorkflowExecutionFailedCause.EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
        : CancelExternalWorkflowExecutionFailedCause.NAMESPACE_NOT_FOUND;
      externalCancelDone(sourceDraft, event.eventId, cause);
      return runs.submit([{ cell: source, draft: sourceDraft }], { deleteOutbox: [key] });
    }
    const canceled = draftOf(cell);
    requestCancel(canceled, request);
    externalCancelDone(sourceDraft, event.eventId, null);
    return runs.submit(
      [
        { cell, draft: canceled },
        { cell: source, draft: sourceDraft },
      ],
      { deleteOutbox: [key] },
    );
  }

  async function reportToParent(key: OutboxKey, closed: HistoryEvent): Promise<void> {
    const child = await runs.load(key.run);
    if (child === null) return done(key);
    const { parentWorkflowExecution, parentWorkflowNamespaceId, parentInitiatedEventId } = child.state.started;
    const parent =
      parentWorkflowExecution === undefined
        ? null
        : await runs.load({ namespaceId: parentWorkflowNamespaceId, ...parentWorkflowExecution });
    if (parent === null) return done(key);
    const draft = draftOf(parent);
    childClosed(draft, { initiatedEventId: parentInitiatedEventId, workflowId: key.run.workflowId, closed });
    return runs.submit([{ cell: parent, draft }], { deleteOutbox: [key] });
  }

  /** The activity expired, was cancelled or is gone with its run: nobody is asked any more. */
  async function settleApproval(key: OutboxKey, hold: Hold): Promise<void> {
    const stored = await store.readApproval(hold.approvalId);
    if (stored === null) return done(key);
    const settled = settle(stored, hold.endedAt || clock.now());
    return runs.submit([], { deleteOutbox: [key], ...(settled ?? {}) });
  }

  /** What is due on an approval happens, and the action that waits for it learns when to look again. */
  async function escalateApproval(key: OutboxKey, { eventId, hold }: { readonly eventId: number; readonly hold: Hold }): Promise<void> {
    const stored = await store.readApproval(hold.approvalId);
    const cell = await runs.load(key.run);
    const woken = stored === null ? null : decideOnApproval(stored, [{ type: "wake" }], clock.now());
    if (cell === null || woken === null || !woken.ok) return done(key);
    const draft = draftOf(cell);
    const action = pendingAction(draft, eventId);
    if (action?.hold?.approvalId !== hold.approvalId) return done(key);
    const { approval } = woken.value;
    action.keep({ ...action.hold, ...holdTimes(approval) });
    // If its time is over by now, the action ends first and the approval with it.
    return runs.submit([{ cell, draft }], { deleteOutbox: [key], ...(isPending(approval) ? woken.value : {}) });
  }

  async function closeChild(key: OutboxKey, child: PendingChild): Promise<void> {
    const { namespaceId, workflowId } = child;
    const found = await runs.find({ namespaceId, workflowId, runId: "" });
    // Another execution may have taken the workflow id since; the child's chain is known by its first run.
    if (child.runId === "" || !found.ok || found.value.state.started.firstExecutionRunId !== child.runId) return done(key);
    const cell = present(found.value, "child");
    const draft = draftOf(cell);
    if (!isRunning(draft)) return done(key);
    const request = { reason: "by parent close policy", identity: "history-service" };
    if (child.parentClosePolicy === ParentClosePolicy.REQUEST_CANCEL) {
      requestCancel(draft, {
        ...request,
        externalWorkflowExecution: { workflowId: key.run.workflowId, runId: key.run.runId },
        externalInitiatedEventId: child.initiatedEventId,
      });
    } else terminateRun(draft, request);
    return runs.submit([{ cell, draft }], { deleteOutbox: [key] });
  }
}
