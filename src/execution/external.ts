import { make } from "../protocol/codec.ts";
import type { PendingExternal } from "../protocol/generated/holdfast/state/v1/state.ts";
import type {
  CancelExternalWorkflowExecutionFailedCause,
  SignalExternalWorkflowExecutionFailedCause,
} from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import {
  ExternalWorkflowExecutionCancelRequestedEventAttributes,
  ExternalWorkflowExecutionSignaledEventAttributes,
  RequestCancelExternalWorkflowExecutionFailedEventAttributes,
  type RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
  SignalExternalWorkflowExecutionFailedEventAttributes,
  type SignalExternalWorkflowExecutionInitiatedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { appendExternalEvent } from "./buffer.ts";
import type { Collection } from "./collection.ts";
import { type Draft, isRunning } from "./execution.ts";
import type { EventAttributes } from "./history.ts";
import { scheduleWorkflowTask } from "./workflow-task.ts";

/** Notes that a signal to another execution arrived there, or (`failedCause`) could not. */
export function externalSignalDone(
  draft: Draft,
  initiatedEventId: number,
  initiated: SignalExternalWorkflowExecutionInitiatedEventAttributes,
  failedCause: SignalExternalWorkflowExecutionFailedCause | null,
): void {
  const { namespace, namespaceId, workflowExecution, control, workflowTaskCompletedEventId } = initiated;
  const common = { namespace, namespaceId, workflowExecution, control, initiatedEventId };
  finish(
    draft,
    draft.externalSignals,
    initiatedEventId,
    failedCause === null
      ? { $case: "externalWorkflowExecutionSignaledEventAttributes", value: make(ExternalWorkflowExecutionSignaledEventAttributes, common) }
      : {
          $case: "signalExternalWorkflowExecutionFailedEventAttributes",
          value: make(SignalExternalWorkflowExecutionFailedEventAttributes, {
            ...common,
            workflowTaskCompletedEventId,
            cause: failedCause,
          }),
        },
  );
}

/** Notes that a request to cancel another execution arrived there, or (`failedCause`) could not. */
export function externalCancelDone(
  draft: Draft,
  initiatedEventId: number,
  initiated: RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
  failedCause: CancelExternalWorkflowExecutionFailedCause | null,
): void {
  const { namespace, namespaceId, workflowExecution, control, workflowTaskCompletedEventId } = initiated;
  const common = { namespace, namespaceId, workflowExecution, initiatedEventId };
  finish(
    draft,
    draft.externalCancels,
    initiatedEventId,
    failedCause === null
      ? {
          $case: "externalWorkflowExecutionCancelRequestedEventAttributes",
          value: make(ExternalWorkflowExecutionCancelRequestedEventAttributes, common),
        }
      : {
          $case: "requestCancelExternalWorkflowExecutionFailedEventAttributes",
          value: make(RequestCancelExternalWorkflowExecutionFailedEventAttributes, {
            ...common,
            control,
            workflowTaskCompletedEventId,
            cause: failedCause,
          }),
        },
  );
}

function finish(draft: Draft, pending: Collection<number, PendingExternal>, initiatedEventId: number, attributes: EventAttributes): void {
  const external = pending.get(initiatedEventId);
  if (!isRunning(draft) || external === undefined || external.closing) return;
  const eventId = appendExternalEvent(draft, attributes);
  if (eventId === 0) pending.set(initiatedEventId, { ...external, closing: true });
  scheduleWorkflowTask(draft);
}
