import { present } from "../../base/assert.ts";
import { ok, type Result } from "../../base/result.ts";
import { type Expression, evaluate } from "../expression/expression.ts";
import { isTrue } from "../expression/simple.ts";
import type { Json } from "../json.ts";
import type { DagStep } from "../spec/spec.ts";
import type { LoopKind } from "../step-type/loop.ts";
import { startAction } from "./action.ts";
import { fatal, type Outcome, succeeded } from "./outcome.ts";
import { finishStep } from "./step.ts";
import { loopLocals, note, putStep, scopeOf, stepOf, type Turn } from "./turn.ts";

export function startLoop(turn: Turn, { index }: DagStep, { body }: LoopKind): void {
  putStep(turn, index, { group: { items: [], actions: [], open: 0, failed: 0, waiting: 0 } });
  putStep(turn, body, { status: "running", startedAt: turn.at });
  turn.agenda.push({ do: "resume", step: index });
}

/** Takes turns as long as they end at once; then it waits. */
export function resumeLoop(turn: Turn, step: DagStep, kind: LoopKind): void {
  const { index } = step;
  for (;;) {
    const group = present(stepOf(turn, index).group, "the turns of a loop");
    if (group.open > 0) return;
    const turns = group.actions.length;
    const end = endOfLoop(turn, kind, turns, group.actions.at(-1)?.output ?? null);
    if (end !== null) {
      finishStep(turn, index, end);
      return;
    }
    putStep(turn, index, { group: { ...group, open: 1 } });
    note(turn, "step_loop_iteration", { stepId: step.id, status: "running", data: { index: turns, iteration: turns + 1 } });
    const outcome = startAction(turn, { step: index, item: turns });
    if (outcome !== null && !turnEnded(turn, step, turns, outcome)) return;
  }
}

/** How the loop ends after so many turns; null when there is another one. */
function endOfLoop(turn: Turn, kind: LoopKind, turns: number, last: Json): Outcome | null {
  const done = succeeded({ iterations: turns, last_output: last });
  if (turns > 0 && kind.until !== null) {
    const reached = test(turn, kind.until, turns - 1, last);
    if (!reached.ok) return fatal(reached.error);
    if (reached.value) return done;
  }
  if (kind.while !== null) {
    const goesOn = test(turn, kind.while, turns, last);
    if (!goesOn.ok) return fatal(goesOn.error);
    if (!goesOn.value) return done;
  }
  if (turns < kind.turnsMax) return null;
  const isCounted = kind.until === null && kind.while === null;
  return isCounted ? done : fatal(`the loop has not come to its end in ${kind.turnsMax} turns`);
}

/** `until` may look at what the turn has just given as `loop.previous_output`, as `while` does. */
function test(turn: Turn, expression: Expression, index: number, last: Json): Result<boolean, string> {
  const value = evaluate(expression, scopeOf(turn, loopLocals(index, last)));
  return value.ok ? ok(isTrue(value.value)) : value;
}

/** Whether the loop goes on after a turn. */
export function turnEnded(turn: Turn, { index }: DagStep, item: number, outcome: Outcome): boolean {
  const group = present(stepOf(turn, index).group, "the turns of a loop");
  putStep(turn, index, { group: { ...group, open: 0 } });
  if (outcome.status === "succeeded") return true;
  finishStep(turn, index, { ...outcome, error: { ...outcome.error, message: `turn ${item + 1}: ${outcome.error.message}` } });
  return false;
}
