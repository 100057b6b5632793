import { toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import type { WorkflowTask } from "../protocol/generated/holdfast/state/v1/state.ts";
import { WorkerVersionStamp } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { EventType } from "../protocol/generated/temporal/api/enums/v1/event_type.ts";
import { SuggestContinueAsNewReason } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  HistoryEvent,
  WorkflowTaskScheduledEventAttributes,
  WorkflowTaskStartedEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { Draft } from "./execution.ts";
import { appendEvent, type EventAttributes } from "./history.ts";

/*
 * A workflow task is none → scheduled → started → completed, failed or timed out. Three kinds differ in what history shows:
 *   normal       every step is an event.
 *   transient    a retry after a failure: its scheduled and started ids are the next ones, but are written only if it completes.
 *   speculative  made for an update that may be rejected: as transient, and dropped without trace if nothing came of it.
 */

/** Whether the pending workflow task stands in history. */
export const isInHistory = (task: WorkflowTask): boolean => !task.speculative && task.attempt <= 1;

export const writeScheduled = (draft: Draft, task: WorkflowTask): void => void appendEvent(draft, scheduledAttributes(task));

export const writeStarted = (draft: Draft, task: WorkflowTask): void => void appendEvent(draft, startedAttributes(task));

const scheduledAttributes = (task: WorkflowTask): EventAttributes => ({
  $case: "workflowTaskScheduledEventAttributes",
  value: make(WorkflowTaskScheduledEventAttributes, {
    taskQueue: task.taskQueue,
    startToCloseTimeout: toProtoTime(task.timeout),
    attempt: task.attempt,
  }),
});

const startedAttributes = (task: WorkflowTask): EventAttributes => ({
  $case: "workflowTaskStartedEventAttributes",
  value: make(WorkflowTaskStartedEventAttributes, {
    scheduledEventId: task.scheduledEventId,
    identity: task.identity,
    requestId: task.requestId,
    suggestContinueAsNew: task.continueAsNewReasons.length > 0,
    suggestContinueAsNewReasons: task.continueAsNewReasons,
    historySizeBytes: task.historySizeBytes,
    workerVersion: task.buildId === "" ? undefined : make(WorkerVersionStamp, { buildId: task.buildId }),
  }),
});

/**
 * Puts a speculative task into history: other facts need the ids it had reserved. So far only memory offered it to workers; one that
 * still waits becomes due again, so that a row of the backlog stands for it after a crash.
 */
export function writeSpeculative(draft: Draft): void {
  const task = draft.core.workflowTask;
  if (task === undefined || !task.speculative) return;
  const { startedEventId } = task;
  draft.core.workflowTask = { ...task, speculative: false };
  writeScheduled(draft, task);
  if (startedEventId !== 0) writeStarted(draft, task);
  else draft.dueTasks.push({ type: "workflow" });
}

/** Why the worker should continue as new, if it should. */
export function continueAsNewReasons({ core, context: { limits } }: Draft): SuggestContinueAsNewReason[] {
  const reasons: SuggestContinueAsNewReason[] = [];
  if (core.historyBytes >= limits.suggestContinueAsNewSize) reasons.push(SuggestContinueAsNewReason.HISTORY_SIZE_TOO_LARGE);
  if (core.nextEventId > limits.suggestContinueAsNewCount) reasons.push(SuggestContinueAsNewReason.TOO_MANY_HISTORY_EVENTS);
  if (core.updateCount >= limits.updatesPerRun * 0.9) reasons.push(SuggestContinueAsNewReason.TOO_MANY_UPDATES);
  return reasons;
}

/** The events of a started task that are not in history (yet): workers need to see them as if they were. */
export function eventsOutsideHistory(state: Pick<Draft, "core" | "started">): readonly HistoryEvent[] {
  const task = state.core.workflowTask;
  if (task === undefined || task.startedEventId === 0 || isInHistory(task)) return [];
  const event = (eventId: number, at: number, eventType: EventType, attributes: EventAttributes) =>
    make(HistoryEvent, { eventId, eventTime: new Date(at), eventType, attributes });
  return [
    event(task.scheduledEventId, task.scheduledTime, EventType.WORKFLOW_TASK_SCHEDULED, scheduledAttributes(task)),
    event(task.startedEventId, task.startedTime, EventType.WORKFLOW_TASK_STARTED, startedAttributes(task)),
  ];
}
