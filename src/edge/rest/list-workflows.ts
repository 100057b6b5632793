import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { text, wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";
import { workflowSchema, workflowView } from "./workflow-view.ts";
import { writtenIn } from "./written.ts";

const limitMax = 1_000;
const limitDefault = 100;

/** A plain list, as Cordum's clients expect it. */
export const listWorkflows = route({
  method: "GET",
  path: "/api/v1/workflows",
  summary: "Workflows, the one that was changed last first",
  query: z.strictObject({ org_id: z.optional(text), limit: z.optional(wholeNumber(1, limitMax)) }),
  success: { json: listOf(workflowSchema) },
  problems: dagCodes("no-such-namespace"),
  handle: async ({ headers, query: { org_id, limit } }, { dag }) => {
    const found = await dag.workflows.list(tenantOf(headers));
    if (!found.ok) return err(dagProblem(found.error));
    const views = found.value.map((workflow) => workflowView(workflow, writtenIn(workflow.text)));
    const wanted = org_id === undefined ? views : views.filter(({ definition }) => definition.org_id === org_id);
    return ok({ json: wanted.slice(0, limit ?? limitDefault) });
  },
});
