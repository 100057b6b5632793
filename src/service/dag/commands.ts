import { type EpochMs, toProtoTime } from "../../base/time.ts";
import type { Effect, RunEnd, WantedActivity, WantedChild } from "../../dag/decider/effect.ts";
import { runFailureTypes } from "../../dag/decider/outcome.ts";
import type { Json } from "../../dag/json.ts";
import { toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import {
  CancelTimerCommandAttributes,
  CancelWorkflowExecutionCommandAttributes,
  Command,
  CompleteWorkflowExecutionCommandAttributes,
  FailWorkflowExecutionCommandAttributes,
  RequestCancelActivityTaskCommandAttributes,
  RequestCancelExternalWorkflowExecutionCommandAttributes,
  ScheduleActivityTaskCommandAttributes,
  StartChildWorkflowExecutionCommandAttributes,
  StartTimerCommandAttributes,
  UpsertWorkflowSearchAttributesCommandAttributes,
} from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { ActivityType, Payloads, Priority, RetryPolicy, WorkflowType } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { CommandType } from "../../protocol/generated/temporal/api/enums/v1/command_type.ts";
import { ParentClosePolicy, WorkflowIdReusePolicy } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import type { RouteTopic } from "./routes.ts";
import { type RunRecord, runInput, runMemo, runStatusAttributes } from "./run-record.ts";
import { headerOf, idempotencyKeyOf, placeOf } from "./step-activity.ts";

type Attributes = NonNullable<Command["attributes"]>;

/** What turning effects into commands needs to know besides them. */
export type CommandScope = {
  readonly now: EpochMs;
  readonly runId: string;
  readonly routeTopic: RouteTopic;
  readonly scheduledEventIdOf: (activityId: string) => number | undefined;
  /** The version of a subworkflow that starts now; empty if there is none: the child says so when it is to begin. */
  readonly definitionOf: (workflowId: string) => string;
};

/** A command of the protocol, or null when there is nothing to ask for any more. */
export function commandOf(effect: Effect, scope: CommandScope): Command | null {
  switch (effect.type) {
    case "ScheduleActivity":
      return command(CommandType.SCHEDULE_ACTIVITY_TASK, scheduleActivity(effect, scope));
    case "CancelActivity": {
      const scheduledEventId = scope.scheduledEventIdOf(effect.activityId);
      if (scheduledEventId === undefined) return null;
      const value = make(RequestCancelActivityTaskCommandAttributes, { scheduledEventId });
      return command(CommandType.REQUEST_CANCEL_ACTIVITY_TASK, { $case: "requestCancelActivityTaskCommandAttributes", value });
    }
    case "StartTimer": {
      // A timer is at least one millisecond long.
      const startToFireTimeout = toProtoTime(Math.max(1, effect.fireAt - scope.now));
      const value = make(StartTimerCommandAttributes, { timerId: effect.timerId, startToFireTimeout });
      return command(CommandType.START_TIMER, { $case: "startTimerCommandAttributes", value });
    }
    case "CancelTimer": {
      const value = make(CancelTimerCommandAttributes, { timerId: effect.timerId });
      return command(CommandType.CANCEL_TIMER, { $case: "cancelTimerCommandAttributes", value });
    }
    case "StartChild":
      return command(CommandType.START_CHILD_WORKFLOW_EXECUTION, startChild(effect, scope));
    case "CancelChild": {
      const workflowId = `${scope.runId}:${effect.childId}`;
      const value = make(RequestCancelExternalWorkflowExecutionCommandAttributes, { workflowId, childWorkflowOnly: true });
      const attributes = { $case: "requestCancelExternalWorkflowExecutionCommandAttributes", value } as const;
      return command(CommandType.REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, attributes);
    }
    case "CloseRun":
      return closeRun(effect);
  }
}

/** Shows in lists what the run does. */
export function showStatus(status: string): Command {
  const value = make(UpsertWorkflowSearchAttributesCommandAttributes, { searchAttributes: runStatusAttributes(status) });
  const attributes = { $case: "upsertWorkflowSearchAttributesCommandAttributes", value } as const;
  return command(CommandType.UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, attributes);
}

/** Closes a run that cannot be decided. */
export const failRun = (message: string): Command =>
  closeRun({ status: "failed", output: null, error: { message, type: null }, stepId: null });

const command = (commandType: Command["commandType"], attributes: Attributes): Command => make(Command, { commandType, attributes });
const one = (value: Json): Payloads => make(Payloads, { payloads: [toPayload(value)] });
const duration = (ms: number | null) => (ms === null ? undefined : toProtoTime(ms));
/** Of the protocol's 1 to 5, where 3 is what says nothing. */
const priorityKeys: { readonly [word: string]: number } = { critical: 1, interactive: 3, batch: 4 };

function scheduleActivity(wanted: WantedActivity, { routeTopic }: CommandScope): Attributes {
  const { taskQueue, activityType } = placeOf(wanted, routeTopic);
  const { startToCloseMs, heartbeatMs, scheduleToStartMs, scheduleToCloseMs } = wanted.timeouts;
  const value = make(ScheduleActivityTaskCommandAttributes, {
    activityId: wanted.activityId,
    activityType: make(ActivityType, { name: activityType }),
    taskQueue: make(TaskQueue, { name: taskQueue }),
    header: headerOf(wanted, idempotencyKeyOf(wanted)),
    input: one(wanted.input),
    startToCloseTimeout: duration(startToCloseMs),
    heartbeatTimeout: duration(heartbeatMs),
    scheduleToStartTimeout: duration(scheduleToStartMs),
    scheduleToCloseTimeout: duration(scheduleToCloseMs),
    // The run decides on the next attempt, which is an activity of its own.
    retryPolicy: make(RetryPolicy, { maximumAttempts: 1 }),
    priority: make(Priority, { priorityKey: priorityKeys[wanted.priority] ?? 0 }),
  });
  return { $case: "scheduleActivityTaskCommandAttributes", value };
}

function startChild(wanted: WantedChild, { runId, definitionOf }: CommandScope): Attributes {
  const { jobId, workflowId, input, labels, callStack, timeoutMs } = wanted;
  const record: RunRecord = {
    definition: definitionOf(workflowId),
    labels,
    triggeredBy: jobId,
    idempotencyKey: null,
    rerunOf: null,
    rerunStep: null,
    parentRunId: runId,
  };
  const value = make(StartChildWorkflowExecutionCommandAttributes, {
    workflowId: jobId,
    workflowType: make(WorkflowType, { name: workflowId }),
    taskQueue: make(TaskQueue, { name: dagTaskQueue }),
    input: runInput({ runId: jobId, workflowId, input, context: {}, labels, callStack, kept: {} }),
    memo: runMemo(record),
    searchAttributes: runStatusAttributes("running"),
    workflowExecutionTimeout: duration(timeoutMs),
    // It compensates what it has done.
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
  });
  return { $case: "startChildWorkflowExecutionCommandAttributes", value };
}

function closeRun({ status, output, error }: RunEnd): Command {
  if (status === "succeeded") {
    const value = make(CompleteWorkflowExecutionCommandAttributes, { result: one(output) });
    return command(CommandType.COMPLETE_WORKFLOW_EXECUTION, { $case: "completeWorkflowExecutionCommandAttributes", value });
  }
  if (status === "cancelled") {
    const value = make(CancelWorkflowExecutionCommandAttributes);
    return command(CommandType.CANCEL_WORKFLOW_EXECUTION, { $case: "cancelWorkflowExecutionCommandAttributes", value });
  }
  const failure = make(Failure, {
    message: error?.message ?? status,
    source: "Server",
    failureInfo: {
      $case: "applicationFailureInfo",
      // What is denied stays so; a parent may try the others again.
      value: make(ApplicationFailureInfo, { type: runFailureTypes[status], nonRetryable: status === "denied" }),
    },
  });
  const value = make(FailWorkflowExecutionCommandAttributes, { failure });
  return command(CommandType.FAIL_WORKFLOW_EXECUTION, { $case: "failWorkflowExecutionCommandAttributes", value });
}
