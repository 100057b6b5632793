import { assert } from "../base/assert.ts";
import type { DurationMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import type { Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowTaskFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { ContinueAsNewInitiator, RetryState, TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  WorkflowExecutionCanceledEventAttributes,
  WorkflowExecutionCompletedEventAttributes,
  type WorkflowExecutionContinuedAsNewEventAttributes,
  WorkflowExecutionFailedEventAttributes,
  type WorkflowExecutionStartedEventAttributes,
  WorkflowExecutionTerminatedEventAttributes,
  WorkflowExecutionTimedOutEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { nextCronTime } from "./cron.ts";
import { type Draft, hasStartedWorkflowTask, isRunning } from "./execution.ts";
import { timeoutFailure } from "./failures.ts";
import { appendEvent, type EventAttributes, type EventMetadata } from "./history.ts";
import { decideRetry } from "./retry.ts";
import { type Continuation, continuedAttributes, startRun } from "./start.ts";
import { executionExpiresAt, gateOfNext } from "./start-gate.ts";
import { failWorkflowTask, scheduleWorkflowTask } from "./workflow-task.ts";
import { writeSpeculative } from "./workflow-task-events.ts";

/** Completes the run; a cron schedule goes on with the next one. */
export function completeRun(draft: Draft, completed: { result: Payloads | undefined; workflowTaskCompletedEventId: number }): void {
  const { result, workflowTaskCompletedEventId } = completed;
  const newExecutionRunId = continueByCron(draft, { lastCompletionResult: result, continuedFailure: undefined });
  closeRun(draft, {
    $case: "workflowExecutionCompletedEventAttributes",
    value: make(WorkflowExecutionCompletedEventAttributes, { result, workflowTaskCompletedEventId, newExecutionRunId }),
  });
}

/** Fails the run; its retry policy, then its cron schedule, may go on with another one. */
export function failRun(draft: Draft, failed: { failure: Failure | undefined; workflowTaskCompletedEventId: number }): void {
  const { failure, workflowTaskCompletedEventId } = failed;
  const { newExecutionRunId, retryState } = continueAfterFailure(draft, failure);
  closeRun(draft, {
    $case: "workflowExecutionFailedEventAttributes",
    value: make(WorkflowExecutionFailedEventAttributes, { failure, retryState, workflowTaskCompletedEventId, newExecutionRunId }),
  });
}

/** Fails a run that the policy does not let begin: neither its retry policy nor its cron schedule goes on. */
export function refuseRun(draft: Draft, failure: Failure): void {
  closeRun(draft, {
    $case: "workflowExecutionFailedEventAttributes",
    value: make(WorkflowExecutionFailedEventAttributes, { failure, retryState: RetryState.NON_RETRYABLE_FAILURE }),
  });
}

/** The run's or the execution's time is over. */
export function timeOutRun(draft: Draft): void {
  abandonWorkflowTask(draft);
  const failure = timeoutFailure({ message: "workflow timeout", timeoutType: TimeoutType.START_TO_CLOSE });
  const expiresAt = executionExpiresAt(draft.core);
  const isLast = expiresAt > 0 && draft.context.now >= expiresAt;
  const { newExecutionRunId, retryState } = isLast
    ? { newExecutionRunId: "", retryState: RetryState.TIMEOUT }
    : continueAfterFailure(draft, failure);
  closeRun(draft, {
    $case: "workflowExecutionTimedOutEventAttributes",
    value: make(WorkflowExecutionTimedOutEventAttributes, { retryState, newExecutionRunId }),
  });
}

export function cancelRun(draft: Draft, canceled: { details: Payloads | undefined; workflowTaskCompletedEventId: number }): void {
  closeRun(draft, { $case: "workflowExecutionCanceledEventAttributes", value: make(WorkflowExecutionCanceledEventAttributes, canceled) });
}

export function terminateRun(
  draft: Draft,
  terminated: { reason: string; details?: Payloads | undefined; identity: string },
  metadata: EventMetadata = {},
): void {
  abandonWorkflowTask(draft);
  closeRun(
    draft,
    { $case: "workflowExecutionTerminatedEventAttributes", value: make(WorkflowExecutionTerminatedEventAttributes, terminated) },
    metadata,
  );
}

type ContinuedAsNew = {
  readonly attributes: Omit<WorkflowExecutionContinuedAsNewEventAttributes, "newExecutionRunId">;
  readonly continuation: Continuation;
};

/** `open` opens the next run where it is not just the same workflow again. */
export function continueRunAsNew(draft: Draft, { attributes, continuation }: ContinuedAsNew, open: OpenSuccessor = openSuccessor): void {
  const newExecutionRunId = continueChain(draft, continuation, open);
  closeRun(draft, {
    $case: "workflowExecutionContinuedAsNewEventAttributes",
    value: { ...attributes, newExecutionRunId },
  });
}

export type OpenSuccessor = (draft: Draft, runId: string, started: WorkflowExecutionStartedEventAttributes) => Draft;

/** A worker that still holds the workflow task must learn that it is gone. What arrived meanwhile is written before the end. */
function abandonWorkflowTask(draft: Draft): void {
  if (draft.core.workflowTask?.speculative) draft.core.workflowTask = undefined;
  if (hasStartedWorkflowTask(draft))
    failWorkflowTask(draft, { cause: WorkflowTaskFailedCause.FORCE_CLOSE_COMMAND, identity: "history-service" });
}

/** Writes the last event. What depends on this run learns of it after the commit, unless the chain goes on. */
function closeRun(draft: Draft, attributes: EventAttributes, metadata: EventMetadata = {}): void {
  // INVARIANT: what was accepted stands in history; a command that would close over it was refused.
  assert(draft.buffered.length === 0, "no run closes while facts wait in its buffer");
  writeSpeculative(draft);
  const children = [...draft.children.values()];
  const closed = appendEvent(draft, attributes, metadata);
  for (const updateId of [...draft.admitted.toMap().keys()]) draft.admitted.delete(updateId);
  draft.dueTasks = [];
  if (draft.successor !== null) return;
  for (const child of children) draft.effects.push({ kind: "close-child", child });
  if (draft.started.parentWorkflowExecution !== undefined) draft.effects.push({ kind: "report-to-parent", closed });
}

function continueAfterFailure(draft: Draft, failure: Failure | undefined): { newExecutionRunId: string; retryState: RetryState } {
  const { started, core, context } = draft;
  const verdict = decideRetry({
    policy: started.retryPolicy,
    number: started.attempt,
    failure,
    now: context.now,
    expiration: executionExpiresAt(core),
  });
  if (verdict.retry) {
    const newExecutionRunId = continueChain(draft, {
      initiator: ContinueAsNewInitiator.RETRY,
      backoff: verdict.delay,
      attempt: started.attempt + 1,
      continuedFailure: failure,
      lastCompletionResult: started.lastCompletionResult,
    });
    return { newExecutionRunId, retryState: RetryState.IN_PROGRESS };
  }
  const newExecutionRunId = continueByCron(draft, { lastCompletionResult: started.lastCompletionResult, continuedFailure: failure });
  return { newExecutionRunId, retryState: verdict.retryState };
}

/** The id of the next run by the cron schedule, empty if there is none. */
function continueByCron(draft: Draft, carried: Pick<Continuation, "lastCompletionResult" | "continuedFailure">): string {
  const { started, core, context } = draft;
  if (started.cronSchedule === "") return "";
  const next = nextCronTime(started.cronSchedule, context.now);
  if (!next.ok || next.value === null) return "";
  const expiresAt = executionExpiresAt(core);
  if (expiresAt > 0 && next.value >= expiresAt) return "";
  return continueChain(draft, {
    initiator: ContinueAsNewInitiator.CRON_SCHEDULE,
    backoff: next.value - context.now,
    attempt: 1,
    ...carried,
  });
}

function continueChain(draft: Draft, continuation: Continuation, open: OpenSuccessor = openSuccessor): string {
  const runId = draft.context.newId();
  draft.successor = open(draft, runId, continuedAttributes(draft, runId, continuation));
  if (isRunning(draft.successor)) scheduleWorkflowTask(draft.successor);
  return runId;
}

/** The next run of the same workflow: what was decided on its start holds on. */
function openSuccessor(draft: Draft, runId: string, started: WorkflowExecutionStartedEventAttributes): Draft {
  const successor = startRun({ ...draft.key, runId }, started, draft.context, {
    userMetadata: draft.userMetadata,
    principal: draft.starter,
  });
  successor.core.startGate = gateOfNext(draft.core);
  return successor;
}

/** How long the next run of a chain has to wait so that runs follow each other at a distance of at least `intervalMin`. */
export const minimalBackoff = (draft: Draft, asked: DurationMs, intervalMin: DurationMs): DurationMs =>
  Math.max(asked, draft.core.startTime + intervalMin - draft.context.now, 0);
