import type { WorkflowHandle } from "@temporalio/client";

export type History = Awaited<ReturnType<WorkflowHandle["fetchHistory"]>>;
type HistoryEvent = NonNullable<History["events"]>[number];

/** For every activity that has its result in history: the attempt that gave it. */
export function recordedAttempts({ events }: History): ReadonlyMap<string, number> {
  const activityIds = new Map<number, string>();
  const attempts = new Map<number, number>();
  const recorded = new Map<string, number>();
  for (const event of events ?? []) {
    const id = Number(event.eventId);
    if (event.activityTaskScheduledEventAttributes) activityIds.set(id, event.activityTaskScheduledEventAttributes.activityId ?? "");
    if (event.activityTaskStartedEventAttributes) attempts.set(id, event.activityTaskStartedEventAttributes.attempt ?? 0);
    const closed = event.activityTaskCompletedEventAttributes ?? event.activityTaskFailedEventAttributes;
    if (closed) recorded.set(activityIds.get(Number(closed.scheduledEventId)) ?? "", attempts.get(Number(closed.startedEventId)) ?? 0);
  }
  return recorded;
}

/** The events from the scheduling of an activity to the scheduling of the next, one line each. */
export function excerpt({ events = [] }: History, activityType: string): string[][] {
  const scheduled = (event: HistoryEvent) => event.activityTaskScheduledEventAttributes?.activityType?.name;
  const from = (events ?? []).findIndex((event) => scheduled(event) === activityType);
  if (from < 0) return [];
  const rest = (events ?? []).slice(from);
  const next = rest.findIndex((event, index) => index > 0 && scheduled(event) !== undefined);
  return rest.slice(0, next < 0 ? undefined : next + 1).map((event) => [String(event.eventId), clock(event), nameOf(event), detail(event)]);
}

/** `activityTaskScheduledEventAttributes` is what an `ActivityTaskScheduled` carries. */
function nameOf(event: HistoryEvent): string {
  const field = Object.entries(event).find(([key, value]) => key.endsWith("EventAttributes") && value)?.[0] ?? "unknownEventAttributes";
  return field.charAt(0).toUpperCase() + field.slice(1, -"EventAttributes".length);
}

function clock({ eventTime }: HistoryEvent): string {
  return new Date(Number(eventTime?.seconds ?? 0) * 1000 + (eventTime?.nanos ?? 0) / 1e6).toISOString().slice(11, 23);
}

function detail(event: HistoryEvent): string {
  const started = event.activityTaskStartedEventAttributes;
  if (started) return `attempt ${started.attempt}${started.lastFailure ? `; the one before: ${started.lastFailure.message}` : ""}`;
  return (
    event.activityTaskScheduledEventAttributes?.activityType?.name ??
    event.workflowExecutionSignaledEventAttributes?.signalName ??
    event.activityTaskFailedEventAttributes?.failure?.message ??
    ""
  );
}
