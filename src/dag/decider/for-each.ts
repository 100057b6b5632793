import { present } from "../../base/assert.ts";
import { evaluate } from "../expression/expression.ts";
import { isList } from "../json.ts";
import type { DagStep } from "../spec/spec.ts";
import { startAction } from "./action.ts";
import { fatal, type Outcome, succeeded } from "./outcome.ts";
import { finishStep } from "./step.ts";
import { putStep, scopeOf, stepOf, type Turn } from "./turn.ts";

export const itemsMax = 20_000;
type ForEach = NonNullable<DagStep["forEach"]>;

export function startForEach(turn: Turn, { index }: DagStep, { items }: ForEach): void {
  const value = evaluate(items, scopeOf(turn));
  if (!value.ok) finishStep(turn, index, fatal(value.error));
  else if (!isList(value.value)) finishStep(turn, index, fatal("`for_each` gave no list"));
  else if (value.value.length > itemsMax)
    finishStep(turn, index, fatal(`\`for_each\` gave ${value.value.length} items, and at most ${itemsMax} are allowed`));
  else {
    putStep(turn, index, { group: { items: value.value, actions: [], open: 0, failed: 0, waiting: 0 } });
    turn.agenda.push({ do: "resume", step: index });
  }
}

/** Starts as many items as may be open; when all have ended, so has the step. */
export function resumeForEach(turn: Turn, step: DagStep, { parallelMax }: ForEach): void {
  const { index } = step;
  for (;;) {
    const group = present(stepOf(turn, index).group, "the items of a step");
    if (group.open >= parallelMax || group.actions.length >= group.items.length) break;
    putStep(turn, index, { group: { ...group, open: group.open + 1 } });
    const ref = { step: index, item: group.actions.length };
    const outcome = startAction(turn, ref);
    if (outcome !== null && !itemEnded(turn, step, ref.item, outcome)) return;
  }
  const { open, failed, actions, items } = present(stepOf(turn, index).group, "the items of a step");
  if (open > 0 || actions.length < items.length) return;
  finishStep(turn, index, failed > 0 ? fatal(`${failed} of ${items.length} items failed`) : succeeded(actions.map(({ output }) => output)));
}

/** Counts an item that has ended. The first that fails ends the step, unless errors do not stop it. Whether the step goes on. */
export function itemEnded(turn: Turn, { index, continueOnError }: DagStep, item: number, outcome: Outcome): boolean {
  const group = present(stepOf(turn, index).group, "the items of a step");
  const isBad = outcome.status !== "succeeded";
  putStep(turn, index, { group: { ...group, open: group.open - 1, failed: group.failed + (isBad ? 1 : 0) } });
  if (!isBad || (continueOnError && outcome.status !== "denied")) return true;
  finishStep(turn, index, { ...outcome, error: { ...outcome.error, message: `item ${item}: ${outcome.error.message}` } });
  return false;
}
