import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { anyTime } from "./job-query.ts";
import { someOf, text, time, wholeNumber } from "./query.ts";
import { cursorCodes, route } from "./route.ts";
import { listedRunSchema, listedRunView, statusWords } from "./run-view.ts";
import { listOf, pageOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 1_000;
const limitDefault = 50;
const ofWorkflowMax = 100;

export const listRuns = route({
  method: "GET",
  path: "/api/v1/workflow-runs",
  summary: "Runs, the newest first",
  query: z.strictObject({
    workflow_id: z.optional(text),
    status: z.optional(someOf(statusWords)),
    org_id: z.optional(text),
    team_id: z.optional(text),
    trace_id: z.optional(text),
    q: z.optional(text),
    started_after: z.optional(time),
    started_before: z.optional(time),
    updated_after: z.optional(anyTime),
    updated_before: z.optional(anyTime),
    limit: z.optional(wholeNumber(1, limitMax)),
    cursor: z.optional(text),
  }),
  success: { json: pageOf(listedRunSchema) },
  problems: { ...dagCodes("no-such-namespace"), ...cursorCodes },
  handle: async ({ headers, query }, { dag }) => {
    const listed = await dag.runs.list(tenantOf(headers), {
      workflowId: query.workflow_id,
      statuses: query.status,
      orgId: query.org_id,
      teamId: query.team_id,
      traceId: query.trace_id,
      text: query.q,
      startedAfter: query.started_after,
      startedBefore: query.started_before,
      updatedAfter: query.updated_after,
      updatedBefore: query.updated_before,
      limit: query.limit ?? limitDefault,
      after: query.cursor ?? null,
    });
    if (!listed.ok) return err(dagProblem(listed.error));
    const { runs, next } = listed.value;
    return ok({ json: { items: runs.map(listedRunView), next_cursor: next } });
  },
});

/** A plain list, as Cordum's clients expect it. */
export const listRunsOfWorkflow = route({
  method: "GET",
  path: "/api/v1/workflows/:id/runs",
  summary: "Runs of a workflow, the newest first",
  params: z.object({ id: z.string() }),
  success: { json: listOf(listedRunSchema) },
  problems: dagCodes("no-such-namespace"),
  handle: async ({ headers, params: { id } }, { dag }) => {
    const listed = await dag.runs.list(tenantOf(headers), { workflowId: id, limit: ofWorkflowMax, after: null });
    return listed.ok ? ok({ json: listed.value.runs.map(listedRunView) }) : err(dagProblem(listed.error));
  },
});
