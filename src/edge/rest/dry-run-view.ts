import * as z from "zod/mini";
import type { Decision } from "../../governance/policy/decide.ts";
import type { DryRun } from "../../service/dag/dag-runs.ts";
import type { DryRunStep } from "../../service/dag/dry-run.ts";
import { decisionSchema, decisionView } from "./decision-view.ts";
import { listOf, named, textOrNull, texts, textsByName } from "./schema.ts";

const actionSchema = z.object({
  topic: textOrNull,
  task_queue: textOrNull,
  activity_type: textOrNull,
  /** Of a subworkflow. */
  workflow_id: z.unknown(),
  input: z.unknown(),
  capability: textOrNull,
  risk_tags: texts,
  labels: z.readonly(textsByName),
  decision: z.nullable(decisionSchema),
});

const dryRunStepSchema = named(
  "DryRunStep",
  z.object({
    step_id: z.string(),
    type: z.string(),
    depends_on: texts,
    runs: z.unknown(),
    repeats: z.unknown(),
    /** Null for what happens inside of the run. */
    action: z.nullable(actionSchema),
    compensation: z.nullable(actionSchema),
  }),
);

export const dryRunFields = { workflow_id: z.string(), definition: z.string(), steps: listOf(dryRunStepSchema) };
export const dryRunSchema = named("DryRun", z.object(dryRunFields));

export const dryRunView = ({ workflowId, definition, steps }: DryRun): z.infer<typeof dryRunSchema> => ({
  workflow_id: workflowId,
  definition,
  steps: steps.map(stepView),
});

const stepView = (step: DryRunStep): z.infer<typeof dryRunStepSchema> => ({
  step_id: step.stepId,
  type: step.type,
  depends_on: step.dependsOn,
  runs: typeof step.runs === "object" && "startedBy" in step.runs ? { started_by: step.runs.startedBy } : step.runs,
  repeats: repeatsView(step.repeats),
  action: actionView(step.action, step.decision, step.taskQueue),
  compensation: actionView(step.compensation, step.compensationDecision, step.compensationTaskQueue),
});

function repeatsView(repeats: DryRunStep["repeats"]): unknown {
  if (repeats === "once") return repeats;
  return "forEach" in repeats ? { for_each: repeats.forEach } : { in_loop: repeats.inLoop };
}

function actionView(
  action: DryRunStep["action"],
  decision: Decision | null,
  taskQueue: string | null,
): z.infer<typeof actionSchema> | null {
  if (action === null) return null;
  const decided = decision === null ? null : decisionView(decision);
  if (action.kind === "child") return { ...nothing, workflow_id: action.workflowId, input: action.input, decision: decided };
  const { target, input, capability, riskTags, labels } = action;
  return {
    topic: target.to === "topic" ? target.topic : null,
    task_queue: taskQueue,
    activity_type: target.to === "topic" ? target.topic : target.activityType,
    workflow_id: null,
    input,
    capability,
    risk_tags: riskTags,
    labels,
    decision: decided,
  };
}

const nothing = { topic: null, task_queue: null, activity_type: null, capability: null, risk_tags: [], labels: {} };
