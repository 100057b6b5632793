import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { leaseJson } from "../../service/workers/lease-json.ts";
import { jobCodes, jobProblem, requestCodes } from "./job-problem.ts";
import { holderOf, workerId } from "./lease-holder.ts";
import { route } from "./route.ts";
import { count, listOf, named, timeOrNull } from "./schema.ts";

const waitMsMax = 60_000;
const waitMsDefault = 30_000;
const waitText = `expected a whole number from 0 to ${waitMsMax}`;

const leaseSchema = named(
  "Lease",
  z.object({
    lease: z.string(),
    job_id: z.string(),
    workflow_id: z.string(),
    run_id: z.string(),
    workflow_type: z.string(),
    activity_id: z.string(),
    activity_type: z.string(),
    task_queue: z.string(),
    attempt: count,
    input: listOf(z.unknown()),
    headers: z.record(z.string(), z.unknown()),
    constraints: z.unknown(),
    scheduled_at: timeOrNull,
    deadline: timeOrNull,
    heartbeat_timeout_ms: count,
    heartbeat_details: z.unknown(),
  }),
);

/** Gives one attempt of an activity to whoever asks first, and waits for one if there is none. */
export const leaseTask = route({
  method: "POST",
  path: "/api/v1/workers/lease",
  summary: "Waits for a task of a task queue and takes it; 204 when none came",
  body: z.strictObject({
    task_queue: z.string("expected a text").check(z.minLength(1, "expected a text")),
    worker_id: workerId,
    wait_ms: z.optional(z.int(waitText).check(z.minimum(0, waitText), z.maximum(waitMsMax, waitText))),
  }),
  success: { json: leaseSchema, orNothing: true },
  problems: { ...requestCodes, ...jobCodes("too-many-leases") },
  handle: async ({ headers, signal, body: { task_queue: taskQueue, worker_id, wait_ms } }, { leases }) => {
    const taken = await leases.take(holderOf(headers, worker_id), { taskQueue, wait: wait_ms ?? waitMsDefault, signal });
    if (!taken.ok) return err(jobProblem(taken.error));
    return ok(taken.value === null ? { nothing: true } : { json: leaseJson(taken.value, taskQueue) });
  },
});
