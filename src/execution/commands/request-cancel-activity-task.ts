import { err, ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { ActivityTaskCancelRequestedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { cancelUnstartedActivity } from "../activity.ts";
import { appendEvent } from "../history.ts";
import type { HandleCommand } from "./command.ts";

export const requestCancelActivityTask: HandleCommand<"requestCancelActivityTaskCommandAttributes"> = (
  draft,
  { scheduledEventId },
  scope,
) => {
  const activity = draft.activities.get(scheduledEventId);
  if (activity === undefined || activity.cancelRequested) {
    const message =
      activity === undefined
        ? `no activity with scheduled event id ${scheduledEventId} is pending`
        : `activity \`${activity.activityId}\` is already asked to cancel`;
    return err({ cause: WorkflowTaskFailedCause.BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES, message });
  }
  const { workflowTaskCompletedEventId } = scope;
  const requested = appendEvent(
    draft,
    {
      $case: "activityTaskCancelRequestedEventAttributes",
      value: make(ActivityTaskCancelRequestedEventAttributes, { scheduledEventId, workflowTaskCompletedEventId }),
    },
    scope.metadata,
  );
  if (cancelUnstartedActivity(draft, activity, requested.eventId)) scope.wakeWorkflow();
  return ok(undefined);
};
