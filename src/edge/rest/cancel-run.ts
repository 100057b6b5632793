import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { remark, route } from "./route.ts";

const because = z.strictObject({ reason: remark });
const codes = dagCodes("no-such-namespace", "no-such-run", "run-ended");

export const cancelRun = route({
  method: "POST",
  path: "/api/v1/workflow-runs/:id/cancel",
  summary: "Asks a run to cancel: it gives up what is under way, and compensates what it has done if its definition says so",
  params: z.object({ id: z.string() }),
  body: because,
  success: { status: 204 },
  problems: codes,
  handle: async ({ headers, session, params: { id }, body: { reason } }, { dag }) => {
    const cancelled = await dag.runs.cancel(askerOf(headers, session), id, reason ?? "");
    return cancelled.ok ? ok({ nothing: true }) : err(dagProblem(cancelled.error));
  },
});

/** The same at the place where Cordum has it. */
export const cancelRunOfWorkflow = route({
  method: "POST",
  path: "/api/v1/workflows/:workflow/runs/:id/cancel",
  summary: "Asks a run to cancel",
  params: z.object({ workflow: z.string(), id: z.string() }),
  body: because,
  success: { status: 204 },
  problems: codes,
  handle: async ({ headers, session, params: { id }, body: { reason } }, { dag }) => {
    const cancelled = await dag.runs.cancel(askerOf(headers, session), id, reason ?? "");
    return cancelled.ok ? ok({ nothing: true }) : err(dagProblem(cancelled.error));
  },
});
