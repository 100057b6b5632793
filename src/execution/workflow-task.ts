import { assert, present } from "../base/assert.ts";
import { fromProtoTime, minuteMs, secondMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { WorkflowTask } from "../protocol/generated/holdfast/state/v1/state.ts";
import { WorkerVersionStamp } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowTaskFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TaskQueueKind } from "../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  WorkflowTaskCompletedEventAttributes,
  WorkflowTaskFailedEventAttributes,
  WorkflowTaskTimedOutEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import type { RespondWorkflowTaskCompletedRequest } from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { flushBuffer } from "./buffer.ts";
import { type Draft, isRunning } from "./execution.ts";
import { appendEvent } from "./history.ts";
import { workflowTaskTimeoutDefault, workflowTaskTimeoutMax } from "./limits.ts";
import { waitsToBegin } from "./start-gate.ts";
import { continueAsNewReasons, isInHistory, writeScheduled, writeSpeculative, writeStarted } from "./workflow-task-events.ts";

/** Makes a workflow task due unless one is pending already. New facts turn a pending speculative task into a normal one. */
export function scheduleWorkflowTask(draft: Draft, options: { speculative?: boolean; originalScheduledTime?: number } = {}): void {
  const { core, context } = draft;
  if (!isRunning(draft)) return;
  if (core.workflowTask !== undefined) {
    if (!options.speculative) writeSpeculative(draft);
    return;
  }
  // Until start delay, cron or retry backoff is over and the policy lets the run begin, facts only collect.
  if (core.firstWorkflowTaskDue > 0 || waitsToBegin(core)) return;
  if (core.sticky !== undefined && !context.stickyAlive(core.sticky.name)) core.sticky = undefined;

  const attempt = core.workflowTaskAttempt;
  const taskQueue = currentTaskQueue(draft);
  const timeout = startToCloseTimeout(draft, attempt);
  const task = make(WorkflowTask, {
    scheduledEventId: core.nextEventId,
    attempt,
    scheduledTime: context.now,
    originalScheduledTime: options.originalScheduledTime ?? context.now,
    timeout,
    taskQueue,
    speculative: options.speculative ?? false,
    scheduleToStartDue: core.sticky === undefined ? 0 : context.now + core.sticky.scheduleToStartTimeout,
  });
  core.workflowTask = task;
  if (isInHistory(task)) writeScheduled(draft, task);
  draft.dueTasks.push({ type: "workflow" });
}

/** The queue of the next workflow task: sticky while a worker holds the run in its cache. */
function currentTaskQueue({ core, started }: Draft): TaskQueue {
  if (core.sticky === undefined) return make(TaskQueue, { name: started.taskQueue?.name ?? "", kind: TaskQueueKind.NORMAL });
  return make(TaskQueue, { name: core.sticky.name, kind: TaskQueueKind.STICKY, normalName: core.sticky.normalName });
}

/** From the fourth attempt on the time-out grows, which is what slows down the retries of a failing workflow. */
function startToCloseTimeout({ started }: Draft, attempt: number): number {
  const base = Math.min(fromProtoTime(started.workflowTaskTimeout) || workflowTaskTimeoutDefault, workflowTaskTimeoutMax);
  return attempt <= 3 ? base : base + Math.min(5 * secondMs * 2 ** (attempt - 4), 10 * minuteMs);
}

/** Hands the pending workflow task to a worker. The caller has checked that it is scheduled and not started. */
export function startWorkflowTask(draft: Draft, poll: { identity: string; requestId: string; buildId: string }): void {
  const { core, context } = draft;
  let task = present(core.workflowTask, "workflow task");
  assert(task.startedEventId === 0, "a workflow task starts once");
  if (!task.speculative && task.attempt > 1 && task.scheduledEventId !== core.nextEventId) {
    // Facts arrived since the transient task was scheduled, so it is a new task with its own place in history.
    core.workflowTaskAttempt = 1;
    core.workflowTask = { ...task, attempt: 1, scheduledEventId: core.nextEventId };
    writeScheduled(draft, core.workflowTask);
    task = present(core.workflowTask, "workflow task");
  }
  const startedTask: WorkflowTask = {
    ...task,
    startedTime: context.now,
    identity: poll.identity,
    requestId: poll.requestId,
    buildId: poll.buildId,
    continueAsNewReasons: continueAsNewReasons(draft),
    historySizeBytes: core.historyBytes,
    scheduleToStartDue: 0,
  };
  core.workflowTask = startedTask;
  if (isInHistory(startedTask)) writeStarted(draft, startedTask);
  else core.workflowTask = { ...startedTask, startedEventId: startedTask.scheduledEventId + 1 };
}

/** Closes the started workflow task as completed and returns the id of its completed event. */
export function completeWorkflowTask(draft: Draft, request: RespondWorkflowTaskCompletedRequest): number {
  const task = present(draft.core.workflowTask, "workflow task");
  if (!isInHistory(task)) {
    writeScheduled(draft, task);
    writeStarted(draft, task);
  }
  const completed = appendEvent(draft, {
    $case: "workflowTaskCompletedEventAttributes",
    value: make(WorkflowTaskCompletedEventAttributes, {
      scheduledEventId: task.scheduledEventId,
      startedEventId: task.startedEventId,
      identity: request.identity,
      binaryChecksum: request.binaryChecksum,
      workerVersion: request.workerVersionStamp,
      sdkMetadata: request.sdkMetadata,
      meteringMetadata: request.meteringMetadata,
    }),
  });
  return completed.eventId;
}

/** Drops the started speculative task: nothing came of it, so nothing is written. */
export function dropSpeculative(draft: Draft): void {
  assert(draft.core.workflowTask?.speculative, "only a speculative workflow task is dropped");
  draft.core.workflowTask = undefined;
}

/** Closes the started workflow task as failed, without scheduling the next one. */
export function failWorkflowTask(
  draft: Draft,
  failed: { cause: WorkflowTaskFailedCause; failure?: Failure | undefined; identity: string; buildId?: string },
): void {
  writeSpeculative(draft);
  const task = present(draft.core.workflowTask, "workflow task");
  if (isInHistory(task)) {
    appendEvent(draft, {
      $case: "workflowTaskFailedEventAttributes",
      value: make(WorkflowTaskFailedEventAttributes, {
        scheduledEventId: task.scheduledEventId,
        startedEventId: task.startedEventId,
        cause: failed.cause,
        failure: failed.failure,
        identity: failed.identity,
        workerVersion: failed.buildId === undefined ? undefined : make(WorkerVersionStamp, { buildId: failed.buildId }),
      }),
    });
  }
  afterFailure(draft, task, failed.cause === WorkflowTaskFailedCause.UNHANDLED_COMMAND);
}

/** Closes the pending workflow task as timed out and makes the next one due. */
export function timeOutWorkflowTask(draft: Draft, timeoutType: TimeoutType): void {
  writeSpeculative(draft);
  const task = present(draft.core.workflowTask, "workflow task");
  if (isInHistory(task)) {
    appendEvent(draft, {
      $case: "workflowTaskTimedOutEventAttributes",
      value: make(WorkflowTaskTimedOutEventAttributes, {
        scheduledEventId: task.scheduledEventId,
        startedEventId: task.startedEventId,
        timeoutType,
      }),
    });
  }
  // Waiting in vain on a sticky queue is nobody's failure: the attempt stays.
  afterFailure(draft, task, timeoutType === TimeoutType.SCHEDULE_TO_START);
  scheduleWorkflowTask(draft);
}

function afterFailure(draft: Draft, task: WorkflowTask, harmless: boolean): void {
  const { core } = draft;
  core.workflowTask = undefined;
  // What failed may be the worker that holds the run: the next try goes to any worker, and does not count.
  if (core.sticky !== undefined || harmless) core.workflowTaskAttempt = task.attempt;
  else core.workflowTaskAttempt = task.attempt + 1;
  core.sticky = undefined;
  if (flushBuffer(draft)) core.workflowTaskAttempt = 1;
  resendUpdates(draft);
}

/** Updates that went with a task which was not completed wait for the next one. */
function resendUpdates(draft: Draft): void {
  for (const update of [...draft.admitted.values()]) {
    if (update.sentWith !== 0) draft.admitted.set(update.updateId, { ...update, sentWith: 0 });
  }
}
