import { err, ok, type Result } from "../base/result.ts";
import type { WantedActivity } from "./decider/effect.ts";
import type { Expression } from "./expression/expression.ts";
import type { Scope } from "./expression/scope.ts";
import { preview } from "./expression/template.ts";
import type { Json } from "./json.ts";
import type { Compensation, DagSpec, DagStep } from "./spec/spec.ts";
import type { ActivityKind } from "./step-type/activity.ts";

/** What a step would do, as far as that is known before anything has run. */
export type PlannedStep = {
  readonly stepId: string;
  readonly type: string;
  readonly dependsOn: readonly string[];
  /** In words of the definition: what has to be for the step to run. */
  readonly runs: "always" | { readonly if: string } | { readonly startedBy: string } | "on-error";
  readonly repeats: "once" | { readonly forEach: string } | { readonly inLoop: string };
  /** Null for what happens inside of the run. */
  readonly action: PlannedAction | null;
  readonly compensation: PlannedAction | null;
};

export type PlannedAction =
  | (Pick<WantedActivity, "target" | "workerId" | "capability" | "riskTags" | "requires" | "packId" | "actorId" | "actorType"> & {
      readonly kind: "activity";
      readonly type: ActivityKind["type"];
      readonly labels: { readonly [name: string]: string };
      /** What depends on results stands as it is written: `${steps.detect.output}`. */
      readonly input: Json;
    })
  | { readonly kind: "child"; readonly workflowId: Json; readonly input: Json };

/** The steps in an order in which they can run. Refused when the input is not what the definition asks for. */
export function dryRun(
  spec: DagSpec,
  {
    input,
    workflowId,
    config = {},
    runId = "dry-run",
  }: { readonly input: Json; readonly workflowId: string; readonly config?: Json; readonly runId?: string },
): Result<readonly PlannedStep[], string> {
  const checked = spec.inputSchema?.check(input);
  if (checked?.ok === false) return err(`input schema validation failed: ${checked.error}`);
  const scope: Scope = { input, ctx: {}, steps: {}, run: { id: runId, workflow_id: workflowId }, config };
  return ok(spec.order.flatMap((index) => (spec.steps[index] === undefined ? [] : [planned(spec, spec.steps[index], scope, workflowId)])));
}

const isKnown = ({ names }: Expression): boolean => names.every(([root]) => root === "input" || root === "config");

function planned(spec: DagSpec, step: DagStep, scope: Scope, workflowId: string): PlannedStep {
  const { kind, activatedBy } = step;
  const nameOf = (index: number): string => spec.steps[index]?.id ?? "";
  return {
    stepId: step.id,
    type: kind.kind === "activity" ? kind.type : kind.kind === "notice" ? "notify" : kind.kind,
    dependsOn: step.dependsOn.map(nameOf),
    runs:
      activatedBy !== null && activatedBy.as !== "handler"
        ? { startedBy: nameOf(activatedBy.by) }
        : activatedBy !== null
          ? "on-error"
          : step.condition !== null
            ? { if: step.condition.source }
            : "always",
    repeats:
      step.forEach !== null
        ? { forEach: step.forEach.items.source }
        : activatedBy?.as === "body"
          ? { inLoop: nameOf(activatedBy.by) }
          : "once",
    action: actionOf(step, scope, workflowId),
    compensation: step.compensation === null ? null : compensating(step.compensation, scope, workflowId),
  };
}

function actionOf({ kind, input }: DagStep, scope: Scope, workflowId: string): PlannedAction | null {
  if (kind.kind === "subworkflow") {
    const given = kind.inputMapping === null ? scope.input : preview(kind.inputMapping, scope, isKnown);
    return { kind: "child", workflowId: preview(kind.workflowId, scope, isKnown), input: given };
  }
  if (kind.kind !== "activity") return null;
  return activity(kind, input === null ? scope.input : preview(input, scope, isKnown), workflowId);
}

const compensating = ({ kind, input }: Compensation, scope: Scope, workflowId: string): PlannedAction =>
  activity(kind, input === null ? `\${output}` : preview(input, scope, isKnown), workflowId);

function activity(kind: ActivityKind, input: Json, workflowId: string): PlannedAction {
  const { type, target, workerId, capability, riskTags, requires, packId, actorId, actorType, labels } = kind;
  return {
    kind: "activity",
    type,
    target: target.to === "topic" ? { to: "topic", topic: target.topic ?? `job.workflow.${workflowId}` } : target,
    workerId,
    capability,
    riskTags,
    requires,
    packId,
    actorId,
    actorType,
    labels,
    input,
  };
}
