import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";
import { workflowSchema, workflowTag, workflowView } from "./workflow-view.ts";
import { writtenIn } from "./written.ts";

export const getWorkflow = route({
  method: "GET",
  path: "/api/v1/workflows/:id",
  summary: "A workflow, with its definition as it was sent",
  params: z.object({ id: z.string() }),
  success: { json: workflowSchema, etag: true },
  problems: dagCodes("no-such-namespace", "no-such-workflow"),
  handle: async ({ headers, params: { id } }, { dag }) => {
    const found = await dag.workflows.get(tenantOf(headers), id);
    if (!found.ok) return err(dagProblem(found.error));
    return ok({ json: workflowView(found.value, writtenIn(found.value.text)), headers: { etag: workflowTag(found.value) } });
  },
});
