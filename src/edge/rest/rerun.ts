import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { askerOf } from "./asker.ts";
import { dagCodes, dagProblem, startCodes } from "./dag-problem.ts";
import { dryRunFields, dryRunView } from "./dry-run-view.ts";
import { idempotencyKeyOf, keyCodes } from "./idempotency-key.ts";
import { route } from "./route.ts";
import { optional, textOrNull } from "./schema.ts";
import { traceHeader, traceIdOf } from "./trace-header.ts";

/** Another run of the definition that the run had. */
export const rerunRun = route({
  method: "POST",
  path: "/api/v1/workflow-runs/:id/rerun",
  summary: "Runs again, all of it or from a step on, with the same input or another; or says, with `dry_run`, what that would do",
  params: z.object({ id: z.string() }),
  body: z.strictObject({
    from_step: z.optional(z.nullable(z.string("expected the id of a step"))),
    dry_run: z.optional(z.boolean("expected true or false")),
    input: z.optional(z.unknown()),
  }),
  success: { json: z.object({ run_id: textOrNull, dry_run: z.optional(z.literal(true)), ...optional(dryRunFields) }) },
  problems: {
    ...startCodes,
    ...keyCodes,
    ...dagCodes("no-such-run", "invalid-input", "cannot-rerun", "idempotency-key-reused", "unreadable-run"),
  },
  handle: async ({ headers, session, params: { id: runId }, body: { from_step, dry_run, input = null } }, { dag }) => {
    const key = idempotencyKeyOf(headers);
    if (!key.ok) return key;
    const asked = { runId, fromStep: from_step || null, input: input as Json, idempotencyKey: key.value, traceId: traceIdOf(headers) };
    if (dry_run === true) {
      const planned = await dag.runs.dryRerun(askerOf(headers, session), asked);
      return planned.ok
        ? ok({ json: { run_id: null, dry_run: true as const, ...dryRunView(planned.value) } })
        : err(dagProblem(planned.error));
    }
    const started = await dag.runs.rerun(askerOf(headers, session), asked);
    if (!started.ok) return err(dagProblem(started.error));
    return ok({ json: { run_id: started.value.runId }, headers: { [traceHeader]: started.value.traceId } });
  },
});
