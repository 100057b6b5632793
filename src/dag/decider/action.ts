import { present } from "../../base/assert.ts";
import { ok, type Result } from "../../base/result.ts";
import { formatActionId, formatTimerId } from "../action-id.ts";
import { render } from "../expression/template.ts";
import type { Json } from "../json.ts";
import { backoffMs, type Retry } from "../spec/retry.ts";
import type { DagStep } from "../spec/spec.ts";
import { begin, inputOf } from "./begin.ts";
import { fatal, type Outcome } from "./outcome.ts";
import { type ActionRef, type ActionState, openMax } from "./state.ts";
import {
  actionIdOf,
  actionOf,
  cancelTimer,
  countOpen,
  leafOf,
  localsOf,
  note,
  own,
  putAction,
  scopeOf,
  startTimer,
  type Turn,
  unwant,
  want,
} from "./turn.ts";

/** Starts an action for the first time. The outcome, if it has one at once. */
export function startAction(turn: Turn, ref: ActionRef): Outcome | null {
  const leaf = leafOf(turn, ref);
  const input = inputOf(turn, ref, leaf);
  putAction(turn, ref, {
    status: "pending",
    phase: "queued",
    attempt: 1,
    attemptsPermitted: null,
    startedAt: turn.at,
    completedAt: null,
    nextAttemptAt: null,
    input: input.ok ? input.value : null,
    output: null,
    error: null,
    childRunId: null,
  });
  return input.ok ? attemptAction(turn, ref) : endAction(turn, ref, fatal(input.error));
}

/** Begins the attempt that the action is at. Beyond the bound of open actions, it waits for its turn. */
export function attemptAction(turn: Turn, ref: ActionRef): Outcome | null {
  const leaf = leafOf(turn, ref);
  const action = present(actionOf(turn, ref), "the action of an attempt");
  const isOutside = leaf.kind.kind === "activity" || leaf.kind.kind === "subworkflow";
  if (isOutside && turn.state.open >= openMax) {
    putAction(turn, ref, { ...action, status: "pending", phase: "queued", nextAttemptAt: null });
    own(turn, "queue").push(ref);
    return null;
  }
  const { attempt, input } = action;
  const { kind } = leaf;
  if (kind.kind === "switch" || kind.kind === "parallel" || kind.kind === "loop") return endAction(turn, ref, fatal("not one action"));
  const begun = begin(turn, { ref, leaf, attempt, input }, kind);
  if (!("phase" in begun)) return endAction(turn, ref, begun);
  putAction(turn, ref, { ...action, status: begun.status, phase: begun.phase, nextAttemptAt: null, error: null });
  noteBegun(turn, ref, leaf, attempt, begun.phase);
  return null;
}

function noteBegun(turn: Turn, ref: ActionRef, { kind }: DagStep, attempt: number, phase: ActionState["phase"]): void {
  const id = actionIdOf(turn, ref, attempt);
  const entry = { stepId: stepIdOf(turn, ref), actionId: formatActionId(id) };
  const item = ref.item === null ? {} : { data: { foreach_index: ref.item } };
  if (phase === "delay") note(turn, "step_delay_started", { ...entry, status: "running", ...delayData(turn, id) });
  else if (phase === "signal") note(turn, "step_waiting", { ...entry, status: "waiting" });
  else if (phase === "child") note(turn, "step_subworkflow_started", { ...entry, status: "running", ...item });
  else {
    note(turn, "step_dispatched", { ...entry, status: "running", ...item });
    if (kind.kind === "activity" && kind.type === "approval") note(turn, "step_waiting", { ...entry, status: "waiting" });
  }
}

function delayData(turn: Turn, id: Parameters<typeof formatTimerId>[0]) {
  const timerId = formatTimerId(id, "delay");
  const timer = turn.state.wanted.find((effect) => effect.type === "StartTimer" && effect.timerId === timerId);
  return timer?.type === "StartTimer" ? { data: { delay_ms: timer.fireAt - turn.at } } : {};
}

/** `notify[3]` for an item. */
export const stepIdOf = (turn: Turn, { step, item }: ActionRef): string => {
  const id = turn.spec.steps[step]?.id ?? "";
  return item === null ? id : `${id}[${item}]`;
};

/** Ends an attempt: the action is tried again, or it ends with the outcome that is given back. */
export function endAction(turn: Turn, ref: ActionRef, given: Outcome): Outcome | null {
  const leaf = leafOf(turn, ref);
  const action = present(actionOf(turn, ref), "the action that ends");
  if ("retryable" in given && given.retryable && mayRetry(leaf.retry, action)) {
    retryLater(turn, ref, leaf, action, given.error);
    return null;
  }
  const outcome = checkedOutput(turn, ref, leaf, given);
  if (given.status === "succeeded" && leaf.compensation !== null) own(turn, "done").push({ ...ref, output: given.output });
  putAction(turn, ref, {
    ...action,
    status: outcome.status,
    phase: "ended",
    completedAt: turn.at,
    nextAttemptAt: null,
    // Of the many items of a `for_each`, what is done with is let go.
    input: ref.item === null ? action.input : null,
    output: outcome.status === "succeeded" ? outcome.output : null,
    error: outcome.status === "succeeded" ? null : outcome.error,
  });
  return outcome;
}

/** What the step says and what the policy permits both hold. */
export const mayRetry = ({ attemptsMax }: Retry, { attempt, attemptsPermitted }: ActionState): boolean =>
  attempt < Math.min(attemptsMax, attemptsPermitted ?? attemptsMax);

function retryLater(turn: Turn, ref: ActionRef, leaf: DagStep, action: ActionState, error: ActionState["error"]): void {
  const pauseMs = backoffMs(leaf.retry, action.attempt);
  const failed = actionIdOf(turn, ref, action.attempt);
  const nextAttemptAt = turn.at + pauseMs;
  note(turn, "step_retry_scheduled", {
    stepId: stepIdOf(turn, ref),
    actionId: formatActionId(failed),
    status: "pending",
    ...(error === null ? {} : { message: error.message }),
    data: { attempt: action.attempt + 1, delay_ms: pauseMs },
  });
  putAction(turn, ref, { ...action, status: "pending", phase: "retry", attempt: action.attempt + 1, nextAttemptAt, error });
  // A pause of nothing is a timer as well, so that attempts do not end and begin in one turn without end.
  startTimer(turn, failed, "retry", nextAttemptAt);
}

/** Success whose output is not what the step promises is failure. */
function checkedOutput(turn: Turn, ref: ActionRef, leaf: DagStep, outcome: Outcome): Outcome {
  if (outcome.status !== "succeeded") return outcome;
  const mapped = mappedOutput(turn, ref, leaf, outcome.output);
  if (!mapped.ok) return fatal(mapped.error);
  const checked = leaf.outputSchema?.check(mapped.value);
  if (checked?.ok !== false) return { status: "succeeded", output: mapped.value };
  const message = `output schema validation failed: ${checked.error}`;
  note(turn, "step_output_invalid", { stepId: stepIdOf(turn, ref), status: "failed", message });
  return fatal(message);
}

/** What a subworkflow gives: the child and its output, or what `output_mapping` makes of them. */
function mappedOutput(turn: Turn, ref: ActionRef, { kind }: DagStep, output: Json): Result<Json, string> {
  if (kind.kind !== "subworkflow" || kind.outputMapping === null) return ok(output);
  return render(kind.outputMapping, scopeOf(turn, { ...localsOf(turn, ref), child: output }));
}

/** Gives an action up. What is under way is asked to stop, and is not waited for unless it would have to be compensated. */
export function cancelAction(turn: Turn, ref: ActionRef, message: string): void {
  const action = actionOf(turn, ref);
  if (action === null || action.phase === "ended") return;
  const id = actionIdOf(turn, ref, action.attempt);
  const actionId = formatActionId(id);
  switch (action.phase) {
    case "activity":
    case "child": {
      countOpen(turn, -1);
      const [start, stop] =
        action.phase === "activity" ? (["ScheduleActivity", "CancelActivity"] as const) : (["StartChild", "CancelChild"] as const);
      if (!unwant(turn, start, actionId)) {
        want(turn, stop === "CancelActivity" ? { type: stop, activityId: actionId } : { type: stop, childId: actionId });
        if (leafOf(turn, ref).compensation !== null) own(turn, "draining").push({ ...ref, actionId });
      }
      break;
    }
    case "retry":
      cancelTimer(turn, formatTimerId({ ...id, attempt: action.attempt - 1 }, "retry"));
      break;
    case "delay":
      cancelTimer(turn, formatTimerId(id, "delay"));
      break;
    case "signal":
      forgetWaiter(turn, ref, action);
      break;
    case "queued":
      without(turn, "queue", ref);
  }
  const error = { message, type: null };
  putAction(turn, ref, { ...action, status: "cancelled", phase: "ended", completedAt: turn.at, nextAttemptAt: null, error });
}

export function forgetWaiter(turn: Turn, ref: ActionRef, { attempt }: ActionState): void {
  without(turn, "waiters", ref);
  if (leafOf(turn, ref).timeoutMs !== null) cancelTimer(turn, formatTimerId(actionIdOf(turn, ref, attempt), "timeout"));
}

function without(turn: Turn, key: "queue" | "waiters", ref: ActionRef): void {
  const list = own(turn, key);
  const index = list.findIndex(({ step, item }) => step === ref.step && item === ref.item);
  if (index >= 0) list.splice(index, 1);
}
