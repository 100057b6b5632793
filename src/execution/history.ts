import { present } from "../base/assert.ts";
import { make } from "../protocol/codec.ts";
import { EventType } from "../protocol/generated/temporal/api/enums/v1/event_type.ts";
import { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { evolve } from "./evolve.ts";
import type { Draft } from "./execution.ts";

/** The attributes one-of of a history event. */
export type EventAttributes = NonNullable<HistoryEvent["attributes"]>;
export type EventCase = EventAttributes["$case"];

/** What an event may carry besides its attributes. */
export type EventMetadata = Partial<Pick<HistoryEvent, "userMetadata" | "links" | "eventGroupMarkers" | "principal" | "workerMayIgnore">>;

const eventTypes: { readonly [C in EventCase]: EventType } = {
  workflowExecutionStartedEventAttributes: EventType.WORKFLOW_EXECUTION_STARTED,
  workflowExecutionCompletedEventAttributes: EventType.WORKFLOW_EXECUTION_COMPLETED,
  workflowExecutionFailedEventAttributes: EventType.WORKFLOW_EXECUTION_FAILED,
  workflowExecutionTimedOutEventAttributes: EventType.WORKFLOW_EXECUTION_TIMED_OUT,
  workflowTaskScheduledEventAttributes: EventType.WORKFLOW_TASK_SCHEDULED,
  workflowTaskStartedEventAttributes: EventType.WORKFLOW_TASK_STARTED,
  workflowTaskCompletedEventAttributes: EventType.WORKFLOW_TASK_COMPLETED,
  workflowTaskTimedOutEventAttributes: EventType.WORKFLOW_TASK_TIMED_OUT,
  workflowTaskFailedEventAttributes: EventType.WORKFLOW_TASK_FAILED,
  activityTaskScheduledEventAttributes: EventType.ACTIVITY_TASK_SCHEDULED,
  activityTaskStartedEventAttributes: EventType.ACTIVITY_TASK_STARTED,
  activityTaskCompletedEventAttributes: EventType.ACTIVITY_TASK_COMPLETED,
  activityTaskFailedEventAttributes: EventType.ACTIVITY_TASK_FAILED,
  activityTaskTimedOutEventAttributes: EventType.ACTIVITY_TASK_TIMED_OUT,
  timerStartedEventAttributes: EventType.TIMER_STARTED,
  timerFiredEventAttributes: EventType.TIMER_FIRED,
  activityTaskCancelRequestedEventAttributes: EventType.ACTIVITY_TASK_CANCEL_REQUESTED,
  activityTaskCanceledEventAttributes: EventType.ACTIVITY_TASK_CANCELED,
  timerCanceledEventAttributes: EventType.TIMER_CANCELED,
  markerRecordedEventAttributes: EventType.MARKER_RECORDED,
  workflowExecutionSignaledEventAttributes: EventType.WORKFLOW_EXECUTION_SIGNALED,
  workflowExecutionTerminatedEventAttributes: EventType.WORKFLOW_EXECUTION_TERMINATED,
  workflowExecutionCancelRequestedEventAttributes: EventType.WORKFLOW_EXECUTION_CANCEL_REQUESTED,
  workflowExecutionCanceledEventAttributes: EventType.WORKFLOW_EXECUTION_CANCELED,
  requestCancelExternalWorkflowExecutionInitiatedEventAttributes: EventType.REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
  requestCancelExternalWorkflowExecutionFailedEventAttributes: EventType.REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
  externalWorkflowExecutionCancelRequestedEventAttributes: EventType.EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
  workflowExecutionContinuedAsNewEventAttributes: EventType.WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
  startChildWorkflowExecutionInitiatedEventAttributes: EventType.START_CHILD_WORKFLOW_EXECUTION_INITIATED,
  startChildWorkflowExecutionFailedEventAttributes: EventType.START_CHILD_WORKFLOW_EXECUTION_FAILED,
  childWorkflowExecutionStartedEventAttributes: EventType.CHILD_WORKFLOW_EXECUTION_STARTED,
  childWorkflowExecutionCompletedEventAttributes: EventType.CHILD_WORKFLOW_EXECUTION_COMPLETED,
  childWorkflowExecutionFailedEventAttributes: EventType.CHILD_WORKFLOW_EXECUTION_FAILED,
  childWorkflowExecutionCanceledEventAttributes: EventType.CHILD_WORKFLOW_EXECUTION_CANCELED,
  childWorkflowExecutionTimedOutEventAttributes: EventType.CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
  childWorkflowExecutionTerminatedEventAttributes: EventType.CHILD_WORKFLOW_EXECUTION_TERMINATED,
  signalExternalWorkflowExecutionInitiatedEventAttributes: EventType.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
  signalExternalWorkflowExecutionFailedEventAttributes: EventType.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED,
  externalWorkflowExecutionSignaledEventAttributes: EventType.EXTERNAL_WORKFLOW_EXECUTION_SIGNALED,
  upsertWorkflowSearchAttributesEventAttributes: EventType.UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
  workflowExecutionUpdateAcceptedEventAttributes: EventType.WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
  workflowExecutionUpdateRejectedEventAttributes: EventType.WORKFLOW_EXECUTION_UPDATE_REJECTED,
  workflowExecutionUpdateCompletedEventAttributes: EventType.WORKFLOW_EXECUTION_UPDATE_COMPLETED,
  workflowPropertiesModifiedExternallyEventAttributes: EventType.WORKFLOW_PROPERTIES_MODIFIED_EXTERNALLY,
  activityPropertiesModifiedExternallyEventAttributes: EventType.ACTIVITY_PROPERTIES_MODIFIED_EXTERNALLY,
  workflowPropertiesModifiedEventAttributes: EventType.WORKFLOW_PROPERTIES_MODIFIED,
  workflowExecutionUpdateAdmittedEventAttributes: EventType.WORKFLOW_EXECUTION_UPDATE_ADMITTED,
  nexusOperationScheduledEventAttributes: EventType.NEXUS_OPERATION_SCHEDULED,
  nexusOperationStartedEventAttributes: EventType.NEXUS_OPERATION_STARTED,
  nexusOperationCompletedEventAttributes: EventType.NEXUS_OPERATION_COMPLETED,
  nexusOperationFailedEventAttributes: EventType.NEXUS_OPERATION_FAILED,
  nexusOperationCanceledEventAttributes: EventType.NEXUS_OPERATION_CANCELED,
  nexusOperationTimedOutEventAttributes: EventType.NEXUS_OPERATION_TIMED_OUT,
  nexusOperationCancelRequestedEventAttributes: EventType.NEXUS_OPERATION_CANCEL_REQUESTED,
  workflowExecutionOptionsUpdatedEventAttributes: EventType.WORKFLOW_EXECUTION_OPTIONS_UPDATED,
  nexusOperationCancelRequestCompletedEventAttributes: EventType.NEXUS_OPERATION_CANCEL_REQUEST_COMPLETED,
  nexusOperationCancelRequestFailedEventAttributes: EventType.NEXUS_OPERATION_CANCEL_REQUEST_FAILED,
  workflowExecutionPausedEventAttributes: EventType.WORKFLOW_EXECUTION_PAUSED,
  workflowExecutionUnpausedEventAttributes: EventType.WORKFLOW_EXECUTION_UNPAUSED,
  workflowExecutionTimeSkippingTransitionedEventAttributes: EventType.WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
};

/** An event without its id. */
export function newEvent(draft: Draft, attributes: EventAttributes, metadata: EventMetadata): HistoryEvent {
  return make(HistoryEvent, { eventTime: new Date(draft.context.now), eventType: eventTypes[attributes.$case], attributes, ...metadata });
}

/** Writes an event that the server itself or a command produces: it gets its id at once. */
export function appendEvent(draft: Draft, attributes: EventAttributes, metadata: EventMetadata = {}): HistoryEvent {
  return append(draft, newEvent(draft, attributes, metadata));
}

/** Gives an event its id and folds it into the state. */
export function append(draft: Draft, event: HistoryEvent): HistoryEvent {
  // INVARIANT: ids of a run's history have no gaps; this is the only place that gives them.
  event.eventId = draft.core.nextEventId++;
  const last = draft.batches.at(-1);
  const attributes = present(event.attributes, "event attributes");
  // A sticky worker's next history begins after the WorkflowTaskStarted it knows, so a batch begins there too.
  if (last === undefined || last.at(-1)?.eventType === EventType.WORKFLOW_TASK_STARTED) draft.batches.push([event]);
  else last.push(event);
  evolve(draft, event, attributes);
  return event;
}
