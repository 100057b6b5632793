import { type EpochMs, toProtoTime } from "../../base/time.ts";
import type { Effect, RunEnd, WantedActivity, WantedChild } from "../../dag/decider/effect.ts";
import type { RunConfig } from "../../dag/decider/event.ts";
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
import { approvalActivity } from "../built-in/approval-gate.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import { usageKey } from "../limits/attempt-end.ts";
import type { Definition } from "./definitions.ts";
import type { RouteTopic } from "./routes.ts";
import { firstAttributes, type RunRecord, runInput, runMemo, runStatusAttributes } from "./run-record.ts";
import { headerOf, idempotencyKeyOf, placeOf } from "./step-activity.ts";

type Attributes = NonNullable<Command["attributes"]>;

/** What turning effects into commands needs to know besides them. */
export type CommandScope = {
  readonly now: EpochMs;
  readonly runId: string;
  readonly routeTopic: RouteTopic;
  readonly scheduledEventIdOf: (activityId: string) => number | undefined;
  /** Of a subworkflow that starts now; null if there is none: the child says so when it is to begin. */
  readonly definitionOf: (workflowId: string) => Definition | null;
  /** What a subworkflow that starts now keeps of the configuration; null when it does not look into it. */
  readonly configOf: (workflowId: string) => RunConfig | null;
  /** In US dollars, what the run has cost so far. */
  readonly cost: number;
  readonly traceId: string;
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
      return closeRun(effect, scope.cost);
  }
}

/** Shows in lists what the run does. */
export function showStatus(shown: Parameters<typeof runStatusAttributes>[0]): Command {
  const value = make(UpsertWorkflowSearchAttributesCommandAttributes, { searchAttributes: runStatusAttributes(shown) });
  const attributes = { $case: "upsertWorkflowSearchAttributesCommandAttributes", value } as const;
  return command(CommandType.UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, attributes);
}

/** Closes a run that cannot be decided. */
export const failRun = (message: string): Command =>
  closeRun({ status: "failed", output: null, error: { message, type: null }, stepId: null }, 0);

const command = (commandType: Command["commandType"], attributes: Attributes): Command => make(Command, { commandType, attributes });
const one = (value: Json): Payloads => make(Payloads, { payloads: [toPayload(value)] });
const withUsage = (value: Json, usd: number): Payloads => {
  const payload = toPayload(value);
  if (usd > 0) payload.metadata[usageKey] = Buffer.from(JSON.stringify({ usd }));
  return make(Payloads, { payloads: [payload] });
};
const duration = (ms: number | null) => (ms === null ? undefined : toProtoTime(ms));
/** Of the protocol's 1 to 5, where 3 is what says nothing. */
const priorityKeys: { readonly [word: string]: number } = { critical: 1, interactive: 3, batch: 4 };

function scheduleActivity(wanted: WantedActivity, { routeTopic, traceId }: CommandScope): Attributes {
  const { taskQueue, activityType } = placeOf(wanted, routeTopic);
  const { startToCloseMs, heartbeatMs, scheduleToStartMs, scheduleToCloseMs } = wanted.timeouts;
  const value = make(ScheduleActivityTaskCommandAttributes, {
    activityId: wanted.activityId,
    activityType: make(ActivityType, { name: activityType }),
    taskQueue: make(TaskQueue, { name: taskQueue }),
    header: headerOf(wanted, idempotencyKeyOf(wanted), traceId),
    input: one(wanted.input),
    startToCloseTimeout: duration(startToCloseMs),
    heartbeatTimeout: duration(heartbeatMs),
    scheduleToStartTimeout: duration(scheduleToStartMs),
    scheduleToCloseTimeout: duration(scheduleToCloseMs),
    // The run decides on the next attempt, which is an activity of its own. But what people have granted stands: the server that died before it
    // could say so says it when it is back.
    retryPolicy: make(RetryPolicy, { maximumAttempts: activityType === approvalActivity ? 0 : 1 }),
    priority: make(Priority, { priorityKey: priorityKeys[wanted.priority] ?? 0 }),
  });
  return { $case: "scheduleActivityTaskCommandAttributes", value };
}

function startChild(wanted: WantedChild, { now, runId, traceId, definitionOf, configOf }: CommandScope): Attributes {
  const { jobId, workflowId, input, labels, callStack, timeoutMs } = wanted;
  const definition = definitionOf(workflowId);
  const config = configOf(workflowId);
  const record: RunRecord = {
    definition: definition?.key.sha256 ?? "",
    labels,
    triggeredBy: jobId,
    idempotencyKey: null,
    rerunOf: null,
    rerunStep: null,
    parentRunId: runId,
    orgId: definition?.spec.orgId ?? "",
    teamId: definition?.spec.teamId ?? "",
    traceId,
  };
  const value = make(StartChildWorkflowExecutionCommandAttributes, {
    workflowId: jobId,
    workflowType: make(WorkflowType, { name: workflowId }),
    taskQueue: make(TaskQueue, { name: dagTaskQueue }),
    input: runInput({ runId: jobId, workflowId, input, context: {}, labels, callStack, kept: {}, ...(config === null ? {} : { config }) }),
    memo: runMemo(record),
    searchAttributes: firstAttributes(record, { queues: definition !== null && definition.spec.maxConcurrentRuns !== null, now }),
    workflowExecutionTimeout: duration(timeoutMs),
    // It compensates what it has done.
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
  });
  return { $case: "startChildWorkflowExecutionCommandAttributes", value };
}

/** What the run has cost goes to whoever started it, as a worker reports it. */
function closeRun({ status, output, error }: RunEnd, cost: number): Command {
  if (status === "succeeded") {
    const value = make(CompleteWorkflowExecutionCommandAttributes, { result: withUsage(output, cost) });
    return command(CommandType.COMPLETE_WORKFLOW_EXECUTION, { $case: "completeWorkflowExecutionCommandAttributes", value });
  }
  if (status === "cancelled") {
    const value = make(CancelWorkflowExecutionCommandAttributes, cost === 0 ? {} : { details: withUsage(null, cost) });
    return command(CommandType.CANCEL_WORKFLOW_EXECUTION, { $case: "cancelWorkflowExecutionCommandAttributes", value });
  }
  const failure = make(Failure, {
    message: error?.message ?? status,
    source: "Server",
    failureInfo: {
      $case: "applicationFailureInfo",
      // What is denied stays so; a parent may try the others again.
      value: make(ApplicationFailureInfo, {
        type: runFailureTypes[status],
        nonRetryable: status === "denied",
        ...(cost === 0 ? {} : { details: withUsage(null, cost) }),
      }),
    },
  });
  const value = make(FailWorkflowExecutionCommandAttributes, { failure });
  return command(CommandType.FAIL_WORKFLOW_EXECUTION, { $case: "failWorkflowExecutionCommandAttributes", value });
}
