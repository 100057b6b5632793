import { mapping, name, type Place, placed, report, wholeNumber } from "../../language/reader.ts";
import { type Expression, readExpression } from "../expression/expression.ts";
import type { StepFields } from "../spec/fields.ts";
import type { Linker } from "../spec/linker.ts";

/** Repeats one step: as long as `while` holds, which is asked before each turn, and until `until` does, which is asked after each. */
export type LoopKind = {
  readonly kind: "loop";
  readonly body: number;
  readonly turnsMax: number;
  readonly while: Expression | null;
  readonly until: Expression | null;
};

const turnsDefault = 100;
const readSettings = mapping(
  { body: placed(name), maxIterations: wholeNumber(1, 10_000), while: readExpression, until: readExpression },
  { body_step: "body", condition: "while" },
);

export function linkLoop({ input, condition }: StepFields, at: Place, { claim }: Linker): LoopKind | undefined {
  if (input === undefined) return report(at, "a loop needs `input` with `body`");
  const settings = readSettings(input.at);
  if (settings === undefined) return undefined;
  if (condition !== undefined) return report(condition.at, "the condition of a loop stands in its `input`, as `while`");
  if (settings.body === undefined) return report(input.at, "a loop needs `body`: the step that it repeats");
  const body = claim(settings.body, "body");
  if (body === undefined) return undefined;
  const { maxIterations = turnsDefault, while: goesOn = null, until = null } = settings;
  return { kind: "loop", body, turnsMax: maxIterations, while: goesOn, until };
}
