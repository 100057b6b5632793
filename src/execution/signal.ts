import { err, ok, type Result } from "../base/result.ts";
import { make } from "../protocol/codec.ts";
import type { Principal, WorkflowExecution } from "../protocol/generated/temporal/api/common/v1/message.ts";
import {
  WorkflowExecutionCancelRequestedEventAttributes,
  WorkflowExecutionSignaledEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { SignalWorkflowExecutionRequest } from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, notFound, type Refusal } from "../protocol/refusal.ts";
import { payloadsBytes } from "./activity.ts";
import { appendExternalEvent } from "./buffer.ts";
import { cancelRun } from "./close.ts";
import { type Draft, isRunning } from "./execution.ts";
import type { EventMetadata } from "./history.ts";
import { waitsToBegin } from "./start-gate.ts";
import { scheduleWorkflowTask } from "./workflow-task.ts";

export const alreadyCompleted: Refusal = notFound("workflow execution already completed");
export const blobTooLarge: Refusal = invalidArgument("Blob data size exceeds limit.");

export type Signal = Pick<SignalWorkflowExecutionRequest, "signalName" | "input" | "identity" | "header" | "requestId" | "links"> & {
  readonly externalWorkflowExecution?: WorkflowExecution;
  readonly principal?: Principal | undefined;
};

/** Records a signal once per request id and wakes the run. */
export function signal(draft: Draft, signal: Signal): Result<void, Refusal> {
  if (!isRunning(draft)) return err(alreadyCompleted);
  const { limits } = draft.context;
  if (signal.requestId !== "" && draft.requestIds.has(signal.requestId)) return ok(undefined);
  if (payloadsBytes(signal.input) > limits.blobSizeError) return err(blobTooLarge);
  const buffered = draft.buffered.filter((event) => event.attributes?.$case === "workflowExecutionSignaledEventAttributes").length;
  if (draft.core.signalCount + buffered >= limits.signalsPerRun)
    return err(invalidArgument("exceeded workflow execution limit for signal events"));
  appendExternalEvent(
    draft,
    {
      $case: "workflowExecutionSignaledEventAttributes",
      value: make(WorkflowExecutionSignaledEventAttributes, {
        signalName: signal.signalName,
        input: signal.input,
        identity: signal.identity,
        header: signal.header,
        externalWorkflowExecution: signal.externalWorkflowExecution,
        requestId: signal.requestId,
      }),
    },
    { links: signal.links, principal: signal.principal },
  );
  // Known from now on, also while the event waits in the buffer.
  if (signal.requestId !== "") draft.requestIds.set(signal.requestId, true);
  scheduleWorkflowTask(draft);
  return ok(undefined);
}

/** Records the first request to cancel; later ones and those to a closed run are answered alike and change nothing. */
export function requestCancel(
  draft: Draft,
  request: { reason: string; identity: string; externalWorkflowExecution?: WorkflowExecution; externalInitiatedEventId?: number },
  metadata: EventMetadata = {},
): void {
  if (!isRunning(draft) || draft.core.cancelRequested) return;
  draft.core.cancelRequested = true;
  const attributes = make(WorkflowExecutionCancelRequestedEventAttributes, {
    cause: request.reason,
    identity: request.identity,
    externalWorkflowExecution: request.externalWorkflowExecution,
    externalInitiatedEventId: request.externalInitiatedEventId ?? 0,
  });
  appendExternalEvent(draft, { $case: "workflowExecutionCancelRequestedEventAttributes", value: attributes }, metadata);
  // What has not begun has nothing to clean up.
  if (waitsToBegin(draft.core)) cancelRun(draft, { details: undefined, workflowTaskCompletedEventId: 0 });
  else scheduleWorkflowTask(draft);
}
