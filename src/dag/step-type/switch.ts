import {
  dictionary,
  holdsMapping,
  into,
  listOf,
  mapping,
  name,
  type Place,
  type Placed,
  placed,
  type ReadBy,
  report,
} from "../../language/reader.ts";
import type { Expression } from "../expression/expression.ts";
import { readTemplate, type Template } from "../expression/template.ts";
import type { StepFields } from "../spec/fields.ts";
import type { Linker } from "../spec/linker.ts";

/** Takes the branch of the first case that equals the value of its expression. */
export type SwitchKind = {
  readonly kind: "switch";
  readonly on: Expression;
  readonly cases: readonly { readonly equals: Template; readonly target: number }[];
  readonly otherwise: number | null;
};

const readCase = into(
  mapping({ when: readTemplate, target: placed(name) }, { match: "when", value: "when", next: "target", step: "target" }),
  ({ when, target }, at) =>
    when === undefined || target === undefined ? report(at, "a case needs `when` and `target`") : { equals: when, target },
);
type Case = ReadBy<typeof readCase>;
const readCaseMap = into(dictionary(placed(name)), (targets): readonly Case[] =>
  [...targets].map(([value, target]) => ({ equals: { kind: "value", value }, target })),
);
const readCases = (at: Place): readonly Case[] | undefined => (holdsMapping(at) ? readCaseMap(at) : listOf(readCase)(at));
const readSettings = mapping({ cases: readCases, default: placed(name) }, { default_step: "default" });

export function linkSwitch({ condition, input }: StepFields, at: Place, { claim }: Linker): SwitchKind | undefined {
  if (condition === undefined) return report(at, "a switch needs `condition`, whose value chooses the case");
  if (input === undefined) return report(at, "a switch needs `input` with `cases`");
  const settings = readSettings(input.at);
  if (settings === undefined) return undefined;
  const take = (ref: Placed<string>): number | undefined => claim(ref, "case");
  const cases = (settings.cases ?? []).map(({ equals, target }) => ({ equals, target: take(target) }));
  const otherwise = settings.default === undefined ? null : take(settings.default);
  if (cases.length === 0) return report(input.at, "a switch needs `cases`");
  const linked = cases.filter((one): one is { equals: Template; target: number } => one.target !== undefined);
  return linked.length < cases.length || otherwise === undefined
    ? undefined
    : { kind: "switch", on: condition.value, cases: linked, otherwise };
}

export const casesOf = ({ cases, otherwise }: SwitchKind): readonly number[] => [
  ...new Set([...cases.map(({ target }) => target), ...(otherwise === null ? [] : [otherwise])]),
];
