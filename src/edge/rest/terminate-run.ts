import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { remark, route } from "./route.ts";

export const terminateRun = route({
  method: "POST",
  path: "/api/v1/workflow-runs/:id/terminate",
  summary: "Ends a run at once: nothing is waited for, and nothing compensated",
  params: z.object({ id: z.string() }),
  body: z.strictObject({ reason: remark }),
  success: { status: 204 },
  problems: dagCodes("no-such-namespace", "no-such-run", "run-ended"),
  handle: async ({ headers, session, params: { id }, body: { reason } }, { dag }) => {
    const terminated = await dag.runs.terminate(askerOf(headers, session), id, reason ?? "");
    return terminated.ok ? ok({ nothing: true }) : err(dagProblem(terminated.error));
  },
});
