import { evaluate } from "../expression/expression.ts";
import { isEqual } from "../expression/simple.ts";
import { render } from "../expression/template.ts";
import type { Json } from "../json.ts";
import type { DagStep } from "../spec/spec.ts";
import { casesOf, type SwitchKind } from "../step-type/switch.ts";
import { fatal, succeeded } from "./outcome.ts";
import { activate, finishStep, skipStep } from "./step.ts";
import { scopeOf, specOf, type Turn } from "./turn.ts";

export function takeSwitch(turn: Turn, { index }: DagStep, kind: SwitchKind): void {
  const scope = scopeOf(turn);
  const value = evaluate(kind.on, scope);
  if (!value.ok) {
    finishStep(turn, index, fatal(value.error));
    return;
  }
  let matched: { readonly position: number; readonly target: number } | null = null;
  for (const [position, { equals, target }] of kind.cases.entries()) {
    const expected = render(equals, scope);
    if (!expected.ok) {
      finishStep(turn, index, fatal(expected.error));
      return;
    }
    if (isEqual(value.value, expected.value)) {
      matched = { position, target };
      break;
    }
  }
  const target = matched?.target ?? kind.otherwise;
  const output: Json = {
    matched_case: matched === null ? (kind.otherwise === null ? null : "default") : matched.position,
    matched_value: value.value,
    target_step: target === null ? null : specOf(turn, target).id,
  };
  finishStep(turn, index, succeeded(output));
  takeCase(turn, kind, target);
}

export function takeCase(turn: Turn, kind: SwitchKind, target: number | null): void {
  for (const one of casesOf(kind)) if (one !== target) skipStep(turn, one, "switch_branch_not_taken");
  if (target !== null) activate(turn, target);
}
