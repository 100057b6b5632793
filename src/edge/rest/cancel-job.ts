import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { jobStates } from "../../service/jobs/job-record.ts";
import { askerOf } from "./asker.ts";
import { jobCodes, jobProblem, requestCodes } from "./job-problem.ts";
import { route } from "./route.ts";

/** A job that has ended stays as it is, and the answer says so. */
export const cancelJob = route({
  method: "POST",
  path: "/api/v1/jobs/:id/cancel",
  summary: "Ends a job at once, whatever its worker does",
  params: z.object({ id: z.string() }),
  success: { json: z.object({ id: z.string(), state: z.enum(jobStates), reason: z.optional(z.string()) }) },
  problems: { ...requestCodes, ...jobCodes("no-such-job") },
  handle: async ({ headers, session, params: { id } }, { jobs }) => {
    const cancelled = await jobs.cancel(askerOf(headers, session), id);
    if (!cancelled.ok) return err(jobProblem(cancelled.error));
    const { state, hadEnded } = cancelled.value;
    return ok({ json: { id, state, ...(hadEnded ? { reason: "job already terminal" } : {}) } });
  },
});
