import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { askerOf } from "./asker.ts";
import { boundCodes, dagCodes, dagProblem } from "./dag-problem.ts";
import { idempotencyKeyOf, keyCodes } from "./idempotency-key.ts";
import { route } from "./route.ts";

const nameLettersMax = 1_000;

export const signalRun = route({
  method: "POST",
  path: "/api/v1/workflow-runs/:id/signal",
  summary: "Sends a signal, once for an `Idempotency-Key`: for the step that waits for it, or will",
  params: z.object({ id: z.string() }),
  body: z.strictObject({
    name: z
      .string("name required")
      .check(z.minLength(1, "name required"), z.maxLength(nameLettersMax, `at most ${nameLettersMax} letters`)),
    payload: z.optional(z.unknown()),
  }),
  success: { status: 204 },
  problems: { ...dagCodes("no-such-namespace", "no-such-run", "run-ended"), ...keyCodes, ...boundCodes },
  handle: async ({ headers, session, params: { id }, body: { name, payload = null } }, { dag }) => {
    const key = idempotencyKeyOf(headers);
    if (!key.ok) return key;
    const signal = { name, payload: payload as Json, requestId: key.value ?? "" };
    const signalled = await dag.runs.signal(askerOf(headers, session), id, signal);
    return signalled.ok ? ok({ nothing: true }) : err(dagProblem(signalled.error));
  },
});
