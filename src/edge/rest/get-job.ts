import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { jobCodes, jobProblem } from "./job-problem.ts";
import { jobSchema, jobView } from "./job-view.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const getJob = route({
  method: "GET",
  path: "/api/v1/jobs/:id",
  summary: "A job, with what it was given, what came of it and who decided",
  params: z.object({ id: z.string() }),
  success: { json: jobSchema },
  problems: jobCodes("no-such-namespace", "no-such-job"),
  handle: async ({ headers, params: { id } }, { jobs }) => {
    const found = await jobs.get(tenantOf(headers), id);
    return found.ok ? ok({ json: jobView(found.value, tenantOf(headers)) }) : err(jobProblem(found.error));
  },
});
