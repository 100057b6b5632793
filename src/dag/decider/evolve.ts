import { assertNever } from "../../base/assert.ts";
import { formatActionId, parseActionId, parseTimerId, runTimeoutTimerId } from "../action-id.ts";
import type { Json } from "../json.ts";
import type { DagSpec } from "../spec/spec.ts";
import { attemptAction, endAction, forgetWaiter } from "./action.ts";
import type { Effect } from "./effect.ts";
import {
  attemptCompensation,
  beginEnding,
  cancelRun,
  compensationEnded,
  permitCompensation,
  startRunTimeout,
  succeed,
  timeOutRun,
  windDown,
} from "./ending.ts";
import type { DagEvent } from "./event.ts";
import { itemEnded } from "./for-each.ts";
import { keep } from "./keep.ts";
import { turnEnded } from "./loop.ts";
import { cancelled, type Outcome, outcomeOf, succeeded, timedOut } from "./outcome.ts";
import { type ActionRef, type ActionState, type DagState, emptyState, type Phase, signalsMax } from "./state.ts";
import { finishStep, resumeStep, skipStep, startStep } from "./step.ts";
import {
  actionOf,
  countOpen,
  leafOf,
  note,
  openTurn,
  own,
  putAction,
  specOf,
  stepOf,
  type TimelineEntry,
  type Turn,
  unwant,
} from "./turn.ts";

/** Folds one event into the state. Total and pure: what does not concern the run as it stands is ignored. */
export const evolve = (spec: DagSpec, state: DagState, event: DagEvent): DagState => advance(spec, state, event).state;

/** As `evolve`, with what the timeline says of the event. */
export function advance(
  spec: DagSpec,
  state: DagState,
  event: DagEvent,
): { readonly state: DagState; readonly timeline: readonly TimelineEntry[] } {
  if (state.closed !== null) return { state, timeline: [] };
  const turn = openTurn(spec, state, event.at);
  fold(turn, event);
  if (turn.state.closed === null && turn.state.start !== null) settle(turn);
  return { state: turn.state, timeline: turn.timeline };
}

/** The run as it is before its first event. */
export const initial = (spec: DagSpec): DagState => emptyState(spec);

/**
 * What the run wants done, in order. Each effect is wanted until an event says that it happened, so that asking again after a crash gives
 * what was not done yet.
 */
export const decide = (state: DagState): readonly Effect[] => state.wanted;

/** Works off what the event has brought up, until there is nothing left to do without another event. */
function settle(turn: Turn): void {
  for (let next = 0; next < turn.agenda.length; next++) {
    const task = turn.agenda[next];
    if (task === undefined) break;
    if (task.do === "start") startStep(turn, task.step);
    else if (task.do === "resume") resumeStep(turn, task.step);
    else if (task.do === "dismiss") skipStep(turn, task.step, "on_error_not_needed");
    else dequeue(turn);
  }
  if (turn.state.unsettled === 0 && turn.state.ending === null) succeed(turn);
  const { ending } = turn.state;
  if (ending !== null) windDown(turn, ending);
}

function dequeue(turn: Turn): void {
  const ref = own(turn, "queue").shift();
  if (ref === undefined) return;
  const outcome = attemptAction(turn, ref);
  if (outcome !== null) actionEnded(turn, ref, outcome);
}

function fold(turn: Turn, event: DagEvent): void {
  switch (event.type) {
    case "RunStarted":
      started(turn, event);
      return;
    case "ActivityScheduled":
      unwant(turn, "ScheduleActivity", event.activityId);
      permitted(turn, event.activityId, event.attemptsPermitted);
      return;
    case "ActivityStarted":
      return;
    case "ActivityCompleted":
      resolved(turn, "activity", event.activityId, succeeded(event.output));
      return;
    case "ActivityFailed":
      resolved(turn, "activity", event.activityId, outcomeOf(event.failure));
      return;
    case "ActivityTimedOut":
      resolved(turn, "activity", event.activityId, timedOut(event.message, true));
      return;
    case "ActivityCanceled":
      resolved(turn, "activity", event.activityId, cancelled(event.message));
      return;
    case "ActivityCancelRequested":
      unwant(turn, "CancelActivity", event.activityId);
      return;
    case "TimerStarted":
      unwant(turn, "StartTimer", event.timerId);
      return;
    case "TimerCanceled":
      unwant(turn, "CancelTimer", event.timerId);
      return;
    case "TimerFired":
      unwant(turn, "CancelTimer", event.timerId);
      fired(turn, event.timerId);
      return;
    case "ChildInitiated":
      unwant(turn, "StartChild", event.childId);
      permitted(turn, event.childId, event.attemptsPermitted);
      return;
    case "ChildStarted":
      childStarted(turn, event.childId, event.childRunId);
      return;
    case "ChildCompleted":
      resolved(turn, "child", event.childId, succeeded(childOutput(turn, event.childId, event.output)));
      return;
    case "ChildFailed":
      resolved(turn, "child", event.childId, outcomeOf(event.failure));
      return;
    case "ChildTimedOut":
      resolved(turn, "child", event.childId, timedOut("the subworkflow has timed out", true));
      return;
    case "ChildCanceled":
      resolved(turn, "child", event.childId, cancelled("the subworkflow was cancelled"));
      return;
    case "ChildCancelRequested":
      unwant(turn, "CancelChild", event.childId);
      return;
    case "Signaled":
      signaled(turn, event.name, event.payload);
      return;
    case "CancelRequested":
      if (turn.state.ending === null) note(turn, "run_cancel_requested", { message: event.reason });
      cancelRun(turn, event.reason);
      return;
    case "RunClosed":
      turn.state = { ...turn.state, wanted: [], closed: { status: event.status, at: event.at } };
      if (turn.state.ending === null) note(turn, "run_status", { status: event.status });
      return;
    default:
      assertNever(event);
  }
}

function started(turn: Turn, { type: _type, at, kept, context, ...start }: Extract<DagEvent, { type: "RunStarted" }>): void {
  if (turn.state.start !== null) return;
  turn.state = { ...turn.state, start, startedAt: at, context };
  note(turn, "run_status", { status: "running" });
  const checked = turn.spec.inputSchema?.check(start.input);
  if (checked?.ok === false) {
    const message = `input schema validation failed: ${checked.error}`;
    beginEnding(turn, { status: "failed", output: null, error: { message, type: null }, stepId: null });
    return;
  }
  startRunTimeout(turn);
  for (const index of turn.spec.order) {
    const { id } = specOf(turn, index);
    const step = Object.hasOwn(kept, id) ? kept[id] : undefined;
    if (step !== undefined) keep(turn, index, step);
  }
  for (const { index, dependsOn, activatedBy } of turn.spec.steps)
    if (dependsOn.length === 0 && activatedBy === null) turn.agenda.push({ do: "start", step: index });
}

/** The newest decision counts, as there is one for each attempt. */
function permitted(turn: Turn, activityId: string, attemptsPermitted: number | null): void {
  const found = find(turn, activityId);
  if (found === null || found.action.attemptsPermitted === attemptsPermitted) return;
  if (found.id.compensates) permitCompensation(turn, attemptsPermitted);
  else putAction(turn, found.ref, { ...found.action, attemptsPermitted });
}

/** Something under way has come to its end. An answer to an attempt that nobody waits for any more is ignored. */
function resolved(turn: Turn, phase: Extract<Phase, "activity" | "child">, actionId: string, outcome: Outcome): void {
  unwant(turn, phase === "activity" ? "CancelActivity" : "CancelChild", actionId);
  if (drained(turn, actionId, outcome)) return;
  const found = find(turn, actionId);
  if (found === null || found.action.phase !== phase || formatActionId(found.id) !== actionId) return;
  if (found.id.compensates) {
    compensationEnded(turn, outcome);
    return;
  }
  countOpen(turn, -1);
  const end = endAction(turn, found.ref, outcome);
  if (end !== null) actionEnded(turn, found.ref, end);
}

/** An action that was given up: if it was done all the same, it is there to be compensated. */
function drained(turn: Turn, actionId: string, outcome: Outcome): boolean {
  const index = turn.state.draining.findIndex((one) => one.actionId === actionId);
  if (index < 0) return false;
  const [given] = own(turn, "draining").splice(index, 1);
  if (given !== undefined && outcome.status === "succeeded")
    own(turn, "done").push({ step: given.step, item: given.item, output: outcome.output });
  return true;
}

type Found = { readonly ref: ActionRef; readonly action: ActionState; readonly id: NonNullable<ReturnType<typeof parseActionId>> };

/** The current attempt of the action that an id names; null when it is at another attempt. */
function find(turn: Turn, actionId: string): Found | null {
  const id = parseActionId(actionId);
  const step = id === null ? undefined : turn.spec.indexOf.get(id.stepId);
  if (id === null || step === undefined) return null;
  const current = turn.state.compensation?.current ?? null;
  const ref: ActionRef = { step, item: id.item };
  const isCurrent = current !== null && current.of.step === step && current.of.item === id.item;
  const action = id.compensates ? (isCurrent ? current.action : null) : actionOf(turn, ref);
  return action === null || action.attempt !== id.attempt ? null : { ref, action, id };
}

function actionEnded(turn: Turn, ref: ActionRef, outcome: Outcome): void {
  const step = specOf(turn, ref.step);
  if (ref.item === null) finishStep(turn, ref.step, outcome);
  else if (step.kind.kind === "loop") {
    if (turnEnded(turn, step, ref.item, outcome)) turn.agenda.push({ do: "resume", step: ref.step });
  } else if (itemEnded(turn, step, ref.item, outcome)) turn.agenda.push({ do: "resume", step: ref.step });
}

function fired(turn: Turn, timerId: string): void {
  if (timerId === runTimeoutTimerId) {
    timeOutRun(turn);
    return;
  }
  const timer = parseTimerId(timerId);
  if (timer === null) return;
  const { action: id, purpose } = timer;
  // The next attempt is one further than the attempt that has failed.
  const attempt = purpose === "retry" ? id.attempt + 1 : id.attempt;
  const found = find(turn, formatActionId({ ...id, attempt }));
  if (purpose === "timeout" && (found === null || found.action.phase === "ended")) {
    stepTimedOut(turn, id.stepId, timerId);
    return;
  }
  if (found === null) return;
  const { ref, action } = found;
  if (purpose === "retry" && action.phase === "retry") {
    if (id.compensates) attemptCompensation(turn);
    else {
      const outcome = attemptAction(turn, ref);
      if (outcome !== null) actionEnded(turn, ref, outcome);
    }
  } else if (purpose === "delay" && action.phase === "delay") finishAction(turn, ref, succeeded(null));
  else if (purpose === "timeout" && action.phase === "signal") {
    // It has fired: there is nothing to cancel.
    const waiters = own(turn, "waiters");
    waiters.splice(
      waiters.findIndex(({ step, item }) => step === ref.step && item === ref.item),
      1,
    );
    finishAction(turn, ref, timedOut(`no signal in ${leafOf(turn, ref).timeoutMs} ms`, false));
  }
}

function finishAction(turn: Turn, ref: ActionRef, outcome: Outcome): void {
  const end = endAction(turn, ref, outcome);
  if (end !== null) actionEnded(turn, ref, end);
}

/** Of a loop, or of a parallel step. */
function stepTimedOut(turn: Turn, stepId: string, timerId: string): void {
  const index = turn.spec.indexOf.get(stepId);
  if (index === undefined || stepOf(turn, index).status !== "running") return;
  const { kind, timeoutMs } = specOf(turn, index);
  if (kind.kind !== "loop" && kind.kind !== "parallel") return;
  finishStep(turn, index, timedOut(`longer than ${timeoutMs} ms`, false));
  // It has fired: there is nothing to cancel.
  unwant(turn, "CancelTimer", timerId);
}

function childStarted(turn: Turn, childId: string, childRunId: string): void {
  const found = find(turn, childId);
  if (found?.action.phase === "child") putAction(turn, found.ref, { ...found.action, childRunId });
}

function childOutput(turn: Turn, childId: string, output: Json): Json {
  return { child_run_id: find(turn, childId)?.action.childRunId ?? null, child_status: "succeeded", output };
}

function signaled(turn: Turn, name: string, payload: Json): void {
  const index = turn.state.waiters.findIndex((ref) => {
    const { kind } = leafOf(turn, ref);
    return kind.kind === "signal" && kind.name === name;
  });
  const ref = turn.state.waiters[index];
  const action = ref === undefined ? null : actionOf(turn, ref);
  if (ref !== undefined && action !== null) {
    note(turn, "signal_received", { stepId: specOf(turn, ref.step).id, data: { name } });
    forgetWaiter(turn, ref, action);
    finishAction(turn, ref, succeeded(payload));
  } else if (turn.state.ending !== null) return;
  else if (turn.state.signals.length < signalsMax) {
    own(turn, "signals").push({ name, payload });
    note(turn, "signal_received", { data: { name } });
  } else note(turn, "signal_dropped", { message: `more than ${signalsMax} signals wait`, data: { name } });
}
