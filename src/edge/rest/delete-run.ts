import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const deleteRun = route({
  method: "DELETE",
  path: "/api/v1/workflow-runs/:id",
  summary: "Removes a run with its history, after terminating it if it is open",
  params: z.object({ id: z.string() }),
  success: { status: 204 },
  problems: dagCodes("no-such-namespace", "no-such-run"),
  handle: async ({ headers, params: { id } }, { dag }) => {
    const removed = await dag.runs.remove(tenantOf(headers), id);
    return removed.ok ? ok({ nothing: true }) : err(dagProblem(removed.error));
  },
});
