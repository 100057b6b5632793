import { assert, present } from "../base/assert.ts";
import { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { type Draft, hasStartedWorkflowTask } from "./execution.ts";
import { append, type EventAttributes, type EventCase, type EventMetadata, newEvent } from "./history.ts";
import { writeSpeculative } from "./workflow-task-events.ts";

/** Events that end something pending. When the buffer is flushed they move behind all others, keeping their own order. */
const completions: ReadonlySet<EventCase> = new Set<EventCase>([
  "activityTaskCompletedEventAttributes",
  "activityTaskFailedEventAttributes",
  "activityTaskTimedOutEventAttributes",
  "activityTaskCanceledEventAttributes",
  "childWorkflowExecutionCompletedEventAttributes",
  "childWorkflowExecutionFailedEventAttributes",
  "childWorkflowExecutionCanceledEventAttributes",
  "childWorkflowExecutionTimedOutEventAttributes",
  "childWorkflowExecutionTerminatedEventAttributes",
]);

/**
 * Writes a fact that reached the run from outside. While a worker holds the workflow task it is buffered: ids that the worker has not
 * seen must not come between its task and its commands. Returns the event's id, 0 while it is buffered.
 */
export function appendExternalEvent(draft: Draft, attributes: EventAttributes, metadata: EventMetadata = {}): number {
  writeSpeculative(draft);
  const event = newEvent(draft, attributes, metadata);
  if (!hasStartedWorkflowTask(draft)) return append(draft, event).eventId;
  // A place in line until it gets its id; the field means nothing to clients.
  event.taskId = ++draft.core.nextBufferSequence;
  draft.buffered = [...draft.buffered, event];
  draft.core.bufferedBytes += HistoryEvent.encode(event).finish().length;
  return 0;
}

/** Gives the buffered events their ids, completions last, once the workflow task has closed. Returns whether there were any. */
export function flushBuffer(draft: Draft): boolean {
  assert(!hasStartedWorkflowTask(draft), "the buffer is flushed only after the workflow task closed");
  if (draft.buffered.length === 0) return false;
  const arrived = draft.buffered;
  draft.buffered = [];
  draft.core.bufferedBytes = 0;
  const isCompletion = (event: HistoryEvent) => completions.has(present(event.attributes, "event attributes").$case);
  // Ids that a completion refers to are known only now, when the started event before it got its own.
  const startedIds = new Map<number, number>();
  for (const event of [...arrived.filter((event) => !isCompletion(event)), ...arrived.filter(isCompletion)]) {
    const copy = { ...event, taskId: 0 };
    copy.attributes = withStartedId(present(event.attributes, "event attributes"), startedIds);
    append(draft, copy);
    if (copy.attributes.$case === "activityTaskStartedEventAttributes")
      startedIds.set(copy.attributes.value.scheduledEventId, copy.eventId);
    if (copy.attributes.$case === "childWorkflowExecutionStartedEventAttributes")
      startedIds.set(copy.attributes.value.initiatedEventId, copy.eventId);
  }
  return true;
}

/** Removes the buffered events that `matches`; returns whether there were any. */
export function removeBuffered(draft: Draft, matches: (attributes: EventAttributes) => boolean): boolean {
  const kept = draft.buffered.filter((event) => !matches(present(event.attributes, "event attributes")));
  if (kept.length === draft.buffered.length) return false;
  draft.buffered = kept;
  draft.core.bufferedBytes = kept.reduce((sum, event) => sum + HistoryEvent.encode(event).finish().length, 0);
  return true;
}

/** Activity and child events that end something name the event that started it. */
function withStartedId(attributes: EventAttributes, startedIds: ReadonlyMap<number, number>): EventAttributes {
  const { value } = attributes;
  if (!("startedEventId" in value)) return attributes;
  const opened = "scheduledEventId" in value ? value.scheduledEventId : "initiatedEventId" in value ? value.initiatedEventId : 0;
  const startedEventId = startedIds.get(opened);
  return startedEventId === undefined ? attributes : ({ ...attributes, value: { ...value, startedEventId } } as EventAttributes);
}
