import { make } from "../protocol/codec.ts";
import type { PendingExternal } from "../protocol/generated/holdfast/state/v1/state.ts";
import {
  CancelExternalWorkflowExecutionFailedCause,
  SignalExternalWorkflowExecutionFailedCause,
} from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  ExternalWorkflowExecutionCancelRequestedEventAttributes,
  ExternalWorkflowExecutionSignaledEventAttributes,
  RequestCancelExternalWorkflowExecutionFailedEventAttributes,
  SignalExternalWorkflowExecutionFailedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { appendExternalEvent } from "./buffer.ts";
import type { Collection } from "./collection.ts";
import { type Draft, isRunning } from "./execution.ts";
import { failureSummary } from "./failures.ts";
import type { EventAttributes, EventMetadata } from "./history.ts";
import { scheduleWorkflowTask } from "./workflow-task.ts";

/** Notes that a signal to another execution arrived there, or (`failedCause`) could not. */
export function externalSignalDone(
  draft: Draft,
  initiatedEventId: number,
  failedCause: SignalExternalWorkflowExecutionFailedCause | null,
  metadata: EventMetadata = {},
): void {
  finish(
    draft,
    draft.externalSignals,
    initiatedEventId,
    (signal) =>
      failedCause === null
        ? {
            $case: "externalWorkflowExecutionSignaledEventAttributes",
            value: make(ExternalWorkflowExecutionSignaledEventAttributes, { ...identify(signal), control: signal.control }),
          }
        : {
            $case: "signalExternalWorkflowExecutionFailedEventAttributes",
            value: make(SignalExternalWorkflowExecutionFailedEventAttributes, { ...failed(signal), cause: failedCause }),
          },
    metadata,
  );
}

/** Notes that a request to cancel another execution arrived there, or (`failedCause`) could not. */
export function externalCancelDone(
  draft: Draft,
  initiatedEventId: number,
  failedCause: CancelExternalWorkflowExecutionFailedCause | null,
  metadata: EventMetadata = {},
): void {
  finish(
    draft,
    draft.externalCancels,
    initiatedEventId,
    (cancel) =>
      failedCause === null
        ? {
            $case: "externalWorkflowExecutionCancelRequestedEventAttributes",
            value: make(ExternalWorkflowExecutionCancelRequestedEventAttributes, identify(cancel)),
          }
        : {
            $case: "requestCancelExternalWorkflowExecutionFailedEventAttributes",
            value: make(RequestCancelExternalWorkflowExecutionFailedEventAttributes, { ...failed(cancel), cause: failedCause }),
          },
    metadata,
  );
}

/*
 * The protocol has no cause for a refusal. To the workflow it is as if the other execution were not there, which every SDK knows how to take,
 * and which does not tell whether it is.
 */

/** A signal that never goes out. */
export const refuseExternalSignal = (draft: Draft, { initiatedEventId }: PendingExternal, failure: Failure): void =>
  externalSignalDone(draft, initiatedEventId, SignalExternalWorkflowExecutionFailedCause.EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND, {
    userMetadata: failureSummary(failure),
  });

/** A request to cancel that never goes out. */
export const refuseExternalCancel = (draft: Draft, { initiatedEventId }: PendingExternal, failure: Failure): void =>
  externalCancelDone(draft, initiatedEventId, CancelExternalWorkflowExecutionFailedCause.EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND, {
    userMetadata: failureSummary(failure),
  });

const identify = ({ initiatedEventId, namespace, namespaceId, workflowId, runId }: PendingExternal) => ({
  initiatedEventId,
  namespace,
  namespaceId,
  workflowExecution: { workflowId, runId },
});

const failed = (external: PendingExternal) => ({
  ...identify(external),
  control: external.control,
  workflowTaskCompletedEventId: external.workflowTaskCompletedEventId,
});

function finish(
  draft: Draft,
  pending: Collection<number, PendingExternal>,
  initiatedEventId: number,
  outcome: (external: PendingExternal) => EventAttributes,
  metadata: EventMetadata,
): void {
  const external = pending.get(initiatedEventId);
  if (!isRunning(draft) || external === undefined || external.closing) return;
  const eventId = appendExternalEvent(draft, outcome(external), metadata);
  if (eventId === 0) pending.set(initiatedEventId, { ...external, clearance: undefined, closing: true });
  scheduleWorkflowTask(draft);
}
