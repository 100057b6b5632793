import { present } from "../../base/assert.ts";
import { ok } from "../../base/result.ts";
import { formatActionId, runTimeoutTimerId } from "../action-id.ts";
import { render } from "../expression/template.ts";
import { backoffMs } from "../spec/retry.ts";
import { mayRetry, stepIdOf } from "./action.ts";
import { wantedActivity } from "./begin.ts";
import type { RunEnd } from "./effect.ts";
import { fatal, type Outcome } from "./outcome.ts";
import { type ActionState, type CompensationState, type Done, isEnded } from "./state.ts";
import { cancelStep } from "./step.ts";
import { actionIdOf, leafOf, localsOf, note, scopeOf, startTimer, type Turn, want } from "./turn.ts";

/** The run is going to end so: nothing new is started, and what is under way is given up. The first end counts. */
export function beginEnding(turn: Turn, end: RunEnd): void {
  if (turn.state.ending !== null) return;
  turn.state = { ...turn.state, ending: end };
  turn.agenda.length = 0;
  const reason = end.status === "succeeded" ? "the run has ended" : `run_${end.status}`;
  turn.state.steps.forEach(({ status }, index) => {
    if (!isEnded(status)) cancelStep(turn, index, reason);
  });
  turn.agenda.length = 0;
}

/**
 * Goes on with the end of a run: waits for what may yet have to be compensated, compensates what was done, the last first and one after the
 * other, and then closes the run.
 */
export function windDown(turn: Turn, end: RunEnd): void {
  if (turn.state.draining.length > 0 && compensates(turn, end)) return;
  for (;;) {
    const compensation = turn.state.compensation ?? planned(turn, end);
    putCompensation(turn, compensation);
    if (compensation.current !== null) return;
    const next = compensation.todo.at(-1);
    if (next === undefined) break;
    putCompensation(turn, { ...compensation, todo: compensation.todo.slice(0, -1) });
    compensate(turn, next);
  }
  if (turn.state.wanted.some(({ type }) => type === "CloseRun")) return;
  note(turn, "run_status", { status: end.status, ...(end.error === null ? {} : { message: end.error.message }) });
  want(turn, { type: "CloseRun", ...end });
}

const compensates = (turn: Turn, { status }: RunEnd): boolean => status !== "succeeded" && turn.spec.compensateOn.has(status);

function planned(turn: Turn, end: RunEnd): CompensationState {
  return { todo: compensates(turn, end) ? turn.state.done : [], current: null, results: [] };
}

function putCompensation(turn: Turn, compensation: CompensationState): void {
  turn.state = { ...turn.state, compensation };
}

function compensate(turn: Turn, of: Done): void {
  const { compensation } = leafOf(turn, of);
  const plan = present(compensation, "the compensation of what was done");
  const scope = scopeOf(turn, { ...localsOf(turn, of), output: of.output });
  const input = plan.input === null ? ok(of.output) : render(plan.input, scope);
  const action: ActionState = {
    status: "running",
    phase: "activity",
    attempt: 1,
    attemptsPermitted: null,
    startedAt: turn.at,
    completedAt: null,
    nextAttemptAt: null,
    input: input.ok ? input.value : null,
    output: null,
    error: null,
    childRunId: null,
  };
  setCurrent(turn, { of, action });
  if (input.ok) attemptCompensation(turn);
  else compensationEnded(turn, fatal(input.error));
}

function setCurrent(turn: Turn, current: CompensationState["current"]): void {
  putCompensation(turn, { ...present(turn.state.compensation, "the compensation"), current });
}

export function attemptCompensation(turn: Turn): void {
  const { of, action } = present(turn.state.compensation?.current, "what is being compensated");
  const { compensation } = leafOf(turn, of);
  const { kind } = present(compensation, "the compensation of what was done");
  const id = actionIdOf(turn, of, action.attempt, true);
  setCurrent(turn, { of, action: { ...action, phase: "activity", nextAttemptAt: null } });
  note(turn, "step_compensation_started", { stepId: stepIdOf(turn, of), actionId: formatActionId(id), status: "running" });
  want(turn, { type: "ScheduleActivity", ...wantedActivity(turn, kind, { ...id, input: action.input }) });
}

/** The policy has said how often the compensation may be tried. */
export function permitCompensation(turn: Turn, attemptsPermitted: number | null): void {
  const { of, action } = present(turn.state.compensation?.current, "what is being compensated");
  setCurrent(turn, { of, action: { ...action, attemptsPermitted } });
}

/** A compensation that fails for good is recorded; those before it are compensated all the same. */
export function compensationEnded(turn: Turn, outcome: Outcome): void {
  const compensation = present(turn.state.compensation, "the compensation");
  const { of, action } = present(compensation.current, "what is being compensated");
  const { retry } = present(leafOf(turn, of).compensation, "the compensation of what was done");
  const id = actionIdOf(turn, of, action.attempt, true);
  const error = outcome.status === "succeeded" ? null : outcome.error;
  if ("retryable" in outcome && outcome.retryable && mayRetry(retry, action)) {
    const fireAt = turn.at + backoffMs(retry, action.attempt);
    setCurrent(turn, { of, action: { ...action, phase: "retry", attempt: action.attempt + 1, nextAttemptAt: fireAt, error } });
    startTimer(turn, id, "retry", fireAt);
    return;
  }
  note(turn, "step_compensation_completed", {
    stepId: stepIdOf(turn, of),
    actionId: formatActionId(id),
    status: outcome.status,
    ...(error === null ? {} : { message: error.message }),
  });
  const result = { step: of.step, item: of.item, status: outcome.status, attempts: action.attempt, error };
  putCompensation(turn, { ...compensation, current: null, results: [...compensation.results, result] });
}

/** All steps have ended, and none has ended the run. */
export function succeed(turn: Turn): void {
  const { output } = turn.spec;
  const value = output === null ? ok(null) : render(output, scopeOf(turn));
  if (value.ok) beginEnding(turn, { status: "succeeded", output: value.value, error: null, stepId: null });
  else {
    const message = `the output of the run: ${value.error}`;
    beginEnding(turn, { status: "failed", output: null, error: { message, type: null }, stepId: null });
  }
}

export function timeOutRun(turn: Turn): void {
  const message = `the run has taken longer than ${turn.spec.timeoutMs} ms`;
  beginEnding(turn, { status: "timed_out", output: null, error: { message, type: null }, stepId: null });
}

export const startRunTimeout = (turn: Turn): void => {
  if (turn.spec.timeoutMs !== null) want(turn, { type: "StartTimer", timerId: runTimeoutTimerId, fireAt: turn.at + turn.spec.timeoutMs });
};

export const cancelRun = (turn: Turn, reason: string): void =>
  beginEnding(turn, {
    status: "cancelled",
    output: null,
    error: { message: reason === "" ? "workflow run cancelled" : reason, type: null },
    stepId: null,
  });
