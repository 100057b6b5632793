import type { EpochMs } from "../../base/time.ts";
import type { HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";

/** An activity as far as its history tells. */
export type ActivitySeen = {
  readonly at: EpochMs;
  readonly activityId: string;
  readonly type: string;
  readonly taskQueue: string;
  readonly status: "scheduled" | "started" | "completed" | "failed" | "timed_out" | "cancelled";
  readonly endedAt: EpochMs | null;
};

/** The activities of a history, in the order in which they were scheduled. */
export function activitiesIn(events: readonly HistoryEvent[]): readonly ActivitySeen[] {
  const seen = new Map<number, ActivitySeen>();
  for (const { eventId, eventTime, attributes } of events) {
    const at = eventTime?.getTime() ?? 0;
    const becomes = (scheduledEventId: number, status: ActivitySeen["status"], endedAt: EpochMs | null = at): void => {
      const activity = seen.get(scheduledEventId);
      if (activity !== undefined) seen.set(scheduledEventId, { ...activity, status, endedAt });
    };
    switch (attributes?.$case) {
      case "activityTaskScheduledEventAttributes": {
        const { activityId, activityType, taskQueue } = attributes.value;
        const type = activityType?.name ?? "";
        seen.set(eventId, { at, activityId, type, taskQueue: taskQueue?.name ?? "", status: "scheduled", endedAt: null });
        break;
      }
      case "activityTaskStartedEventAttributes":
        becomes(attributes.value.scheduledEventId, "started", null);
        break;
      case "activityTaskCompletedEventAttributes":
        becomes(attributes.value.scheduledEventId, "completed");
        break;
      case "activityTaskFailedEventAttributes":
        becomes(attributes.value.scheduledEventId, "failed");
        break;
      case "activityTaskTimedOutEventAttributes":
        becomes(attributes.value.scheduledEventId, "timed_out");
        break;
      case "activityTaskCanceledEventAttributes":
        becomes(attributes.value.scheduledEventId, "cancelled");
        break;
    }
  }
  return [...seen.values()];
}
