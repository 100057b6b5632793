import { err, ok, type Result } from "../base/result.ts";
import type { KeptStep } from "./decider/event.ts";
import type { DagState } from "./decider/state.ts";
import { notTaken } from "./decider/step.ts";
import { fieldOf, isObject, type Json, type JsonObject, withValueAt } from "./json.ts";
import type { DagSpec } from "./spec/spec.ts";
import { before, endOf, startOf, waitsOf } from "./spec/waits.ts";

/** What another run takes over: the results before a step, and the memory without what later steps have written. */
export type Rerun = { readonly kept: { readonly [stepId: string]: KeptStep }; readonly context: JsonObject };

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
    const { activatedBy: starter } = definition;
    // A handler that nobody needed may be needed now, by a step that runs again.
    if (status === "cancelled" && starter?.as === "handler") continue;
    const isBranch = starter?.as === "branch";
    const isNotTaken = status === "cancelled" && notTaken.has(was.error?.message ?? "") && (!isBranch || passed.has(endOf(starter.by)));
    if (status !== "succeeded" && !isNotTaken) return err(`dependency ${definition.id} not succeeded`);
    kept[definition.id] = { status, output, startedAt, completedAt };
    if (status === "succeeded" && definition.outputPath !== null) context = withValueAt(context, definition.outputPath, output);
  }
  if (activatedBy !== null) {
    const chosen = kept[spec.steps[activatedBy.by]?.id ?? ""]?.output ?? null;
    if (fieldOf(chosen, "target_step") !== fromStep) return err(`\`${fromStep}\` was not taken by \`${spec.steps[activatedBy.by]?.id}\``);
  }
  return ok({ kept, context: isObject(context) ? context : {} });
}
