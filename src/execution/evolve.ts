import { fromProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import {
  AcceptedUpdate,
  PendingActivity,
  PendingChild,
  PendingExternal,
  PendingTimer,
  WorkflowTask,
} from "../protocol/generated/holdfast/state/v1/state.ts";
import { Memo, SearchAttributes } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowExecutionStatus } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type {
  HistoryEvent,
  RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
  SignalExternalWorkflowExecutionInitiatedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { type Context, closeDraft, type Draft, emptyState, type MutableState, openDraft, type RunKey } from "./execution.ts";
import type { EventAttributes, EventCase } from "./history.ts";
import { mergeMemo, mergeSearchAttributes } from "./search-attributes.ts";

type Evolve<C extends EventCase> = (draft: Draft, value: Extract<EventAttributes, { $case: C }>["value"], event: HistoryEvent) => void;

const nothing = (): void => {};

/** What each event does to the mutable state. Total: an event type without a line here does not compile. */
const evolvers: { readonly [C in EventCase]: Evolve<C> } = {
  workflowExecutionStartedEventAttributes: (draft, value, event) => {
    const startTime = timeOf(event);
    const executionTime = startTime + fromProtoTime(value.firstWorkflowTaskBackoff);
    const runTimeout = fromProtoTime(value.workflowRunTimeout);
    draft.started = value;
    draft.startedChanged = true;
    draft.userMetadata = event.userMetadata;
    draft.starter = event.principal;
    draft.core = {
      ...draft.core,
      status: WorkflowExecutionStatus.RUNNING,
      startTime,
      executionTime,
      firstWorkflowTaskDue: executionTime > startTime ? executionTime : 0,
      executionExpirationTime: value.workflowExecutionExpirationTime?.getTime() ?? 0,
      // The run's own time-out begins with its first workflow task.
      runExpirationTime: runTimeout > 0 ? executionTime + runTimeout : 0,
      memo: value.memo,
      searchAttributes: value.searchAttributes,
      workflowTaskAttempt: 1,
    };
    draft.visibilityChanged = true;
  },
  workflowExecutionCompletedEventAttributes: (draft, value, event) =>
    close(draft, event, WorkflowExecutionStatus.COMPLETED, value.newExecutionRunId),
  workflowExecutionFailedEventAttributes: (draft, value, event) =>
    close(draft, event, WorkflowExecutionStatus.FAILED, value.newExecutionRunId),
  workflowExecutionTimedOutEventAttributes: (draft, value, event) =>
    close(draft, event, WorkflowExecutionStatus.TIMED_OUT, value.newExecutionRunId),
  workflowExecutionCanceledEventAttributes: (draft, _value, event) => close(draft, event, WorkflowExecutionStatus.CANCELED, ""),
  workflowExecutionTerminatedEventAttributes: (draft, _value, event) => close(draft, event, WorkflowExecutionStatus.TERMINATED, ""),
  workflowExecutionContinuedAsNewEventAttributes: (draft, value, event) =>
    close(draft, event, WorkflowExecutionStatus.CONTINUED_AS_NEW, value.newExecutionRunId),

  workflowTaskScheduledEventAttributes: (draft, value, event) => {
    const { core } = draft;
    core.firstWorkflowTaskDue = 0;
    core.workflowTask = {
      ...(core.workflowTask ?? make(WorkflowTask)),
      scheduledEventId: event.eventId,
      startedEventId: 0,
      attempt: value.attempt,
      taskQueue: value.taskQueue,
      timeout: fromProtoTime(value.startToCloseTimeout),
      scheduledTime: core.workflowTask?.scheduledTime || timeOf(event),
      speculative: false,
    };
  },
  workflowTaskStartedEventAttributes: (draft, value, event) => {
    const task = draft.core.workflowTask;
    if (task === undefined) return;
    draft.core.workflowTask = {
      ...task,
      startedEventId: event.eventId,
      startedTime: task.startedTime || timeOf(event),
      identity: value.identity,
      requestId: value.requestId,
      buildId: value.workerVersion?.buildId ?? "",
      continueAsNewReasons: value.suggestContinueAsNewReasons,
      historySizeBytes: value.historySizeBytes,
    };
  },
  workflowTaskCompletedEventAttributes: (draft, value, event) => {
    const { core } = draft;
    core.workflowTask = undefined;
    core.workflowTaskAttempt = 1;
    core.lastCompletedStartedEventId = value.startedEventId;
    core.lastCompletedEventId = event.eventId;
    core.mostRecentWorkerVersionStamp = value.workerVersion;
  },
  workflowTaskTimedOutEventAttributes: (draft) => {
    draft.core.workflowTask = undefined;
  },
  workflowTaskFailedEventAttributes: (draft) => {
    draft.core.workflowTask = undefined;
  },

  activityTaskScheduledEventAttributes: (draft, value, event) => {
    draft.activities.set(
      event.eventId,
      make(PendingActivity, {
        scheduledEventId: event.eventId,
        activityId: value.activityId,
        activityType: value.activityType?.name ?? "",
        taskQueue: value.taskQueue?.name ?? "",
        scheduledTime: timeOf(event),
        scheduleToCloseTimeout: fromProtoTime(value.scheduleToCloseTimeout),
        scheduleToStartTimeout: fromProtoTime(value.scheduleToStartTimeout),
        startToCloseTimeout: fromProtoTime(value.startToCloseTimeout),
        heartbeatTimeout: fromProtoTime(value.heartbeatTimeout),
        retryPolicy: value.retryPolicy,
        priority: value.priority,
        attempt: 1,
        decidedAttempt: 1,
        attemptScheduledTime: timeOf(event),
        dispatched: true,
        workflowTaskCompletedEventId: value.workflowTaskCompletedEventId,
      }),
    );
  },
  // Written together with the event that ends the activity, which is what matters.
  activityTaskStartedEventAttributes: nothing,
  activityTaskCompletedEventAttributes: (draft, value) => draft.activities.delete(value.scheduledEventId),
  activityTaskFailedEventAttributes: (draft, value) => draft.activities.delete(value.scheduledEventId),
  activityTaskTimedOutEventAttributes: (draft, value) => draft.activities.delete(value.scheduledEventId),
  activityTaskCanceledEventAttributes: (draft, value) => draft.activities.delete(value.scheduledEventId),
  activityTaskCancelRequestedEventAttributes: (draft, value, event) => {
    const activity = draft.activities.get(value.scheduledEventId);
    if (activity === undefined) return;
    draft.activities.set(value.scheduledEventId, { ...activity, cancelRequested: true, cancelRequestedEventId: event.eventId });
  },

  timerStartedEventAttributes: (draft, value, event) => {
    const fireTime = timeOf(event) + fromProtoTime(value.startToFireTimeout);
    draft.timers.set(value.timerId, make(PendingTimer, { timerId: value.timerId, startedEventId: event.eventId, fireTime }));
  },
  timerFiredEventAttributes: (draft, value) => draft.timers.delete(value.timerId),
  timerCanceledEventAttributes: (draft, value) => draft.timers.delete(value.timerId),

  workflowExecutionSignaledEventAttributes: (draft, value) => {
    draft.core.signalCount++;
    if (value.requestId !== "") draft.requestIds.set(value.requestId, true);
  },
  workflowExecutionCancelRequestedEventAttributes: (draft) => {
    draft.core.cancelRequested = true;
  },

  startChildWorkflowExecutionInitiatedEventAttributes: (draft, value, event) => {
    draft.children.set(
      event.eventId,
      make(PendingChild, {
        initiatedEventId: event.eventId,
        namespace: value.namespace,
        namespaceId: value.namespaceId,
        workflowId: value.workflowId,
        workflowType: value.workflowType?.name ?? "",
        parentClosePolicy: value.parentClosePolicy,
      }),
    );
  },
  startChildWorkflowExecutionFailedEventAttributes: (draft, value) => draft.children.delete(value.initiatedEventId),
  childWorkflowExecutionStartedEventAttributes: (draft, value, event) => {
    const child = draft.children.get(value.initiatedEventId);
    if (child === undefined) return;
    draft.children.set(value.initiatedEventId, {
      ...child,
      startedEventId: event.eventId,
      runId: value.workflowExecution?.runId ?? "",
      starting: false,
    });
  },
  childWorkflowExecutionCompletedEventAttributes: (draft, value) => draft.children.delete(value.initiatedEventId),
  childWorkflowExecutionFailedEventAttributes: (draft, value) => draft.children.delete(value.initiatedEventId),
  childWorkflowExecutionCanceledEventAttributes: (draft, value) => draft.children.delete(value.initiatedEventId),
  childWorkflowExecutionTimedOutEventAttributes: (draft, value) => draft.children.delete(value.initiatedEventId),
  childWorkflowExecutionTerminatedEventAttributes: (draft, value) => draft.children.delete(value.initiatedEventId),

  signalExternalWorkflowExecutionInitiatedEventAttributes: (draft, value, event) =>
    draft.externalSignals.set(event.eventId, pendingExternal(event.eventId, value)),
  signalExternalWorkflowExecutionFailedEventAttributes: (draft, value) => draft.externalSignals.delete(value.initiatedEventId),
  externalWorkflowExecutionSignaledEventAttributes: (draft, value) => draft.externalSignals.delete(value.initiatedEventId),
  requestCancelExternalWorkflowExecutionInitiatedEventAttributes: (draft, value, event) =>
    draft.externalCancels.set(event.eventId, pendingExternal(event.eventId, value)),
  requestCancelExternalWorkflowExecutionFailedEventAttributes: (draft, value) => draft.externalCancels.delete(value.initiatedEventId),
  externalWorkflowExecutionCancelRequestedEventAttributes: (draft, value) => draft.externalCancels.delete(value.initiatedEventId),

  upsertWorkflowSearchAttributesEventAttributes: (draft, value) => {
    draft.core.searchAttributes = mergeSearchAttributes(draft.core.searchAttributes, value.searchAttributes ?? make(SearchAttributes));
    draft.visibilityChanged = true;
  },
  workflowPropertiesModifiedEventAttributes: (draft, value) => {
    draft.core.memo = mergeMemo(draft.core.memo, value.upsertedMemo ?? make(Memo));
    draft.visibilityChanged = true;
  },
  markerRecordedEventAttributes: nothing,

  workflowExecutionUpdateAcceptedEventAttributes: (draft, value, event) => {
    draft.core.updateCount++;
    const updateId = value.protocolInstanceId;
    const updateName = value.acceptedRequest?.input?.name ?? "";
    draft.updates.set(updateId, make(AcceptedUpdate, { updateId, updateName, acceptedEventId: event.eventId }));
  },
  workflowExecutionUpdateCompletedEventAttributes: (draft, value, event) => {
    const update = draft.updates.get(value.meta?.updateId ?? "");
    if (update === undefined) return;
    draft.updates.set(update.updateId, { ...update, completedEventId: event.eventId, outcome: value.outcome });
  },

  workflowExecutionOptionsUpdatedEventAttributes: (draft, value) => {
    if (value.attachedRequestId !== "") draft.requestIds.set(value.attachedRequestId, true);
  },

  // Facts of features that this server does not write.
  workflowExecutionUpdateRejectedEventAttributes: nothing,
  workflowExecutionUpdateAdmittedEventAttributes: nothing,
  workflowPropertiesModifiedExternallyEventAttributes: nothing,
  activityPropertiesModifiedExternallyEventAttributes: nothing,
  nexusOperationScheduledEventAttributes: nothing,
  nexusOperationStartedEventAttributes: nothing,
  nexusOperationCompletedEventAttributes: nothing,
  nexusOperationFailedEventAttributes: nothing,
  nexusOperationCanceledEventAttributes: nothing,
  nexusOperationTimedOutEventAttributes: nothing,
  nexusOperationCancelRequestedEventAttributes: nothing,
  nexusOperationCancelRequestCompletedEventAttributes: nothing,
  nexusOperationCancelRequestFailedEventAttributes: nothing,
  workflowExecutionPausedEventAttributes: nothing,
  workflowExecutionUnpausedEventAttributes: nothing,
  workflowExecutionTimeSkippingTransitionedEventAttributes: nothing,
};

/** Folds one event into the draft: the only place where history changes mutable state. */
export function evolve(draft: Draft, event: HistoryEvent, attributes: EventAttributes): void {
  // The table is keyed by the very case it is called with, which the type checker cannot correlate.
  (evolvers[attributes.$case] as Evolve<EventCase>)(draft, attributes.value, event);
}

/** The mutable state that a history amounts to. */
export function fold(key: RunKey, events: readonly HistoryEvent[], context: Context): MutableState {
  const draft = openDraft(emptyState(key), context);
  for (const event of events) {
    draft.core.nextEventId = event.eventId + 1;
    if (event.attributes !== undefined) evolve(draft, event, event.attributes);
  }
  return closeDraft(draft);
}

const timeOf = (event: HistoryEvent): number => event.eventTime?.getTime() ?? 0;

function pendingExternal(
  initiatedEventId: number,
  value: SignalExternalWorkflowExecutionInitiatedEventAttributes | RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
): PendingExternal {
  const { namespace, namespaceId, control, workflowTaskCompletedEventId } = value;
  const { workflowId = "", runId = "" } = value.workflowExecution ?? {};
  return make(PendingExternal, { initiatedEventId, namespace, namespaceId, workflowId, runId, control, workflowTaskCompletedEventId });
}

function close(draft: Draft, event: HistoryEvent, status: WorkflowExecutionStatus, newExecutionRunId: string): void {
  draft.core.status = status;
  draft.core.closeTime = timeOf(event);
  draft.core.closeEventId = event.eventId;
  draft.core.newExecutionRunId = newExecutionRunId;
  draft.core.workflowTask = undefined;
  draft.core.sticky = undefined;
  draft.core.startGate = undefined;
  draft.core.keptGrants = [];
  // Nothing is pending on a closed run. Updates stay: their outcomes can still be asked for.
  for (const activity of draft.activities.values()) draft.activities.delete(activity.scheduledEventId);
  for (const timer of draft.timers.values()) draft.timers.delete(timer.timerId);
  for (const child of draft.children.values()) draft.children.delete(child.initiatedEventId);
  for (const external of draft.externalSignals.values()) draft.externalSignals.delete(external.initiatedEventId);
  for (const external of draft.externalCancels.values()) draft.externalCancels.delete(external.initiatedEventId);
  for (const requestId of [...draft.requestIds.toMap().keys()]) draft.requestIds.delete(requestId);
  draft.visibilityChanged = true;
}
