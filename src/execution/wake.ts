import type { EpochMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import type { PendingChild, PendingExternal } from "../protocol/generated/holdfast/state/v1/state.ts";
import { TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { TimerFiredEventAttributes } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { activityWakeAt, wakeActivity } from "./activity.ts";
import { wakeGate } from "./admitted-start.ts";
import { appendExternalEvent } from "./buffer.ts";
import { timeOutRun } from "./close.ts";
import { type Draft, isRunning, type MutableState } from "./execution.ts";
import { speculativeScheduleToStart } from "./limits.ts";
import { outgoingWakeAt, wakeOutgoing } from "./outgoing.ts";
import { executionExpiresAt, gateDue, runExpiresAt, waitsToBegin } from "./start-gate.ts";
import { scheduleWorkflowTask, timeOutWorkflowTask } from "./workflow-task.ts";
import { writeSpeculative } from "./workflow-task-events.ts";

/** When the run next has something to do by itself: a timer, a time-out, a retry. Null for never. */
export function wakeAt(state: MutableState): EpochMs | null {
  if (!isRunning(state)) return null;
  let at = Number.POSITIVE_INFINITY;
  const consider = (due: EpochMs) => {
    if (due > 0 && due < at) at = due;
  };
  if (waitsToBegin(state.core)) return gateDue(state.core) || null;
  consider(runExpiresAt(state.core));
  consider(executionExpiresAt(state.core));
  consider(state.core.firstWorkflowTaskDue);
  consider(workflowTaskDue(state));
  for (const timer of state.timers.values()) if (!timer.firing) consider(timer.fireTime);
  for (const activity of state.activities.values()) consider(activityWakeAt(activity));
  for (const outgoing of outgoingOf(state)) consider(outgoingWakeAt(outgoing));
  return at === Number.POSITIVE_INFINITY ? null : at;
}

function* outgoingOf({ children, externalSignals, externalCancels }: Outgoing): Iterable<PendingChild | PendingExternal> {
  yield* children.values();
  yield* externalSignals.values();
  yield* externalCancels.values();
}

type Outgoing = {
  readonly [C in "children" | "externalSignals" | "externalCancels"]: { values(): Iterable<PendingChild | PendingExternal> };
};

/** When the pending workflow task times out; 0 for never. */
function workflowTaskDue({ core }: Pick<MutableState, "core">): EpochMs {
  const task = core.workflowTask;
  if (task === undefined) return 0;
  if (task.startedEventId !== 0) return task.startedTime + task.timeout;
  if (task.speculative) return task.scheduledTime + speculativeScheduleToStart;
  return task.scheduleToStartDue;
}

/** Carries out everything that is due. */
export function wake(draft: Draft): void {
  const { now } = draft.context;
  const { core } = draft;
  if (!isRunning(draft)) return;
  wakeGate(draft);
  if (!isRunning(draft) || waitsToBegin(core)) return;
  const expirations = [runExpiresAt(core), executionExpiresAt(core)].filter((at) => at > 0);
  if (expirations.some((at) => at <= now)) {
    timeOutRun(draft);
    return;
  }
  if (core.firstWorkflowTaskDue > 0 && core.firstWorkflowTaskDue <= now) {
    core.firstWorkflowTaskDue = 0;
    scheduleWorkflowTask(draft);
  }
  fireTimers(draft);
  for (const activity of [...draft.activities.values()]) {
    if (activityWakeAt(activity) <= now) wakeActivity(draft, activity);
  }
  for (const outgoing of [...outgoingOf(draft)]) {
    const at = outgoingWakeAt(outgoing);
    if (at > 0 && at <= now) wakeOutgoing(draft, outgoing.initiatedEventId);
  }
  // A speculative task becomes a normal one first, and that may have waited too long as well.
  for (let due = workflowTaskDue(draft); due > 0 && due <= now; due = workflowTaskDue(draft)) wakeWorkflowTask(draft);
}

/** Due timers fire in the order in which they were due. */
function fireTimers(draft: Draft): void {
  const due = [...draft.timers.values()].filter((timer) => !timer.firing && timer.fireTime <= draft.context.now);
  if (due.length === 0) return;
  due.sort((a, b) => a.fireTime - b.fireTime || a.startedEventId - b.startedEventId);
  for (const timer of due) {
    const { timerId, startedEventId } = timer;
    const eventId = appendExternalEvent(draft, {
      $case: "timerFiredEventAttributes",
      value: make(TimerFiredEventAttributes, { timerId, startedEventId }),
    });
    if (eventId === 0) draft.timers.set(timerId, { ...timer, firing: true });
  }
  scheduleWorkflowTask(draft);
}

function wakeWorkflowTask(draft: Draft): void {
  const task = draft.core.workflowTask;
  if (task === undefined) return;
  if (task.startedEventId !== 0) timeOutWorkflowTask(draft, TimeoutType.START_TO_CLOSE);
  // No worker took it in time: as a normal task it waits in the backlog and survives a crash.
  else if (task.speculative) writeSpeculative(draft);
  else timeOutWorkflowTask(draft, TimeoutType.SCHEDULE_TO_START);
}
