import { err, ok, type Result } from "../base/result.ts";
import { encode, make } from "../protocol/codec.ts";
import { Any } from "../protocol/generated/google/protobuf/any.ts";
import type { AcceptedUpdate } from "../protocol/generated/holdfast/state/v1/state.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  WorkflowExecutionUpdateAcceptedEventAttributes,
  WorkflowExecutionUpdateCompletedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { Message } from "../protocol/generated/temporal/api/protocol/v1/message.ts";
import { Acceptance, Rejection, Request, Response } from "../protocol/generated/temporal/api/update/v1/message.ts";
import { failedPrecondition, invalidArgument, type Refusal } from "../protocol/refusal.ts";
import { payloadsBytes } from "./activity.ts";
import { type AdmittedUpdate, type Draft, isRunning, type MutableState } from "./execution.ts";
import { applicationFailure } from "./failures.ts";
import { appendEvent } from "./history.ts";
import { alreadyCompleted } from "./signal.ts";
import { scheduleWorkflowTask } from "./workflow-task.ts";

const typeUrlPrefix = "type.googleapis.com/temporal.api.update.v1.";

/** What is known of an update: `admitted` (no worker has taken it), `accepted`, or `completed`; null for an unknown one. */
export type UpdateStatus = { readonly stage: "admitted" } | { readonly stage: "accepted" | "completed"; readonly update: AcceptedUpdate };

export function updateStatus(
  state: { readonly updates: Pick<MutableState["updates"], "get">; readonly admitted: Pick<MutableState["admitted"], "has"> },
  updateId: string,
): UpdateStatus | null {
  const update = state.updates.get(updateId);
  if (update !== undefined) return { stage: update.completedEventId === 0 ? "accepted" : "completed", update };
  return state.admitted.has(updateId) ? { stage: "admitted" } : null;
}

/** Takes a new update in and makes a workflow task due that carries it. A known update id is joined instead (see `updateStatus`). */
export function admitUpdate(draft: Draft, updateId: string, request: Request): Result<void, Refusal> {
  if (!isRunning(draft)) return err(alreadyCompleted);
  const { limits } = draft.context;
  if (payloadsBytes(request.input?.args) > limits.blobSizeError) return err(invalidArgument("Blob data size exceeds limit."));
  if (draft.core.workflowTaskAttempt > 3) {
    return err({
      kind: "workflow-not-ready",
      message: "Unable to perform workflow execution update due to Workflow Task in failed state.",
    });
  }
  const running = [...draft.updates.values()].filter((update) => update.completedEventId === 0).length;
  if (running + draft.admitted.size >= limits.updatesInFlight) {
    return err(exhausted(`limit on number of concurrent in-flight updates has been reached (${limits.updatesInFlight})`));
  }
  const bytes = [...draft.admitted.values()].reduce(
    (sum, update) => sum + Request.encode(update.request).finish().length,
    Request.encode(request).finish().length,
  );
  if (bytes > limits.updatesInFlightBytes) {
    return err(exhausted(`limit on total payload size of in-flight updates has been reached (${limits.updatesInFlightBytes} bytes)`));
  }
  if (draft.updates.size + draft.admitted.size >= limits.updatesPerRun) {
    const message = `The limit on the total number of distinct updates in this workflow has been reached (${limits.updatesPerRun}). Make sure any duplicate updates share an Update ID so the server can deduplicate them, and consider rejecting updates that you aren't going to process`;
    return err(failedPrecondition(message));
  }
  draft.admitted.set(updateId, { updateId, request, sentWith: 0 });
  scheduleWorkflowTask(draft, { speculative: true });
  return ok(undefined);
}

const exhausted = (message: string): Refusal => ({
  kind: "resource-exhausted",
  message,
  cause: ResourceExhaustedCause.CONCURRENT_LIMIT,
  scope: ResourceExhaustedScope.NAMESPACE,
});

/** Binds the waiting updates to the workflow task that just started, and returns them as the messages it carries. */
export function sendUpdates(draft: Draft): Message[] {
  const startedEventId = draft.core.workflowTask?.startedEventId ?? 0;
  const waiting = [...draft.admitted.values()].filter((update) => update.sentWith === 0);
  for (const update of waiting) draft.admitted.set(update.updateId, { ...update, sentWith: startedEventId });
  return waiting.map((update) => requestMessage(update, startedEventId - 1));
}

const requestMessage = ({ updateId, request }: AdmittedUpdate, eventId: number): Message =>
  make(Message, {
    id: `${updateId}/request`,
    protocolInstanceId: updateId,
    sequencingId: { $case: "eventId", value: eventId },
    body: make(Any, { typeUrl: `${typeUrlPrefix}Request`, value: encode(Request, request) }),
  });

/** Whether updates arrived that no workflow task has carried to a worker. */
export const hasUnsentUpdates = (draft: Draft): boolean => [...draft.admitted.values()].some((update) => update.sentWith === 0);

/** Whether all that a worker says of updates is no: then a speculative workflow task leaves no trace. */
export const isRejection = (message: Message): boolean => message.body?.typeUrl === `${typeUrlPrefix}Rejection`;

/** Carries out what a worker says of one update. The error is a sentence for the failed workflow task. */
export function handleUpdateMessage(draft: Draft, message: Message): Result<void, string> {
  const updateId = message.protocolInstanceId;
  const body = message.body;
  switch (body?.typeUrl) {
    case `${typeUrlPrefix}Acceptance`:
      return accept(draft, updateId, Acceptance.decode(body.value));
    case `${typeUrlPrefix}Rejection`:
      return reject(draft, updateId, Rejection.decode(body.value));
    case `${typeUrlPrefix}Response`:
      return complete(draft, updateId, Response.decode(body.value));
    default:
      return err(`unknown message type \`${body?.typeUrl ?? ""}\``);
  }
}

function accept(draft: Draft, updateId: string, acceptance: Acceptance): Result<void, string> {
  // A worker may know of an update that a restarted server does not: its answer carries the request.
  const request = draft.admitted.get(updateId)?.request ?? acceptance.acceptedRequest;
  if (request === undefined || draft.updates.has(updateId)) return err(`update \`${updateId}\` cannot be accepted now`);
  draft.admitted.delete(updateId);
  appendEvent(draft, {
    $case: "workflowExecutionUpdateAcceptedEventAttributes",
    value: make(WorkflowExecutionUpdateAcceptedEventAttributes, {
      protocolInstanceId: updateId,
      acceptedRequestMessageId: acceptance.acceptedRequestMessageId,
      acceptedRequestSequencingEventId: acceptance.acceptedRequestSequencingEventId,
      acceptedRequest: request,
    }),
  });
  return ok(undefined);
}

function reject(draft: Draft, updateId: string, rejection: Rejection): Result<void, string> {
  if (draft.updates.has(updateId)) return err(`update \`${updateId}\` is accepted already`);
  draft.admitted.delete(updateId);
  if (rejection.failure !== undefined) draft.rejections.set(updateId, rejection.failure);
  return ok(undefined);
}

function complete(draft: Draft, updateId: string, response: Response): Result<void, string> {
  const update = draft.updates.get(updateId);
  if (update === undefined || update.completedEventId !== 0) return err(`update \`${updateId}\` is not running`);
  appendEvent(draft, {
    $case: "workflowExecutionUpdateCompletedEventAttributes",
    value: make(WorkflowExecutionUpdateCompletedEventAttributes, {
      meta: response.meta,
      acceptedEventId: update.acceptedEventId,
      outcome: response.outcome,
    }),
  });
  return ok(undefined);
}

/** Updates that went with the completed workflow task and were not mentioned: an SDK without update support leaves them so. */
export function rejectUnanswered(draft: Draft, startedEventId: number): void {
  for (const update of [...draft.admitted.values()]) {
    if (update.sentWith !== startedEventId) continue;
    draft.admitted.delete(update.updateId);
    draft.rejections.set(update.updateId, unprocessed);
  }
}

const unprocessed: Failure = applicationFailure(
  "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.",
  "UnprocessedUpdate",
);

/** The outcome of an update that was running when its run closed. */
export const closedUnderUpdate: Failure = applicationFailure(
  "Workflow Update failed because the Workflow completed before the Update completed.",
  "AcceptedUpdateCompletedWorkflow",
);
