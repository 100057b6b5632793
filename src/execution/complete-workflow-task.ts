import { err, ok, type Result } from "../base/result.ts";
import { fromProtoTime } from "../base/time.ts";
import type { TaskToken } from "../protocol/generated/holdfast/state/v1/state.ts";
import { WorkflowTaskFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type {
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskFailedRequest,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, notFound, type Refusal } from "../protocol/refusal.ts";
import { flushBuffer } from "./buffer.ts";
import { terminateRun } from "./close.ts";
import type { CommandRefusal } from "./commands/command.ts";
import { handleCommand, isClosingCommand } from "./commands/commands.ts";
import { holdLimits } from "./decide.ts";
import { type Context, type Draft, isRunning, type MutableState, openDraft } from "./execution.ts";
import { serverFailure } from "./failures.ts";
import { failRefused } from "./held-action.ts";
import { workflowTaskHeartbeatMax } from "./limits.ts";
import { refusedLocalActivity } from "./local-activity.ts";
import { truncateFailure } from "./retry.ts";
import { handleUpdateMessage, hasUnsentUpdates, isRejection, rejectUnanswered } from "./update.ts";
import { completeWorkflowTask, dropSpeculative, failWorkflowTask, scheduleWorkflowTask, timeOutWorkflowTask } from "./workflow-task.ts";

const taskGone = notFound("Workflow task not found.");
const invalidSequence = invalidArgument("invalid command sequence: a command follows the one that closes the workflow");

/** Whether a token names the workflow task that a worker holds now. */
export function holdsWorkflowTask(state: Pick<MutableState, "core">, token: TaskToken): boolean {
  const task = state.core.workflowTask;
  return (
    isRunning(state) &&
    task !== undefined &&
    task.startedEventId !== 0 &&
    task.scheduledEventId === token.scheduledEventId &&
    task.startedEventId === token.startedEventId &&
    task.attempt === token.attempt &&
    task.startedTime === token.startedTime
  );
}

/** What a completion came to. `draft` is to be committed in either case: a refused completion may have failed the workflow task. */
export type Completion = {
  readonly draft: Draft;
  readonly refusal: Refusal | null;
  /** Of a dropped speculative task: where the worker has to rewind to; 0 otherwise. */
  readonly resetHistoryEventId: number;
};

/**
 * Carries out what a worker decided: messages and commands in order, all or none; then the facts that arrived meanwhile.
 * Source: WorkflowService.RespondWorkflowTaskCompleted.
 */
export function respondWorkflowTaskCompleted(
  state: MutableState,
  context: Context,
  token: TaskToken,
  request: RespondWorkflowTaskCompletedRequest,
): Result<Completion, Refusal> {
  if (!holdsWorkflowTask(state, token)) return err(taskGone);
  // The worker would answer the same again and again, so the task waits for its time-out.
  if (request.commands.slice(0, -1).some(isClosingCommand)) return err(invalidSequence);
  const draft = openDraft(state, context);
  if (request.forceCreateNewWorkflowTask && heartbeatsTooLong(draft)) {
    timeOutWorkflowTask(draft, TimeoutType.START_TO_CLOSE);
    return ok({ draft, refusal: notFound("workflow task heartbeat timeout"), resetHistoryEventId: 0 });
  }
  const denied = refusedLocalActivity(draft, request.commands);
  if (denied !== null) {
    refuse(draft, denied);
    return ok({ draft, refusal: refusalOf(denied), resetHistoryEventId: 0 });
  }
  const done = complete(draft, request);
  if (done.ok) {
    holdLimits(draft);
    return ok({ draft, refusal: null, resetHistoryEventId: done.value });
  }
  const undone = openDraft(state, context);
  refuse(undone, done.error);
  return ok({ draft: undone, refusal: refusalOf(done.error), resetHistoryEventId: 0 });
}

const heartbeatsTooLong = ({ core, context }: Draft): boolean =>
  core.workflowTask !== undefined && context.now - core.workflowTask.originalScheduledTime > workflowTaskHeartbeatMax;

/** The error of a completion that is undone. The value is the event to rewind to, 0 for none. */
function complete(draft: Draft, request: RespondWorkflowTaskCompletedRequest): Result<number, CommandRefusal> {
  const { core } = draft;
  const task = core.workflowTask;
  if (task === undefined) return ok(0);
  if (task.speculative && request.commands.length === 0 && !request.forceCreateNewWorkflowTask && request.messages.every(isRejection)) {
    return dropTask(draft, request);
  }
  // Closing would leave facts unread that arrived while the worker decided.
  const closes = request.commands.some(isClosingCommand);
  if (closes && (draft.buffered.length > 0 || hasUnsentUpdates(draft))) {
    return err({ cause: WorkflowTaskFailedCause.UNHANDLED_COMMAND, message: "" });
  }
  setSticky(draft, request);
  const workflowTaskCompletedEventId = completeWorkflowTask(draft, request);
  const handled = carryOut(draft, request, workflowTaskCompletedEventId);
  if (!handled.ok) return handled;
  rejectUnanswered(draft, task.startedEventId);
  if (!isRunning(draft)) return ok(0);
  const flushed = flushBuffer(draft) || handled.value.news;
  failRefused(draft);
  if (request.forceCreateNewWorkflowTask) scheduleWorkflowTask(draft, flushed ? {} : { originalScheduledTime: task.originalScheduledTime });
  else if (flushed) scheduleWorkflowTask(draft);
  else if (hasUnsentUpdates(draft)) scheduleWorkflowTask(draft, { speculative: true });
  return ok(0);
}

/** A speculative task whose updates were all rejected leaves no trace. */
function dropTask(draft: Draft, request: RespondWorkflowTaskCompletedRequest): Result<number, CommandRefusal> {
  const startedEventId = draft.core.workflowTask?.startedEventId ?? 0;
  for (const message of request.messages) {
    const handled = handleUpdateMessage(draft, message);
    if (!handled.ok) return err({ cause: WorkflowTaskFailedCause.BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE, message: handled.error });
  }
  rejectUnanswered(draft, startedEventId);
  setSticky(draft, request);
  dropSpeculative(draft);
  if (hasUnsentUpdates(draft)) scheduleWorkflowTask(draft, { speculative: true });
  return ok(draft.core.lastCompletedStartedEventId);
}

function setSticky(draft: Draft, { stickyAttributes }: RespondWorkflowTaskCompletedRequest): void {
  const queue = stickyAttributes?.workerTaskQueue;
  if (queue === undefined || queue.name === "") {
    draft.core.sticky = undefined;
    return;
  }
  const normalName = queue.normalName || (draft.started.taskQueue?.name ?? "");
  draft.core.sticky = { name: queue.name, normalName, scheduleToStartTimeout: fromProtoTime(stickyAttributes?.scheduleToStartTimeout) };
}

function carryOut(
  draft: Draft,
  request: RespondWorkflowTaskCompletedRequest,
  workflowTaskCompletedEventId: number,
): Result<{ readonly news: boolean }, CommandRefusal> {
  let news = false;
  const messages = new Map(request.messages.map((message) => [message.id, message]));
  const takeMessage = (id: string) => {
    const message = messages.get(id);
    messages.delete(id);
    return message;
  };
  const wakeWorkflow = () => {
    news = true;
  };
  const scope = { workflowTaskCompletedEventId, identity: request.identity, takeMessage, wakeWorkflow };
  for (const command of request.commands) {
    // Messages that no command places come after the commands, but before the one that ends the run.
    if (isClosingCommand(command)) {
      const referenced = handleRemaining(draft, messages);
      if (!referenced.ok) return referenced;
    }
    const handled = handleCommand(draft, command, scope);
    if (!handled.ok) return handled;
  }
  const remaining = isRunning(draft) ? handleRemaining(draft, messages) : ok(undefined);
  return remaining.ok ? ok({ news }) : remaining;
}

function handleRemaining(
  draft: Draft,
  messages: Map<string, RespondWorkflowTaskCompletedRequest["messages"][number]>,
): Result<void, CommandRefusal> {
  for (const [id, message] of [...messages]) {
    messages.delete(id);
    const handled = handleUpdateMessage(draft, message);
    if (!handled.ok) return err({ cause: WorkflowTaskFailedCause.BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE, message: handled.error });
  }
  return ok(undefined);
}

/** Nothing of the completion happens; the workflow task fails instead, or the run ends where retrying cannot help. */
function refuse(draft: Draft, refused: CommandRefusal): void {
  const attempt = draft.core.workflowTask?.attempt ?? 1;
  // A repeated failure waits for the workflow task's time-out, which is what slows the retries down.
  if (attempt > 1 && !refused.terminate && refused.cause !== WorkflowTaskFailedCause.UNHANDLED_COMMAND) return;
  failWorkflowTask(draft, {
    cause: refused.cause,
    failure: serverFailure(refused.message || causeName(refused.cause)),
    identity: "history-service",
  });
  if (refused.terminate) terminateRun(draft, { reason: refused.message, identity: "history-service" });
  else scheduleWorkflowTask(draft);
}

/** The Rust core knows the harmless race by the exact text `UnhandledCommand`. */
const refusalOf = ({ cause, message }: CommandRefusal): Refusal =>
  invalidArgument(message === "" ? causeName(cause) : `${causeName(cause)}: ${message}`);

/** `BAD_START_TIMER_ATTRIBUTES` → `BadStartTimerAttributes`. */
function causeName(cause: WorkflowTaskFailedCause): string {
  const entry = Object.entries(WorkflowTaskFailedCause).find(([, value]) => value === cause);
  return (entry?.[0] ?? "Unspecified")
    .split("_")
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join("");
}

/** Notes that a worker could not process its workflow task, and makes the next attempt due. Source: WorkflowService.RespondWorkflowTaskFailed. */
export function respondWorkflowTaskFailed(
  draft: Draft,
  token: TaskToken,
  request: RespondWorkflowTaskFailedRequest,
): Result<void, Refusal> {
  if (!holdsWorkflowTask(draft, token)) return err(taskGone);
  const { cause, failure, identity, workerVersion } = request;
  failWorkflowTask(draft, {
    cause: cause === WorkflowTaskFailedCause.UNSPECIFIED ? WorkflowTaskFailedCause.WORKFLOW_WORKER_UNHANDLED_FAILURE : cause,
    failure: failure === undefined ? undefined : truncateFailure(failure, draft.context.limits.blobSizeError),
    identity,
    ...(workerVersion === undefined ? {} : { buildId: workerVersion.buildId }),
  });
  scheduleWorkflowTask(draft);
  return ok(undefined);
}
