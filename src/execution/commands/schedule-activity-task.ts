import { err, ok } from "../../base/result.ts";
import { fromProtoTime, toProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TaskQueueKind } from "../../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { ActivityTaskScheduledEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { activityTimeouts, payloadsBytes } from "../activity.ts";
import { admitAll, markedHeader } from "../admission.ts";
import { applyAdmission } from "../admitted-activity.ts";
import { appendEvent } from "../history.ts";
import { retryPolicyProblem, withAttemptsCap, withRetryDefaults } from "../retry.ts";
import { idProblem, taskQueueProblem } from "../validation.ts";
import type { HandleCommand } from "./command.ts";

export const scheduleActivityTask: HandleCommand<"scheduleActivityTaskCommandAttributes"> = (draft, attributes, scope) => {
  const { limits } = draft.context;
  const { activityId } = attributes;
  const activityType = attributes.activityType?.name ?? "";
  const taskQueue = attributes.taskQueue?.name || (draft.started.taskQueue?.name ?? "");
  const bad = (message: string, terminate = false) =>
    err({
      cause: WorkflowTaskFailedCause.BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
      message: `${message}. ActivityId=${activityId} ActivityType=${activityType}`,
      terminate,
    });
  const problem =
    idProblem("ActivityId", activityId, limits) ??
    idProblem("ActivityType", activityType, limits) ??
    taskQueueProblem(taskQueue, limits) ??
    retryPolicyProblem(attributes.retryPolicy);
  if (problem !== null) return bad(problem);
  const timeouts = activityTimeouts(attributes, fromProtoTime(draft.started.workflowRunTimeout));
  if (!timeouts.ok) return bad(timeouts.error);
  if (payloadsBytes(attributes.input) > limits.blobSizeError)
    return bad("ScheduleActivityTaskCommandAttributes.Input exceeds size limit", true);
  if (draft.activities.size >= limits.pendingActivities) {
    const message = `the number of pending activities, ${draft.activities.size}, has reached the per-workflow limit of ${limits.pendingActivities}`;
    return err({ cause: WorkflowTaskFailedCause.PENDING_ACTIVITIES_LIMIT_EXCEEDED, message });
  }
  for (const activity of draft.activities.values()) {
    if (activity.activityId === activityId && !activity.closing) {
      return err({
        cause: WorkflowTaskFailedCause.SCHEDULE_ACTIVITY_DUPLICATE_ID,
        message: `activity id \`${activityId}\` is already in use`,
      });
    }
  }
  const { scheduleToClose, scheduleToStart, startToClose, heartbeat } = timeouts.value;
  const { header, input } = attributes;
  const wanted = {
    kind: "activity",
    name: activityType,
    id: activityId,
    taskQueue,
    header,
    input,
    attempt: 1,
    scheduledEventId: 0,
    grant: null,
  } as const;
  const admission = (draft.context.admit ?? admitAll)(wanted, draft);
  const caps = "caps" in admission ? admission.caps : null;
  const event = appendEvent(
    draft,
    {
      $case: "activityTaskScheduledEventAttributes",
      value: make(ActivityTaskScheduledEventAttributes, {
        activityId,
        activityType: attributes.activityType,
        taskQueue: make(TaskQueue, { name: taskQueue, kind: TaskQueueKind.NORMAL }),
        header: markedHeader(header, admission.marks),
        input,
        scheduleToCloseTimeout: toProtoTime(scheduleToClose),
        scheduleToStartTimeout: toProtoTime(scheduleToStart),
        startToCloseTimeout: toProtoTime(caps?.startToClose ? Math.min(startToClose, caps.startToClose) : startToClose),
        heartbeatTimeout: toProtoTime(heartbeat),
        workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
        retryPolicy: withAttemptsCap(withRetryDefaults(attributes.retryPolicy), caps?.attempts ?? null),
        useWorkflowBuildId: attributes.useWorkflowBuildId,
        priority: attributes.priority ?? draft.started.priority,
      }),
    },
    { ...scope.metadata, userMetadata: scope.metadata.userMetadata ?? admission.marks?.userMetadata },
  );
  applyAdmission(draft, event.eventId, admission, { eager: attributes.requestEagerExecution });
  return ok(undefined);
};
