import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const deleteWorkflow = route({
  method: "DELETE",
  path: "/api/v1/workflows/:id",
  summary: "Deletes a workflow: its runs stay, and go on",
  params: z.object({ id: z.string() }),
  success: { status: 204 },
  problems: dagCodes("no-such-namespace", "no-such-workflow", "busy"),
  handle: async ({ headers, params: { id } }, { dag }) => {
    const removed = await dag.workflows.remove(tenantOf(headers), id);
    return removed.ok ? ok({ nothing: true }) : err(dagProblem(removed.error));
  },
});
