import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { filterOf, filterParameters } from "./dead-letter-view.ts";
import { jobCodes, jobProblem, requestCodes } from "./job-problem.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";
import { traceHeader } from "./trace-header.ts";

export const retryDeadLetter = route({
  method: "POST",
  path: "/api/v1/dlq/:job_id/retry",
  summary: "Submits the job again, as it was; asked twice, the answer is the same job",
  params: z.object({ job_id: z.string() }),
  success: { json: z.object({ job_id: z.string(), trace_id: z.string() }) },
  problems: { ...requestCodes, ...jobCodes("no-such-dead-letter") },
  handle: async ({ headers, session, params: { job_id } }, { deadLetters }) => {
    const again = await deadLetters.retry(askerOf(headers, session), job_id);
    if (!again.ok) return err(jobProblem(again.error));
    const { jobId, traceId } = again.value;
    return ok({ json: { job_id: jobId, trace_id: traceId }, headers: { [traceHeader]: traceId } });
  },
});

export const retryDeadLetters = route({
  method: "POST",
  path: "/api/v1/dlq/retry",
  summary: "Submits again what a filter finds, at most 100 jobs; `left` says that there may be more",
  query: z.strictObject(filterParameters),
  success: { json: z.object({ retried: listOf(z.object({ dead_letter: z.string(), job_id: z.string() })), left: z.boolean() }) },
  problems: requestCodes,
  handle: async ({ headers, session, query }, { deadLetters }) => {
    const again = await deadLetters.retryAll(askerOf(headers, session), filterOf(query));
    if (!again.ok) return err(jobProblem(again.error));
    const { done, left } = again.value;
    return ok({ json: { retried: done.map(({ retried, jobId }) => ({ dead_letter: retried, job_id: jobId })), left } });
  },
});
