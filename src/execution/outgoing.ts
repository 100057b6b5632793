import { assertNever } from "../base/assert.ts";
import type { EpochMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { Clearance, type PendingChild, type PendingExternal } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import type {
  HistoryEvent,
  RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
  SignalExternalWorkflowExecutionInitiatedEventAttributes,
  StartChildWorkflowExecutionInitiatedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { approvalExpired } from "./activity.ts";
import { type Admission, admitAll, type Grant, type WantedAction } from "./admission.ts";
import { childToStart, refuseChild } from "./child.ts";
import type { Collection } from "./collection.ts";
import { type Draft, isRunning } from "./execution.ts";
import { refuseExternalCancel, refuseExternalSignal } from "./external.ts";
import { escalateHold, holdDue, isExpired } from "./hold.ts";

/*
 * What leaves a run as an effect on others: starts of children, signals and cancellations. The policy decides before the effect is written, and
 * again before it is carried out if another snapshot is in force by then. Held and delayed ones have no effect until they are let go.
 */

/** One that has not left yet. */
export type OutgoingAction = {
  readonly initiatedEventId: number;
  readonly clearance: Clearance;
  clear(clearance: Clearance): void;
  /** Ends it, and nothing of it happens. */
  refuse(failure: Failure): void;
};

/** What that event initiated; null when it has left, is over, or its run has closed. */
export function outgoingAction(draft: Draft, eventId: number): OutgoingAction | null {
  if (!isRunning(draft)) return null;
  return (
    outgoing(draft, draft.children, childToStart(draft, eventId) ?? undefined, refuseChild) ??
    outgoing(draft, draft.externalSignals, draft.externalSignals.get(eventId), refuseExternalSignal) ??
    outgoing(draft, draft.externalCancels, draft.externalCancels.get(eventId), refuseExternalCancel)
  );
}

function outgoing<P extends PendingChild | PendingExternal>(
  draft: Draft,
  pending: Collection<number, P>,
  action: P | undefined,
  refuse: (draft: Draft, action: P, failure: Failure) => void,
): OutgoingAction | null {
  if (action === undefined || action.closing) return null;
  const { initiatedEventId } = action;
  return {
    initiatedEventId,
    clearance: action.clearance ?? undecided,
    clear: (clearance) => pending.set(initiatedEventId, { ...action, clearance }),
    refuse: (failure) => refuse(draft, action, failure),
  };
}

const undecided = make(Clearance);

/** Has an action decided that is about to be initiated. */
export const admitOutgoing = (draft: Draft, wanted: Omit<WantedAction, "attempt" | "scheduledEventId" | "grant">): Admission =>
  (draft.context.admit ?? admitAll)({ ...wanted, attempt: 1, scheduledEventId: 0, grant: null }, draft);

/** Does what the policy decided about an action; whether it may leave. */
export function applyClearance(
  draft: Draft,
  eventId: number,
  admission: Admission,
  noted: { readonly summarized?: boolean } = {},
): boolean {
  const action = outgoingAction(draft, eventId);
  if (action === null) return false;
  const { summarized = action.clearance.summarized } = noted;
  const decided = { ...action.clearance, hold: undefined, delayedUntil: 0, policySnapshot: admission.snapshot, summarized };
  switch (admission.effect) {
    case "allow":
      if (admission.snapshot !== action.clearance.policySnapshot) action.clear(decided);
      return true;
    case "refuse":
      draft.refused.push({ eventId, failure: admission.failure });
      return false;
    case "hold":
      draft.held.push({ eventId, hold: admission.hold });
      action.clear({ ...decided, hold: admission.hold });
      return false;
    case "delay":
      action.clear({ ...decided, delayedUntil: admission.until });
      return false;
    default:
      return assertNever(admission);
  }
}

/** Lets a held action go, to be decided once more where it leaves: the policy in force there looks at the grant. */
export function releaseOutgoing(draft: Draft, action: OutgoingAction, grant: Grant): void {
  const { approvalId: grantedApprovalId, jobHash: grantedJobHash } = grant;
  action.clear({ ...action.clearance, hold: undefined, policySnapshot: "", grantedApprovalId, grantedJobHash });
  draft.effects.push({ kind: "resume-action", initiatedEventId: action.initiatedEventId });
}

/** A child that the policy keeps from starting; null when there is none of that workflow id. */
export function heldBackChild(draft: Draft, of: Pick<PendingChild, "namespace" | "workflowId">): PendingChild | null {
  for (const child of draft.children.values()) {
    const isMeant = child.namespace === of.namespace && child.workflowId === of.workflowId;
    if (isMeant && !child.closing && isHeldBack(child.clearance)) return child;
  }
  return null;
}

/** Whether it waits for an approval, or until a delay is over. */
export const isHeldBack = (clearance: Clearance | undefined): boolean =>
  clearance !== undefined && (clearance.hold !== undefined || clearance.delayedUntil > 0);

/** When something happens to an action by itself, 0 for never. */
export const outgoingWakeAt = ({ clearance, closing }: PendingChild | PendingExternal): EpochMs => {
  if (clearance === undefined || closing) return 0;
  return clearance.hold === undefined ? clearance.delayedUntil : holdDue(clearance.hold);
};

/** Carries out what is due: an approval expires or escalates, a delay is over. */
export function wakeOutgoing(draft: Draft, eventId: number): void {
  const action = outgoingAction(draft, eventId);
  if (action === null) return;
  const { clearance } = action;
  const { now } = draft.context;
  if (clearance.hold === undefined) {
    action.clear({ ...clearance, delayedUntil: 0 });
    draft.effects.push({ kind: "resume-action", initiatedEventId: eventId });
  } else if (isExpired(clearance.hold, now)) action.refuse(approvalExpired(clearance, clearance.hold, now));
  else action.clear({ ...clearance, hold: escalateHold(draft, eventId, clearance.hold) });
}

type Child = Pick<StartChildWorkflowExecutionInitiatedEventAttributes, "workflowType" | "workflowId" | "taskQueue" | "header" | "input">;
type Signal = Pick<SignalExternalWorkflowExecutionInitiatedEventAttributes, "signalName" | "workflowExecution" | "header" | "input">;
type Cancel = Pick<RequestCancelExternalWorkflowExecutionInitiatedEventAttributes, "workflowExecution">;

export const wantedChild = ({ workflowType, workflowId, taskQueue, header, input }: Child) => ({
  kind: "child-workflow" as const,
  name: workflowType?.name ?? "",
  id: workflowId,
  taskQueue: taskQueue?.name ?? "",
  header,
  input,
});

export const wantedSignal = ({ signalName, workflowExecution, header, input }: Signal) => ({
  kind: "external-signal" as const,
  name: signalName,
  id: workflowExecution?.workflowId ?? "",
  taskQueue: "",
  header,
  input,
});

/** A cancellation is named by whom it is for. */
export const wantedCancel = ({ workflowExecution }: Cancel) => ({
  kind: "external-cancel" as const,
  name: workflowExecution?.workflowId ?? "",
  id: workflowExecution?.workflowId ?? "",
  taskQueue: "",
  header: undefined,
  input: undefined,
});

/** The action that `initiated` asked for, as it stands now. */
export function wantedOutgoing({ initiatedEventId, clearance }: OutgoingAction, initiated: HistoryEvent): WantedAction {
  const { grantedApprovalId: approvalId, grantedJobHash: jobHash, policySnapshot: waitedUnder } = clearance;
  return {
    ...asked(initiated),
    attempt: 1,
    scheduledEventId: initiatedEventId,
    // What is decided a second time under one snapshot has waited out its delay.
    waitedUnder,
    grant: approvalId === "" ? null : { approvalId, jobHash },
  };
}

function asked({ eventId, attributes }: HistoryEvent): ReturnType<typeof wantedChild | typeof wantedSignal | typeof wantedCancel> {
  switch (attributes?.$case) {
    case "startChildWorkflowExecutionInitiatedEventAttributes":
      return wantedChild(attributes.value);
    case "signalExternalWorkflowExecutionInitiatedEventAttributes":
      return wantedSignal(attributes.value);
    case "requestCancelExternalWorkflowExecutionInitiatedEventAttributes":
      return wantedCancel(attributes.value);
    default:
      throw new Error(`assertion failed: event ${eventId} initiates nothing that leaves the run`);
  }
}
