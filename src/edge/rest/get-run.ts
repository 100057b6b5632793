import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { route } from "./route.ts";
import { runSchema, shownRunView } from "./run-view.ts";
import { tenantOf } from "./tenant.ts";

export const getRun = route({
  method: "GET",
  path: "/api/v1/workflow-runs/:id",
  summary: "A run with its steps",
  params: z.object({ id: z.string() }),
  success: { json: runSchema },
  problems: dagCodes("no-such-namespace", "no-such-run", "unreadable-run"),
  handle: async ({ headers, params: { id } }, { dag }) => {
    const found = await dag.runs.get(tenantOf(headers), id);
    return found.ok ? ok({ json: shownRunView(found.value) }) : err(dagProblem(found.error));
  },
});
