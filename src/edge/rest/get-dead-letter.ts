import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { deadLetterView, historyView, shownDeadLetterSchema } from "./dead-letter-view.ts";
import { jobCodes, jobProblem } from "./job-problem.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

export const getDeadLetter = route({
  method: "GET",
  path: "/api/v1/dlq/:job_id",
  summary: "A dead letter, with the history of its job",
  params: z.object({ job_id: z.string() }),
  success: { json: shownDeadLetterSchema },
  problems: jobCodes("no-such-namespace", "no-such-dead-letter"),
  handle: async ({ headers, params: { job_id } }, { deadLetters }) => {
    const found = await deadLetters.get(tenantOf(headers), job_id);
    if (!found.ok) return err(jobProblem(found.error));
    const { job, history } = found.value;
    return ok({ json: { ...deadLetterView(job), history: historyView(history) } });
  },
});
