import type { EpochMs } from "../base/time.ts";
import type { Hold } from "../protocol/generated/holdfast/state/v1/state.ts";
import { isDispatchable } from "./activity.ts";
import { startedEventId } from "./admitted-start.ts";
import { type Draft, isRunning, type MutableState } from "./execution.ts";
import { pendingAction } from "./held-action.ts";
import { isHeldBack, outgoingAction } from "./outgoing.ts";
import { waitsToBegin } from "./start-gate.ts";

/*
 * What a run needs others to attend to: tasks that a worker is to take, actions that are to leave it, holds that people are to end. Each has a
 * row of its own, written with the state. Where that row is gone, nothing else would ever move the run.
 */

/** A task that waits for a worker. */
export type WaitingTask = {
  readonly type: "workflow" | "activity";
  readonly scheduledEventId: number;
  /** Of an activity its stamp, of a workflow task its attempt. */
  readonly stamp: number;
  readonly since: EpochMs;
};

export type HeldAction = { readonly eventId: number; readonly hold: Hold };

/** Tasks of which each stands in the backlog. */
export function waitingTasks(state: MutableState): readonly WaitingTask[] {
  if (!isRunning(state)) return [];
  const tasks: WaitingTask[] = [];
  const { workflowTask } = state.core;
  if (workflowTask !== undefined && workflowTask.startedEventId === 0 && !workflowTask.speculative) {
    const { scheduledEventId, attempt, scheduledTime } = workflowTask;
    tasks.push({ type: "workflow", scheduledEventId, stamp: attempt, since: scheduledTime });
  }
  for (const { scheduledEventId, stamp, attemptScheduledTime, dispatched, startedTime, closing } of state.activities.values())
    if (dispatched && startedTime === 0 && !closing) tasks.push({ type: "activity", scheduledEventId, stamp, since: attemptScheduledTime });
  return tasks;
}

/** Makes a task due again. False when it no longer waits. */
export function offerAgain(draft: Draft, { type, scheduledEventId, stamp }: WaitingTask): boolean {
  if (type === "activity") {
    if (!isDispatchable(draft, scheduledEventId, stamp)) return false;
    draft.dueTasks.push({ type, scheduledEventId, eager: false });
    return true;
  }
  const task = draft.core.workflowTask;
  if (!isRunning(draft) || task === undefined || task.startedEventId !== 0 || task.scheduledEventId !== scheduledEventId) return false;
  if (task.attempt !== stamp || task.speculative) return false;
  draft.dueTasks.push({ type });
  return true;
}

/** Events that initiated what is on its way out of the run. */
export function departing(state: MutableState): readonly number[] {
  if (!isRunning(state)) return [];
  const children = [...state.children.values()].filter((child) => child.startedEventId === 0 && !child.starting);
  return [...children, ...state.externalSignals.values(), ...state.externalCancels.values()]
    .filter(({ closing, clearance }) => !closing && !isHeldBack(clearance))
    .map(({ initiatedEventId }) => initiatedEventId);
}

/** Sends once more what is on its way out, to be decided again where it leaves. False when it has left. */
export function departAgain(draft: Draft, initiatedEventId: number): boolean {
  const action = outgoingAction(draft, initiatedEventId);
  if (action === null || isHeldBack(action.clearance)) return false;
  draft.effects.push({ kind: "resume-action", initiatedEventId });
  return true;
}

/** Actions that wait for people. */
export function heldActions(state: MutableState): readonly HeldAction[] {
  if (!isRunning(state)) return [];
  const held: HeldAction[] = [];
  const add = (eventId: number, hold: Hold | undefined) => {
    if (hold !== undefined) held.push({ eventId, hold });
  };
  if (waitsToBegin(state.core)) add(startedEventId, state.core.startGate?.hold);
  for (const { scheduledEventId, hold, closing } of state.activities.values()) if (!closing) add(scheduledEventId, hold);
  for (const actions of [state.children, state.externalSignals, state.externalCancels])
    for (const { initiatedEventId, clearance, closing } of actions.values()) if (!closing) add(initiatedEventId, clearance?.hold);
  return held;
}

/** Lets an action go without a grant: the policy decides on it again before it happens, and may ask again. False when it no longer waits. */
export function decideHeldAgain(draft: Draft, { eventId, hold }: HeldAction): boolean {
  const action = pendingAction(draft, eventId);
  if (action?.hold?.approvalId !== hold.approvalId) return false;
  action.release({ approvalId: "", jobHash: "" });
  return true;
}
