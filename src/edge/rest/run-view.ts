import * as z from "zod/mini";
import type { ShownRun } from "../../service/dag/dag-runs.ts";
import type { ListedRun } from "../../service/dag/listed-runs.ts";
import type { RunRecord } from "../../service/dag/run-record.ts";
import { named, textOrNull, textsByName, timeOrNull, timeText } from "./schema.ts";

export const statusWords = ["pending", "running", "waiting", "succeeded", "failed", "denied", "timed_out", "cancelled"] as const;

/** What a list says of a run. */
const listedFields = {
  id: z.string(),
  workflow_id: z.string(),
  status: z.enum(statusWords),
  started_at: timeOrNull,
  completed_at: timeOrNull,
  created_at: timeText,
  updated_at: timeOrNull,
  org_id: z.string(),
  team_id: z.string(),
  trace_id: z.string(),
  /** In US dollars, as the workers of its steps have reported it. In lists, as it was when the status last changed. */
  total_cost: z.number(),
  triggered_by: z.string(),
  labels: z.readonly(textsByName),
  idempotency_key: textOrNull,
  rerun_of: textOrNull,
  rerun_step: textOrNull,
  parent_run_id: textOrNull,
  dry_run: z.boolean(),
  /** SHA-256 of the definition that it runs by. */
  definition: z.string(),
};
export const listedRunSchema = named("ListedRun", z.object(listedFields));

export const runSchema = named(
  "Run",
  z.object({
    ...listedFields,
    input: z.unknown(),
    context: z.unknown(),
    output: z.unknown(),
    error: z.nullable(z.object({ message: z.string(), step_id: z.optional(z.string()) })),
    steps: z.readonly(z.record(z.string(), z.unknown())),
    compensations: z.readonly(z.array(z.unknown())),
    metadata: textsByName,
  }),
);

const recordView = ({
  orgId,
  teamId,
  traceId,
  triggeredBy,
  labels,
  idempotencyKey,
  rerunOf,
  rerunStep,
  parentRunId,
  definition,
}: RunRecord) => ({
  org_id: orgId,
  team_id: teamId,
  trace_id: traceId,
  triggered_by: triggeredBy,
  labels,
  idempotency_key: idempotencyKey,
  rerun_of: rerunOf,
  rerun_step: rerunStep,
  parent_run_id: parentRunId,
  // A dry run leaves no run.
  dry_run: false,
  definition,
});

export const listedRunView = ({
  runId,
  workflowId,
  status,
  startedAt,
  closedAt,
  updatedAt,
  cost,
  record,
}: ListedRun): z.infer<typeof listedRunSchema> => ({
  id: runId,
  workflow_id: workflowId,
  status,
  started_at: new Date(startedAt).toISOString(),
  completed_at: closedAt === null ? null : new Date(closedAt).toISOString(),
  created_at: new Date(startedAt).toISOString(),
  updated_at: new Date(updatedAt).toISOString(),
  total_cost: cost,
  ...recordView(record),
});

/** Source: the workflow run of Cordum's API; `trace_id`, `compensations`, `definition` and `parent_run_id` are ours. */
export const shownRunView = ({ view, record, createdAt, cost }: ShownRun): z.infer<typeof runSchema> => ({
  ...view,
  ...recordView(record),
  metadata: {
    ...(record.rerunOf === null ? {} : { rerun_of: record.rerunOf }),
    ...(record.rerunStep === null ? {} : { rerun_step: record.rerunStep }),
    ...(record.parentRunId === null ? {} : { parent_run_id: record.parentRunId }),
  },
  total_cost: cost,
  created_at: new Date(createdAt).toISOString(),
});
