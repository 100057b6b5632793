import type { Json } from "../json.ts";

/** What an expression can name. `steps` may be made as it is looked at; all else is plain data. */
export type Scope = {
  /** The input of the run. */
  readonly input: Json;
  /** What steps have written with `output_path` and `storage`. */
  readonly ctx: Json;
  readonly steps: { readonly [id: string]: Json };
  readonly run: Json;
  /** What was configured when the run started. */
  readonly config: Json;
  /** In a step with `for_each`, and in its compensation. */
  readonly item?: Json;
  readonly foreach_index?: Json;
  /** In the body and the conditions of a loop. CEL keeps the word `loop` for itself, and knows the same by the three names below. */
  readonly loop?: Json;
  readonly loop_index?: Json;
  readonly loop_iteration?: Json;
  readonly loop_previous_output?: Json;
  /** In the `output_mapping` of a subworkflow. */
  readonly child?: Json;
  /** In `compensate`: what the step gave that is undone. */
  readonly output?: Json;
};
export type Root = keyof Scope;

export const everywhere: readonly Root[] = ["input", "ctx", "steps", "run", "config"];
export const inItem: readonly Root[] = ["item", "foreach_index"];
export const inLoop: readonly Root[] = ["loop", "loop_index", "loop_iteration", "loop_previous_output"];
export const roots: readonly Root[] = [...everywhere, ...inItem, ...inLoop, "child", "output"];
