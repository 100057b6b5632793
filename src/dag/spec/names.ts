import { type Place, report, warn } from "../../language/reader.ts";
import { expressionsIn } from "../expression/expression.ts";
import { everywhere, inItem, inLoop } from "../expression/scope.ts";
import { expressionsOf, type Template } from "../expression/template.ts";
import { unknownStep } from "./linker.ts";
import type { DagStep } from "./spec.ts";
import { usesOf } from "./uses.ts";
import { endOf, mustPass, startOf } from "./waits.ts";

type Graph = {
  readonly steps: readonly DagStep[];
  readonly waits: readonly (readonly number[])[];
  /** The points, each after those that it waits for. */
  readonly order: readonly number[];
};

/** That expressions name what there is, where it is. */
export function checkNames({ steps, waits, order }: Graph, output: Template | null, at: Place): void {
  const places = expressionsIn(at);
  const positions: number[] = [];
  order.forEach((point, position) => {
    positions[point] = position;
  });
  const ids = steps.map(({ id }) => id);
  const indexOf = new Map(ids.map((id, index) => [id, index]));
  for (const expression of output === null ? [] : expressionsOf(output)) {
    const place = places.get(expression) ?? at;
    for (const [root, field] of expression.names) {
      if (!everywhere.some((known) => known === root)) report(place, `\`${root}\` is not known here`);
      if (root === "steps" && field !== null && !indexOf.has(field)) unknownStep(field, ids, place);
    }
  }
  const hasEnded = (named: number, index: number): boolean => mustPass(waits, positions, { earlier: endOf(named), later: startOf(index) });
  for (const step of steps) {
    for (const { expression, roots } of usesOf(step)) {
      const place = places.get(expression) ?? at;
      for (const [root, field] of expression.names) {
        if (!roots.some((known) => known === root)) report(place, `\`${root}\` is not known here${whereKnown[root] ?? ""}`);
        if (root !== "steps" || field === null) continue;
        const named = indexOf.get(field);
        if (named === undefined) unknownStep(field, ids, place);
        else if (named !== step.index && !isWithin(steps, step, named) && !hasEnded(named, step.index))
          warn(place, `\`${field}\` may not have ended: \`${step.id}\` does not depend on it`);
      }
    }
  }
}

/** A loop looks at its body. */
const isWithin = (steps: readonly DagStep[], step: DagStep, named: number): boolean => {
  const activation = steps[named]?.activatedBy;
  return activation?.as === "body" && activation.by === step.index;
};

const whereKnown: { readonly [root: string]: string } = {
  ...Object.fromEntries(inItem.map((root) => [root, ": it belongs to a step with `for_each`"])),
  ...Object.fromEntries(inLoop.map((root) => [root, ": it belongs to a loop and its body"])),
  child: ": it belongs to `output_mapping`",
  output: ": it belongs to `compensate`",
};
