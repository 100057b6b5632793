import type { Expression } from "../expression/expression.ts";
import { everywhere, inItem, inLoop, type Root } from "../expression/scope.ts";
import { expressionsOf, type Template } from "../expression/template.ts";
import type { DagSpec, DagStep } from "./spec.ts";

/** An expression of a step, and what it may name. */
export type Use = { readonly expression: Expression; readonly roots: readonly Root[] };

/** Whether a run of it has to know the configuration. */
export function namesConfig({ steps, output }: Pick<DagSpec, "steps" | "output">): boolean {
  const isNamed = ({ names }: Expression): boolean => names.some(([root]) => root === "config");
  return (
    steps.some((step) => usesOf(step).some(({ expression }) => isNamed(expression))) ||
    (output !== null && expressionsOf(output).some(isNamed))
  );
}

/** The expressions of a step. Those of a loop's body are evaluated in the loop. */
export function usesOf(step: Omit<DagStep, "index" | "dependants">): readonly Use[] {
  const here: Root[] = [...everywhere];
  if (step.forEach !== null) here.push(...inItem);
  if (step.activatedBy?.as === "body") here.push(...inLoop);
  const of = (roots: readonly Root[], ...parts: readonly (Template | Expression | null)[]): readonly Use[] =>
    parts
      .filter((part) => part !== null)
      .flatMap((part) => ("kind" in part ? expressionsOf(part) : [part]))
      .map((expression) => ({ expression, roots }));
  const { kind } = step;
  const own = (): readonly Use[] => {
    switch (kind.kind) {
      case "condition":
        return of(here, kind.expression);
      case "switch":
        return of(here, kind.on, ...kind.cases.map(({ equals }) => equals));
      case "loop":
        return of([...here, ...inLoop], kind.while, kind.until);
      case "delay":
        return of(here, kind.until);
      case "storage":
        return of(here, kind.value);
      case "subworkflow":
        return [...of(here, kind.workflowId, kind.inputMapping), ...of([...here, "child"], kind.outputMapping)];
      default:
        return [];
    }
  };
  return [
    ...of(everywhere, step.condition, step.forEach?.items ?? null),
    ...of(here, step.input),
    ...of([...here, "output"], step.compensation?.input ?? null),
    ...own(),
  ];
}
