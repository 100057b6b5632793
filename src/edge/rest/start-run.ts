import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { askerOf } from "./asker.ts";
import { dagCodes, dagProblem, startCodes } from "./dag-problem.ts";
import { dryRunFields, dryRunSchema, dryRunView } from "./dry-run-view.ts";
import { idempotencyKeyOf, keyCodes } from "./idempotency-key.ts";
import type { Problem } from "./problem.ts";
import { flag, text } from "./query.ts";
import { invalid, route } from "./route.ts";
import { optional, textOrNull } from "./schema.ts";
import { traceHeader, traceIdOf } from "./trace-header.ts";

const envelope = z.strictObject({
  input: z.unknown(),
  dry_run: z.optional(z.boolean("expected true or false")),
  labels: z.optional(z.record(z.string(), z.string("expected a text"), "expected texts by name")),
});
type Envelope = { readonly input: Json; readonly dryRun: boolean; readonly labels: { readonly [name: string]: string } };

/**
 * What the body of a start says. An object with `input`, and with nothing but `input`, `dry_run` and `labels`, is about the run; anything else
 * is the input itself, as Cordum's first clients send it.
 */
function envelopeIn(body: unknown): Result<Envelope, Problem> {
  const isEnvelope =
    typeof body === "object" &&
    body !== null &&
    "input" in body &&
    Object.keys(body).every((key) => key === "input" || key === "dry_run" || key === "labels");
  if (!isEnvelope) return ok({ input: body as Json, dryRun: false, labels: {} });
  const parsed = envelope.safeParse(body);
  if (!parsed.success) return err(invalid(parsed.error.issues.map((issue) => ({ ...issue, path: ["body", ...issue.path] }))));
  const { input, dry_run: dryRun = false, labels = {} } = parsed.data;
  return ok({ input: input as Json, dryRun, labels });
}

const params = z.object({ id: z.string() });

/** A dry run starts nothing, and has no run id. */
export const startRun = route({
  method: "POST",
  path: "/api/v1/workflows/:id/runs",
  summary: "Starts a run, once for an `Idempotency-Key`; or says, with `dry_run`, what it would do",
  params,
  query: z.strictObject({
    dry_run: z.optional(flag),
    org_id: z.optional(text),
    team_id: z.optional(text),
    idempotency_key: z.optional(text),
  }),
  body: z.unknown(),
  success: { json: z.object({ run_id: textOrNull, dry_run: z.optional(z.literal(true)), ...optional(dryRunFields) }) },
  problems: { ...startCodes, ...keyCodes, ...dagCodes("no-such-workflow", "invalid-input", "idempotency-key-reused") },
  handle: async ({ headers, session, params: { id }, query: { dry_run, org_id, team_id, idempotency_key }, body }, { dag }) => {
    const asked = envelopeIn(body);
    const idempotencyKey = idempotencyKeyOf(headers, idempotency_key ?? null);
    if (!asked.ok) return asked;
    if (!idempotencyKey.ok) return idempotencyKey;
    const { input, labels, dryRun } = asked.value;
    if (dryRun || dry_run === true) {
      const planned = await dag.runs.dryRun(askerOf(headers, session), { workflowId: id, input, labels });
      return planned.ok
        ? ok({ json: { run_id: null, dry_run: true as const, ...dryRunView(planned.value) } })
        : err(dagProblem(planned.error));
    }
    const of = { orgId: org_id ?? null, teamId: team_id ?? null, traceId: traceIdOf(headers) };
    const started = await dag.runs.start(askerOf(headers, session), {
      workflowId: id,
      input,
      labels,
      idempotencyKey: idempotencyKey.value,
      ...of,
    });
    if (!started.ok) return err(dagProblem(started.error));
    return ok({ json: { run_id: started.value.runId }, headers: { [traceHeader]: started.value.traceId } });
  },
});

/** Decides every step of a run by the policy in force, and does nothing. */
export const dryRunWorkflow = route({
  method: "POST",
  path: "/api/v1/workflows/:id/dry-run",
  summary: "What a run would do, step by step, and what the policy in force says of each",
  params,
  body: z.unknown(),
  success: { json: dryRunSchema },
  problems: dagCodes("no-such-namespace", "no-such-workflow", "invalid-input"),
  handle: async ({ headers, session, params: { id }, body }, { dag }) => {
    const asked = envelopeIn(body);
    if (!asked.ok) return asked;
    const { input, labels } = asked.value;
    const planned = await dag.runs.dryRun(askerOf(headers, session), { workflowId: id, input, labels });
    return planned.ok ? ok({ json: dryRunView(planned.value) }) : err(dagProblem(planned.error));
  },
});
