import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { listOf, named, timeText } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 1_000;
const limitDefault = 200;
const linesMax = 10_000_000;

const timelineEventSchema = named(
  "TimelineEvent",
  z.object({
    time: timeText,
    type: z.string(),
    run_id: z.string(),
    workflow_id: z.string(),
    step_id: z.optional(z.string()),
    job_id: z.optional(z.string()),
    status: z.optional(z.string()),
    message: z.optional(z.string()),
    data: z.optional(z.readonly(z.record(z.string(), z.unknown()))),
  }),
);

/** A plain list from the oldest line on, as Cordum's clients expect it: the next page begins at `cursor` plus what this one has. */
export const getRunTimeline = route({
  method: "GET",
  path: "/api/v1/workflow-runs/:id/timeline",
  summary: "What has happened in a run, the oldest first; lines are added, and never change. `cursor` is how many lines to pass over",
  params: z.object({ id: z.string() }),
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)), cursor: z.optional(wholeNumber(0, linesMax)) }),
  success: { json: listOf(timelineEventSchema) },
  problems: dagCodes("no-such-namespace", "no-such-run", "unreadable-run"),
  handle: async ({ headers, params: { id }, query: { limit = limitDefault, cursor = 0 } }, { dag }) => {
    const read = await dag.runs.timeline(tenantOf(headers), id, { skip: cursor, limit });
    return read.ok ? ok({ json: read.value }) : err(dagProblem(read.error));
  },
});
