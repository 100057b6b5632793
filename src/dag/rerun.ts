import { err, ok, type Result } from "../base/result.ts";
import type { KeptStep } from "./decider/event.ts";
import type { DagState } from "./decider/state.ts";
import { type Json, withValueAt } from "./json.ts";
import type { DagSpec } from "./spec/spec.ts";
import { before, endOf, startOf, waitsOf } from "./spec/waits.ts";

/** What another run takes over: the results before a step, and the memory without what later steps have written. */
export type Rerun = { readonly kept: { readonly [stepId: string]: KeptStep }; readonly context: Json };

/** Refused with a sentence: no such step, it is started by another one, or what it depends on has not succeeded. */
export function rerunFrom(spec: DagSpec, state: DagState, fromStep: string): Result<Rerun, string> {
  const index = spec.indexOf.get(fromStep);
  const step = index === undefined ? undefined : spec.steps[index];
  if (index === undefined || step === undefined) return err("step not found");
  const { activatedBy } = step;
  if (activatedBy !== null && activatedBy.as !== "case")
    return err(
      activatedBy.as === "handler"
        ? `\`${fromStep}\` handles errors: rerun from a step that it handles`
        : `\`${fromStep}\` is started by \`${spec.steps[activatedBy.by]?.id}\`: rerun from there`,
    );
  const passed = before(waitsOf(spec.steps), startOf(index));
  const kept: { [stepId: string]: KeptStep } = {};
  let context: Json = {};
  for (const earlier of spec.order) {
    const was = state.steps[earlier];
    const definition = spec.steps[earlier];
    if (!passed.has(endOf(earlier)) || was === undefined || definition === undefined) continue;
    const { status, output, startedAt, completedAt } = was;
    const isSkipped = status === "cancelled" && was.startedAt === null;
    const isLoser = status === "cancelled" && definition.activatedBy?.as === "branch";
    if (status !== "succeeded" && !isSkipped && !isLoser) return err(`dependency ${definition.id} not succeeded`);
    kept[definition.id] = { status, output, startedAt, completedAt };
    if (status === "succeeded" && definition.outputPath !== null) context = withValueAt(context, definition.outputPath, output);
  }
  return ok({ kept, context });
}
