import { assertNever } from "../../base/assert.ts";
import { formatActionId, formatTimerId } from "../action-id.ts";
import { evaluate } from "../expression/expression.ts";
import { isTrue } from "../expression/simple.ts";
import { fieldOf, withValueAt } from "../json.ts";
import type { DagStep } from "../spec/spec.ts";
import type { StepKind } from "../step-type/step-types.ts";
import { cancelAction, startAction } from "./action.ts";
import { branchEnded, resumeBranches, startBranches } from "./branches.ts";
import { beginEnding } from "./ending.ts";
import { resumeForEach, startForEach } from "./for-each.ts";
import { resumeLoop, startLoop } from "./loop.ts";
import { type BadOutcome, fatal, type Outcome, succeeded } from "./outcome.ts";
import { isEnded, type StepState } from "./state.ts";
import { takeSwitch } from "./switch.ts";
import { actionIdOf, cancelTimer, note, putStep, scopeOf, specOf, startTimer, stepOf, type Turn } from "./turn.ts";

/** Starts a step whose dependencies have ended; or passes it over, when all of them were for nothing. */
export function startStep(turn: Turn, index: number): void {
  const step = specOf(turn, index);
  const state = stepOf(turn, index);
  if (state.status !== "pending" || state.blockers > 0) return;
  const waited = step.dependsOn.length + (step.activatedBy === null ? 0 : 1);
  if (waited > 0 && state.taken === 0) {
    skipStep(turn, index, "dependencies_not_taken");
    return;
  }
  putStep(turn, index, { status: "running", startedAt: turn.at });
  if (step.condition === null) carryOut(turn, step);
  else {
    const value = evaluate(step.condition, scopeOf(turn));
    if (!value.ok) {
      note(turn, "step_condition_failed", { stepId: step.id, status: "failed", message: value.error });
      finishStep(turn, index, fatal(value.error));
    } else if (isTrue(value.value)) carryOut(turn, step);
    else {
      note(turn, "step_condition_evaluated", { stepId: step.id, data: { value: false } });
      finishStep(turn, index, succeeded(null));
    }
  }
}

function carryOut(turn: Turn, step: DagStep): void {
  const { index, kind } = step;
  switch (kind.kind) {
    case "switch":
      takeSwitch(turn, step, kind);
      return;
    case "parallel":
      startTimeout(turn, step);
      startBranches(turn, step, kind);
      return;
    case "loop":
      startTimeout(turn, step);
      startLoop(turn, step, kind);
      return;
    default: {
      if (step.forEach !== null) {
        startForEach(turn, step, step.forEach);
        return;
      }
      const outcome = startAction(turn, { step: index, item: null });
      if (outcome !== null) finishStep(turn, index, outcome);
    }
  }
}

/** Goes on with a step that has several parts, after one of them has ended. */
export function resumeStep(turn: Turn, index: number): void {
  const step = specOf(turn, index);
  if (isEnded(stepOf(turn, index).status)) return;
  if (step.kind.kind === "parallel") resumeBranches(turn, step, step.kind);
  else if (step.kind.kind === "loop") resumeLoop(turn, step, step.kind);
  else if (step.forEach !== null) resumeForEach(turn, step, step.forEach);
}

const timeoutTimer = (turn: Turn, index: number): string => formatTimerId(actionIdOf(turn, { step: index, item: null }, 1), "timeout");

function startTimeout(turn: Turn, { index, timeoutMs }: DagStep): void {
  if (timeoutMs !== null) startTimer(turn, actionIdOf(turn, { step: index, item: null }, 1), "timeout", turn.at + timeoutMs);
}

/** Ends a step that has started, and goes on with what waits for it. */
export function finishStep(turn: Turn, index: number, outcome: Outcome): void {
  const step = specOf(turn, index);
  const { kind } = step;
  cancelParts(turn, step, "the step has ended");
  const output = outcome.status === "succeeded" ? outcome.output : null;
  settle(turn, index, {
    status: outcome.status,
    completedAt: turn.at,
    output,
    error: outcome.status === "succeeded" ? null : outcome.error,
  });
  if (outcome.status === "succeeded" && step.outputPath !== null)
    turn.state = { ...turn.state, context: withValueAt(turn.state.context, step.outputPath, output) };
  noteEnd(turn, step, outcome);
  settleBody(turn, kind, stepOf(turn, index));
  if (outcome.status === "succeeded") released(turn, index, true);
  else failed(turn, step, outcome);
}

/** The body of a loop ends as the loop does, with the output of the last turn. */
export function settleBody(turn: Turn, kind: StepKind, { status, output, error }: StepState): void {
  if (kind.kind === "loop") settle(turn, kind.body, { status, completedAt: turn.at, output: fieldOf(output, "last_output"), error });
}

function noteEnd(turn: Turn, { id, kind, index }: DagStep, outcome: Outcome): void {
  const message = outcome.status === "succeeded" ? {} : { message: outcome.error.message };
  const entry = { stepId: id, status: outcome.status, ...message };
  const isGood = outcome.status === "succeeded";
  const { action } = stepOf(turn, index);
  const job = action === null ? {} : { actionId: formatActionId(actionIdOf(turn, { step: index, item: null }, action.attempt)) };
  switch (kind.kind) {
    case "condition":
      note(turn, isGood ? "step_condition_evaluated" : "step_condition_failed", {
        ...entry,
        ...(isGood ? { data: { value: outcome.output } } : {}),
      });
      return;
    case "delay":
      note(turn, isGood ? "step_delay_completed" : "step_delay_failed", entry);
      return;
    case "transform":
    case "storage":
      note(turn, `step_${kind.kind}_${isGood ? "completed" : "failed"}`, entry);
      return;
    case "switch":
    case "parallel":
    case "loop":
    case "subworkflow": {
      const types = { switch: "step_switch_evaluated", parallel: "step_parallel_completed", loop: "step_loop_completed" } as const;
      const type = kind.kind === "subworkflow" ? "step_subworkflow_completed" : types[kind.kind];
      note(turn, type, { ...entry, ...job });
      return;
    }
    case "activity": {
      if (kind.type === "approval" && (isGood || outcome.status === "denied"))
        note(turn, isGood ? "step_approved" : "step_rejected", { ...entry, ...job });
      else if (kind.type === "notify") note(turn, isGood ? "step_event_emitted" : "step_event_failed", { ...entry, ...job });
      note(turn, "step_completed", { ...entry, ...job });
      return;
    }
    case "notice":
      note(turn, isGood ? "step_event_emitted" : "step_event_failed", {
        ...entry,
        ...(isGood ? { data: { payload: outcome.output } } : {}),
      });
      return;
    case "signal":
      note(turn, "step_completed", entry);
      return;
    default:
      assertNever(kind);
  }
}

/** Marks a step as ended. */
function settle(turn: Turn, index: number, change: Parameters<typeof putStep>[2]): void {
  if (isEnded(stepOf(turn, index).status)) return;
  putStep(turn, index, change);
  turn.state = { ...turn.state, unsettled: turn.state.unsettled - 1 };
}

/** A step has failed for good: somebody handles that, nobody minds, or the run fails. */
function failed(turn: Turn, step: DagStep, outcome: BadOutcome): void {
  const message = `step \`${step.id}\` ${words[outcome.status]}: ${outcome.error.message}`;
  // DENIED stops the run, whatever the definition says of errors.
  if (outcome.status === "denied") {
    beginEnding(turn, { status: "denied", output: null, error: { ...outcome.error, message }, stepId: step.id });
  } else if (step.onError !== null) callHandler(turn, step, step.onError);
  else if (step.continueOnError) released(turn, step.index, true);
  else if (step.activatedBy?.as === "branch") released(turn, step.index, false);
  else {
    const status = outcome.status === "timed_out" ? "timed_out" : "failed";
    beginEnding(turn, { status, output: null, error: { ...outcome.error, message }, stepId: step.id });
  }
}

const words = { failed: "failed", timed_out: "timed out", denied: "was denied", cancelled: "was cancelled" } as const;

/** The handler stands in for the step: what depends on the step goes on when the handler has succeeded. */
function callHandler(turn: Turn, step: DagStep, handlerIndex: number): void {
  const { handler, blockers, taken } = stepOf(turn, handlerIndex);
  if (handler === null) return;
  const isFirst = handler.called.length === 0;
  putStep(turn, handlerIndex, {
    handler: { ...handler, callersLeft: handler.callersLeft - 1, called: [...handler.called, step.index] },
    ...(isFirst ? { blockers: blockers - 1, taken: taken + 1 } : {}),
  });
  if (isFirst) turn.agenda.push({ do: "start", step: handlerIndex });
  else if (handler.isOver) released(turn, step.index, true);
}

/** A step that will not call its handler: when none will, the handler is not needed. */
function dismissHandler(turn: Turn, handlerIndex: number): void {
  const { handler } = stepOf(turn, handlerIndex);
  if (handler === null) return;
  const callersLeft = handler.callersLeft - 1;
  putStep(turn, handlerIndex, { handler: { ...handler, callersLeft } });
  if (callersLeft === 0 && handler.called.length === 0) turn.agenda.push({ do: "dismiss", step: handlerIndex });
}

/** Tells those who wait for a step that it is over. `taken` is whether it counts as done. */
export function released(turn: Turn, index: number, taken: boolean): void {
  const step = specOf(turn, index);
  const { status, handler } = stepOf(turn, index);
  for (const dependant of step.dependants) unblock(turn, dependant, taken);
  if (step.onError !== null && (status === "succeeded" || status === "cancelled")) dismissHandler(turn, step.onError);
  if (step.activatedBy?.as === "branch") branchEnded(turn, step.activatedBy.by, taken);
  if (step.kind.kind === "loop") released(turn, step.kind.body, taken);
  if (handler === null) return;
  putStep(turn, index, { handler: { ...handler, isOver: true } });
  for (const caller of handler.called) released(turn, caller, taken);
}

function unblock(turn: Turn, index: number, taken: boolean): void {
  const state = stepOf(turn, index);
  if (state.status !== "pending") return;
  putStep(turn, index, { blockers: state.blockers - 1, taken: state.taken + (taken ? 1 : 0) });
  if (state.blockers === 1) turn.agenda.push({ do: "start", step: index });
}

/** A branch, or a case, whose turn has come. */
export const activate = (turn: Turn, index: number): void => unblock(turn, index, true);

/** Why a step can be passed over in a run that goes on: what others say of it is its error. */
export const notTaken: ReadonlySet<string> = new Set([
  "dependencies_not_taken",
  "switch_branch_not_taken",
  "on_error_not_needed",
  "parallel_decided",
]);

/** Passes a step over that has not started: it is not taken. */
export function skipStep(turn: Turn, index: number, reason: string): void {
  const step = specOf(turn, index);
  if (stepOf(turn, index).status !== "pending") return;
  settle(turn, index, { status: "cancelled", completedAt: turn.at, error: { message: reason, type: null } });
  note(turn, "step_cancelled", { stepId: step.id, status: "cancelled", message: reason });
  settleBody(turn, step.kind, stepOf(turn, index));
  if (step.kind.kind !== "loop") for (const inner of step.activates) skipStep(turn, inner, reason);
  released(turn, index, false);
}

/** Gives up a step, started or not. */
export function cancelStep(turn: Turn, index: number, reason: string): void {
  const step = specOf(turn, index);
  const { status } = stepOf(turn, index);
  if (isEnded(status)) return;
  if (status === "pending") {
    skipStep(turn, index, reason);
    return;
  }
  cancelParts(turn, step, reason);
  settle(turn, index, { status: "cancelled", completedAt: turn.at, error: { message: reason, type: null } });
  note(turn, "step_cancelled", { stepId: step.id, status: "cancelled", message: reason });
  settleBody(turn, step.kind, stepOf(turn, index));
  if (step.kind.kind !== "loop") for (const inner of step.activates) cancelStep(turn, inner, reason);
  released(turn, index, false);
}

/** Gives up whatever of the step is still under way. */
function cancelParts(turn: Turn, step: DagStep, reason: string): void {
  const { index, kind } = step;
  const { status, group } = stepOf(turn, index);
  if (isEnded(status)) return;
  cancelAction(turn, { step: index, item: null }, reason);
  if (group !== null && group.open > 0)
    group.actions.forEach((_action, item) => {
      cancelAction(turn, { step: index, item }, reason);
    });
  const isTimed = (kind.kind === "parallel" || kind.kind === "loop") && step.timeoutMs !== null && status !== "pending";
  if (isTimed) cancelTimer(turn, timeoutTimer(turn, index));
}
