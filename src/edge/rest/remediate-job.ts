import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { jobCodes, jobProblem, requestCodes } from "./job-problem.ts";
import { bodyOf, optionalText } from "./reason.ts";
import { route } from "./route.ts";
import { traceHeader } from "./trace-header.ts";

export const remediateJob = route({
  method: "POST",
  path: "/api/v1/jobs/:id/remediate",
  summary: "Submits what the rule that denied a job offers instead",
  params: z.object({ id: z.string() }),
  body: bodyOf({ remediation_id: optionalText }),
  success: { json: z.object({ job_id: z.string(), trace_id: z.string() }) },
  problems: {
    ...requestCodes,
    ...jobCodes("no-such-job", "no-remediations", "remediation-required", "no-such-remediation"),
  },
  handle: async ({ headers, session, params: { id }, body: { remediation_id } }, { jobs }) => {
    const submitted = await jobs.remediate(askerOf(headers, session), id, remediation_id || null);
    if (!submitted.ok) return err(jobProblem(submitted.error));
    const { jobId, traceId } = submitted.value;
    return ok({ json: { job_id: jobId, trace_id: traceId }, headers: { [traceHeader]: traceId } });
  },
});
