import { type DurationMs, toProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import {
  CancelWorkflowExecutionCommandAttributes,
  Command,
  CompleteWorkflowExecutionCommandAttributes,
  FailWorkflowExecutionCommandAttributes,
  ScheduleActivityTaskCommandAttributes,
  UpsertWorkflowSearchAttributesCommandAttributes,
} from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { ActivityType, type Payloads, RetryPolicy } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { CommandType } from "../../protocol/generated/temporal/api/enums/v1/command_type.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { headerOf } from "../dag/step-activity.ts";
import type { JobHistory } from "./job-history.ts";
import { type JobRecord, stateAttributes, taskPriority } from "./job-record.ts";

/** The activity of a job: there is but one. */
export const jobActivityId = "job";

/** What a job wants done next: first its activity, then to end as that has ended. A cancellation ends it at once, whatever its worker does. */
export function decideJob(jobId: string, { record, input, scheduledEventId, cancelRequested, end }: JobHistory): readonly Command[] {
  if (record === null) return [failWith(notAJob)];
  if (end?.how === "succeeded") {
    const value = make(CompleteWorkflowExecutionCommandAttributes, { result: end.result });
    return [command(CommandType.COMPLETE_WORKFLOW_EXECUTION, { $case: "completeWorkflowExecutionCommandAttributes", value })];
  }
  // What has ended before it was cancelled has ended so.
  if (end?.how === "dead") {
    const value = make(UpsertWorkflowSearchAttributesCommandAttributes, { searchAttributes: stateAttributes(end.state) });
    const attributes = { $case: "upsertWorkflowSearchAttributesCommandAttributes", value } as const;
    return [command(CommandType.UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, attributes), failWith(end.failure)];
  }
  if (cancelRequested || end?.how === "cancelled") {
    const value = make(CancelWorkflowExecutionCommandAttributes);
    return [command(CommandType.CANCEL_WORKFLOW_EXECUTION, { $case: "cancelWorkflowExecutionCommandAttributes", value })];
  }
  return scheduledEventId > 0 ? [] : [command(CommandType.SCHEDULE_ACTIVITY_TASK, activityOf(jobId, record, input))];
}

type Attributes = NonNullable<Command["attributes"]>;
const command = (commandType: Command["commandType"], attributes: Attributes): Command => make(Command, { commandType, attributes });

const duration = (ms: DurationMs | null) => (ms === null ? undefined : toProtoTime(ms));

function activityOf(jobId: string, record: JobRecord, input: Payloads | undefined): Attributes {
  const { topic, taskQueue, priority, deadlineMs, timeoutMs, heartbeatTimeoutMs, maxAttempts, backoffMs, idempotencyKey } = record;
  const value = make(ScheduleActivityTaskCommandAttributes, {
    activityId: jobActivityId,
    activityType: make(ActivityType, { name: topic }),
    taskQueue: make(TaskQueue, { name: taskQueue }),
    header: headerOf({ ...record, target: { to: "topic", topic } }, idempotencyKey ?? jobId, record.traceId),
    input,
    scheduleToCloseTimeout: duration(deadlineMs),
    startToCloseTimeout: duration(timeoutMs),
    heartbeatTimeout: duration(heartbeatTimeoutMs),
    retryPolicy: make(RetryPolicy, { maximumAttempts: maxAttempts, initialInterval: toProtoTime(backoffMs), backoffCoefficient: 2 }),
    priority: taskPriority(priority),
  });
  return { $case: "scheduleActivityTaskCommandAttributes", value };
}

function failWith(failure: Failure): Command {
  const value = make(FailWorkflowExecutionCommandAttributes, { failure });
  return command(CommandType.FAIL_WORKFLOW_EXECUTION, { $case: "failWorkflowExecutionCommandAttributes", value });
}

const notAJob = make(Failure, {
  message: "this task queue is for jobs: submit them over the REST API",
  source: "Server",
  failureInfo: { $case: "applicationFailureInfo", value: make(ApplicationFailureInfo, { type: "NotAJob", nonRetryable: true }) },
});
