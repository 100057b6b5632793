import { make } from "../protocol/codec.ts";
import type { PendingChild } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Header, WorkflowExecution } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { StartChildWorkflowExecutionFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { RetryState } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  ChildWorkflowExecutionCanceledEventAttributes,
  ChildWorkflowExecutionCompletedEventAttributes,
  ChildWorkflowExecutionFailedEventAttributes,
  ChildWorkflowExecutionStartedEventAttributes,
  ChildWorkflowExecutionTerminatedEventAttributes,
  ChildWorkflowExecutionTimedOutEventAttributes,
  type HistoryEvent,
  StartChildWorkflowExecutionFailedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { appendExternalEvent } from "./buffer.ts";
import { type Draft, isRunning } from "./execution.ts";
import type { EventAttributes } from "./history.ts";
import { scheduleWorkflowTask } from "./workflow-task.ts";

/** The child that waits to be started, null when the parent no longer wants it. */
export function childToStart(draft: Draft, initiatedEventId: number): PendingChild | null {
  const child = draft.children.get(initiatedEventId);
  return isRunning(draft) && child !== undefined && child.startedEventId === 0 && !child.starting && !child.closing ? child : null;
}

export function childStarted(draft: Draft, child: PendingChild, started: { runId: string; header: Header | undefined }): void {
  const eventId = appendExternalEvent(draft, {
    $case: "childWorkflowExecutionStartedEventAttributes",
    value: make(ChildWorkflowExecutionStartedEventAttributes, { ...identify({ ...child, runId: started.runId }), header: started.header }),
  });
  if (eventId === 0) draft.children.set(child.initiatedEventId, { ...child, starting: true, runId: started.runId });
  scheduleWorkflowTask(draft);
}

/** A child that the policy does not let start: to its parent it started and failed, which is how the reason reaches the parent's code. */
export const refuseChild = (draft: Draft, child: PendingChild, failure: Failure): void =>
  endUnstarted(draft, child, (ended) => ({
    $case: "childWorkflowExecutionFailedEventAttributes",
    value: make(ChildWorkflowExecutionFailedEventAttributes, { ...ended, failure, retryState: RetryState.NON_RETRYABLE_FAILURE }),
  }));

/** A child that its parent cancels while the policy keeps it from starting. */
export const cancelUnstartedChild = (draft: Draft, child: PendingChild): void =>
  endUnstarted(draft, child, (ended) => ({
    $case: "childWorkflowExecutionCanceledEventAttributes",
    value: make(ChildWorkflowExecutionCanceledEventAttributes, ended),
  }));

/** Writes start and end of a child that does not exist. The protocol knows no other way to end one with a reason, and wants a run id. */
function endUnstarted(
  draft: Draft,
  child: PendingChild,
  end: (ended: ReturnType<typeof identify> & { readonly startedEventId: number }) => EventAttributes,
): void {
  const identified = identify({ ...child, runId: draft.context.newId() });
  const startedEventId = appendExternalEvent(draft, {
    $case: "childWorkflowExecutionStartedEventAttributes",
    value: make(ChildWorkflowExecutionStartedEventAttributes, identified),
  });
  const eventId = appendExternalEvent(draft, end({ ...identified, startedEventId }));
  if (eventId === 0) draft.children.set(child.initiatedEventId, { ...child, clearance: undefined, closing: true });
  scheduleWorkflowTask(draft);
}

export function childStartFailed(
  draft: Draft,
  child: PendingChild,
  failed: { cause: StartChildWorkflowExecutionFailedCause; workflowTaskCompletedEventId: number; control: string },
): void {
  const eventId = appendExternalEvent(draft, {
    $case: "startChildWorkflowExecutionFailedEventAttributes",
    value: make(StartChildWorkflowExecutionFailedEventAttributes, {
      namespace: child.namespace,
      namespaceId: child.namespaceId,
      workflowId: child.workflowId,
      workflowType: { name: child.workflowType },
      initiatedEventId: child.initiatedEventId,
      ...failed,
    }),
  });
  if (eventId === 0) draft.children.set(child.initiatedEventId, { ...child, closing: true });
  scheduleWorkflowTask(draft);
}

/** A child's chain has ended with `closed`. A report that is late, repeated or about another child changes nothing. */
export function childClosed(draft: Draft, report: { initiatedEventId: number; workflowId: string; closed: HistoryEvent }): void {
  const child = draft.children.get(report.initiatedEventId);
  if (!isRunning(draft) || child === undefined || child.closing || child.workflowId !== report.workflowId) return;
  const attributes = closedAttributes(child, report.closed);
  if (attributes === null) return;
  const eventId = appendExternalEvent(draft, attributes);
  if (eventId === 0) draft.children.set(child.initiatedEventId, { ...child, closing: true });
  scheduleWorkflowTask(draft);
}

const identify = (child: PendingChild) => ({
  namespace: child.namespace,
  namespaceId: child.namespaceId,
  workflowExecution: { workflowId: child.workflowId, runId: child.runId } satisfies WorkflowExecution,
  workflowType: { name: child.workflowType },
  initiatedEventId: child.initiatedEventId,
});

function closedAttributes(child: PendingChild, { attributes: closed }: HistoryEvent): EventAttributes | null {
  const common = { ...identify(child), startedEventId: child.startedEventId };
  switch (closed?.$case) {
    case "workflowExecutionCompletedEventAttributes":
      return {
        $case: "childWorkflowExecutionCompletedEventAttributes",
        value: make(ChildWorkflowExecutionCompletedEventAttributes, { ...common, result: closed.value.result }),
      };
    case "workflowExecutionFailedEventAttributes":
      return {
        $case: "childWorkflowExecutionFailedEventAttributes",
        value: make(ChildWorkflowExecutionFailedEventAttributes, {
          ...common,
          failure: closed.value.failure,
          retryState: closed.value.retryState,
        }),
      };
    case "workflowExecutionCanceledEventAttributes":
      return {
        $case: "childWorkflowExecutionCanceledEventAttributes",
        value: make(ChildWorkflowExecutionCanceledEventAttributes, { ...common, details: closed.value.details }),
      };
    case "workflowExecutionTimedOutEventAttributes":
      return {
        $case: "childWorkflowExecutionTimedOutEventAttributes",
        value: make(ChildWorkflowExecutionTimedOutEventAttributes, { ...common, retryState: RetryState.TIMEOUT }),
      };
    case "workflowExecutionTerminatedEventAttributes":
      return {
        $case: "childWorkflowExecutionTerminatedEventAttributes",
        value: make(ChildWorkflowExecutionTerminatedEventAttributes, common),
      };
    default:
      return null;
  }
}
