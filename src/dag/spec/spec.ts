import type { DurationMs } from "../../base/time.ts";
import type { Expression } from "../expression/expression.ts";
import type { Template } from "../expression/template.ts";
import type { Json } from "../json.ts";
import type { Schema } from "../schema.ts";
import type { ActivityKind } from "../step-type/activity.ts";
import type { StepKind } from "../step-type/step-types.ts";
import type { Ending } from "./fields.ts";
import type { Retry } from "./retry.ts";

/** A workflow definition, read, checked and linked. Immutable: a run keeps the one that it started with. */
export type DagSpec = {
  /** Null when whoever keeps the definition is to name it. */
  readonly id: string | null;
  readonly orgId: string | null;
  readonly teamId: string | null;
  readonly name: string | null;
  readonly description: string | null;
  readonly version: string | null;
  readonly createdBy: string | null;
  readonly timeoutMs: DurationMs | null;
  /** How many runs may be open at once, null for any number. Further ones wait. */
  readonly maxConcurrentRuns: number | null;
  readonly inputSchema: Schema | null;
  readonly parameters: Json;
  readonly config: Json;
  readonly labels: ReadonlyMap<string, string>;
  /** The output of the run; without it, there is none. */
  readonly output: Template | null;
  /** With which ends of a run its finished steps are compensated. */
  readonly compensateOn: ReadonlySet<Ending>;
  readonly steps: readonly DagStep[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** The indexes of the steps, each after all that it waits for. */
  readonly order: readonly number[];
};

/** Other steps are named by their index, so that going from one to the next looks nothing up. */
export type DagStep = {
  readonly index: number;
  readonly id: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly kind: StepKind;
  /** All must have ended, and one of them have been taken. Without the step that activates this one. */
  readonly dependsOn: readonly number[];
  readonly dependants: readonly number[];
  /** A step that is started by another one: a branch of a switch or of a parallel step, the body of a loop, a handler of errors. */
  readonly activatedBy: Activation | null;
  /** Branches of this switch or parallel step, the body of this loop. */
  readonly activates: readonly number[];
  /** How many steps name this one in `on_error`. */
  readonly handlesErrorsOf: number;
  /** If false, the step succeeds without doing anything. */
  readonly condition: Expression | null;
  readonly forEach: { readonly items: Expression; readonly parallelMax: number } | null;
  readonly input: Template | null;
  readonly inputSchema: Schema | null;
  readonly outputSchema: Schema | null;
  readonly outputPath: readonly string[] | null;
  readonly onError: number | null;
  readonly continueOnError: boolean;
  readonly retry: Retry;
  readonly timeoutMs: DurationMs | null;
  readonly compensation: Compensation | null;
};

export type Activation = { readonly as: "branch" | "case" | "body"; readonly by: number } | { readonly as: "handler" };
export type Compensation = { readonly kind: ActivityKind; readonly input: Template | null; readonly retry: Retry };

/** How many items of a `for_each` are open at once when `max_parallel` does not say. */
export const parallelDefault = 50;
export const stepsMax = 5_000;
