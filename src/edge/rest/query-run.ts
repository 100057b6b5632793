import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { dagCodes, dagProblem } from "./dag-problem.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const nameLettersMax = 1_000;

/** Also of workflows that are code, by their workflow id. */
export const queryRun = route({
  method: "POST",
  path: "/api/v1/workflow-runs/:id/query",
  summary:
    "Asks a run: `status`, `run`, `steps`, `step`, `input`, `context`, `output` or `timeline`; or the code of a workflow, whatever it answers",
  params: z.object({ id: z.string() }),
  body: z.strictObject({
    query: z
      .string("query required")
      .check(z.minLength(1, "query required"), z.maxLength(nameLettersMax, `at most ${nameLettersMax} letters`)),
    args: z.optional(z.unknown()),
  }),
  success: { json: z.object({ result: z.unknown() }) },
  problems: dagCodes("no-such-namespace", "no-such-run", "unreadable-run", "query-failed"),
  handle: async ({ headers, params: { id }, body: { query: name, args = null } }, { dag }) => {
    const answered = await dag.runs.query(tenantOf(headers), id, { name, args: args as Json });
    return answered.ok ? ok({ json: { result: answered.value } }) : err(dagProblem(answered.error));
  },
});
