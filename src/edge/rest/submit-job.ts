import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { startToCloseDefaultMs } from "../../dag/step-type/activity.ts";
import type { Session } from "../../service/access/session.ts";
import type { JobPriority } from "../../service/jobs/job-record.ts";
import type { Asker, WantedJob } from "../../service/jobs/jobs.ts";
import { askerOf } from "./asker.ts";
import { headerOf } from "./header.ts";
import { idempotencyKeyOf, keyCodes } from "./idempotency-key.ts";
import { jobCodes, jobProblem, requestCodes } from "./job-problem.ts";
import { badRequest, type Problem } from "./problem.ts";
import { route } from "./route.ts";
import { traceHeader, traceIdOf } from "./trace-header.ts";

const promptLettersMax = 100_000;
const labelsMax = 50;
const listedMax = 50;
const keyLettersMax = 256;
const attemptsMax = 100;
const millisecondsMax = 2 ** 31 - 1;

const textUpTo = (most: number) => z.string("expected a text").check(z.maxLength(most, `expected at most ${most} letters`));
const text = z.optional(z.nullable(textUpTo(1_024)));
const texts = z.optional(
  z.nullable(z.array(textUpTo(1_024), "expected a list of texts").check(z.maxLength(listedMax, `expected at most ${listedMax}`))),
);
const whole = (least: number, most: number) => {
  const expected = `expected a whole number from ${least} to ${most}`;
  return z.optional(z.nullable(z.int(expected).check(z.minimum(least, expected), z.maximum(most, expected))));
};
const flag = z.optional(z.nullable(z.boolean("expected true or false")));
const labels = z
  .record(z.string(), textUpTo(1_024), "expected texts by name")
  .check(z.refine((given) => Object.keys(given).length <= labelsMax, `too many labels (max ${labelsMax})`));

/** What a worker is told besides the prompt, under the same names. */
const hints = {
  adapter_id: text,
  memory_id: text,
  context_mode: text,
  max_input_tokens: whole(0, millisecondsMax),
  max_output_tokens: whole(0, millisecondsMax),
  max_total_tokens: whole(0, millisecondsMax),
  allow_summarization: flag,
  allow_retrieval: flag,
  tags: texts,
};

const body = z.strictObject({
  prompt: z.optional(z.nullable(textUpTo(promptLettersMax))),
  context: z.optional(z.unknown()),
  input: z.optional(z.unknown()),
  topic: text,
  priority: text,
  labels: z.optional(z.nullable(labels)),
  capability: text,
  risk_tags: texts,
  requires: texts,
  pack_id: text,
  team_id: text,
  project_id: text,
  tenant_id: text,
  org_id: text,
  principal_id: text,
  actor_id: text,
  actor_type: z.optional(z.nullable(z.enum(["human", "service"], "expected human or service"))),
  idempotency_key: z.optional(z.nullable(textUpTo(keyLettersMax))),
  deadline_ms: whole(0, millisecondsMax),
  timeout_ms: whole(1, millisecondsMax),
  heartbeat_timeout_ms: whole(1, millisecondsMax),
  retries: z.optional(
    z.nullable(z.strictObject({ max_attempts: whole(1, attemptsMax), backoff_ms: whole(1, millisecondsMax) }, "expected an object")),
  ),
  ...hints,
});
type Body = z.infer<typeof body>;

/** The topic of a job that names none. */
const topicDefault = "job.default";
const backoffDefaultMs = 1_000;
const priorities: readonly JobPriority[] = ["critical", "interactive", "batch"];

/** Queues a job: one activity for the workers of its topic. Source: `POST /jobs` of Cordum; `input`, time-outs and `retries` are ours. */
export const submitJob = route({
  method: "POST",
  path: "/api/v1/jobs",
  summary: "Submits a job, once for an idempotency key",
  body,
  success: { json: z.object({ job_id: z.string(), trace_id: z.string() }) },
  problems: {
    ...keyCodes,
    ...requestCodes,
    ...jobCodes("idempotency-key-reused"),
    "prompt-required": 400,
    "bad-topic": 400,
    "tenant-access-denied": 403,
    "principal-access-denied": 403,
  },
  handle: async ({ headers, session, body: given }, { jobs }) => {
    const asker = askerIn(headers, session, given);
    if (!asker.ok) return asker;
    const key = idempotencyKeyOf(headers);
    if (!key.ok) return key;
    const wanted = wantedIn(given, asker.value, given.idempotency_key || key.value);
    if (!wanted.ok) return wanted;
    const submitted = await jobs.submit(asker.value, { ...wanted.value, traceId: traceIdOf(headers) });
    if (!submitted.ok) return err(jobProblem(submitted.error));
    const { jobId, traceId } = submitted.value;
    return ok({ json: { job_id: jobId, trace_id: traceId }, headers: { [traceHeader]: traceId } });
  },
});

/** What header and body say of who asks must agree. */
function askerIn(headers: IncomingHttpHeaders, session: Session, { org_id, tenant_id, principal_id }: Body): Result<Asker, Problem> {
  const asker = askerOf(headers, session);
  const tenants = [org_id, tenant_id].filter((tenant) => tenant);
  if (tenants.some((tenant) => tenant !== asker.namespace))
    return err({ status: 403, code: "tenant-access-denied", detail: "tenant access denied: it is named by the header `X-Tenant-ID`" });
  const named = headerOf(headers, "x-principal-id");
  if (principal_id && named !== null && principal_id !== named)
    return err({ status: 403, code: "principal-access-denied", detail: "principal access denied: header and body name different ones" });
  return ok({ ...asker, by: named ?? (principal_id || asker.by) });
}

function wantedIn(given: Body, { namespace }: Asker, idempotencyKey: string | null): Result<WantedJob, Problem> {
  const topic = given.topic?.trim() || topicDefault;
  const { prompt, input, context } = given;
  if (!/^job\.\S+$/.test(topic)) return err(badRequest("bad-topic", "topic must start with `job.`, and has no spaces"));
  if (!prompt?.trim() && input === undefined) return err(badRequest("prompt-required", "prompt is required, or an `input`"));
  const priority = priorities.find((known) => known === given.priority) ?? "interactive";
  const told = Object.fromEntries(
    Object.keys(hints).flatMap((name) => {
      const value = given[name as keyof typeof hints];
      return value === undefined || value === null ? [] : [[name, value]];
    }),
  );
  // Whoever gives an input says all that the worker gets.
  const forWorker =
    input === undefined ? { prompt, topic, priority, tenant_id: namespace, ...told, ...(context === undefined ? {} : { context }) } : input;
  const secrets = JSON.stringify(forWorker).includes("secret://");
  const riskTags = given.risk_tags ?? [];
  return ok({
    topic,
    priority,
    labels: { ...given.labels, ...(secrets ? { secrets_present: "true" } : {}) },
    capability: given.capability || null,
    riskTags: secrets && !riskTags.includes("secrets") ? [...riskTags, "secrets"] : riskTags,
    requires: given.requires ?? [],
    packId: given.pack_id || null,
    actorId: given.actor_id || null,
    actorType: given.actor_type ?? null,
    teamId: given.team_id || null,
    projectId: given.project_id || null,
    idempotencyKey,
    deadlineMs: given.deadline_ms || null,
    timeoutMs: given.timeout_ms ?? startToCloseDefaultMs,
    heartbeatTimeoutMs: given.heartbeat_timeout_ms ?? null,
    maxAttempts: given.retries?.max_attempts ?? 1,
    backoffMs: given.retries?.backoff_ms ?? backoffDefaultMs,
    // It came as JSON.
    input: forWorker as Json,
  });
}
