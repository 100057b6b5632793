import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { oneOf, text, time, wholeNumber } from "./query.ts";
import { cursorCodes, route } from "./route.ts";
import { listedRunSchema, listedRunView, statusWords } from "./run-view.ts";
import { listOf, pageOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 1_000;
const limitDefault = 50;
const ofWorkflowMax = 100;
const statuses = new Map(statusWords.map((word) => [word, word]));

export const listRuns = route({
  method: "GET",
  path: "/api/v1/workflow-runs",
  summary: "Runs, the newest first",
  query: z.strictObject({
    workflow_id: z.optional(text),
    status: z.optional(oneOf(statuses)),
    started_after: z.optional(time),
    started_before: z.optional(time),
    limit: z.optional(wholeNumber(1, limitMax)),
    cursor: z.optional(text),
  }),
  success: { json: pageOf(listedRunSchema) },
  problems: { ...dagCodes("no-such-namespace"), ...cursorCodes },
  handle: async ({ headers, query }, { dag }) => {
    const { workflow_id: workflowId, status, started_after: startedAfter, started_before: startedBefore, limit, cursor } = query;
    const page = { workflowId, status, startedAfter, startedBefore, limit: limit ?? limitDefault, after: cursor ?? null };
    const listed = await dag.runs.list(tenantOf(headers), page);
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
    const page = {
      workflowId: id,
      status: undefined,
      startedAfter: undefined,
      startedBefore: undefined,
      limit: ofWorkflowMax,
      after: null,
    };
    const listed = await dag.runs.list(tenantOf(headers), page);
    return listed.ok ? ok({ json: listed.value.runs.map(listedRunView) }) : err(dagProblem(listed.error));
  },
});
