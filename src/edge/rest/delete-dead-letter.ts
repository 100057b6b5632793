import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { askerOf } from "./asker.ts";
import { filterOf, filterParameters } from "./dead-letter-view.ts";
import { jobCodes, jobProblem } from "./job-problem.ts";
import { route } from "./route.ts";
import { texts } from "./schema.ts";

/** The job stays, as long as what is closed is kept. */
export const deleteDeadLetter = route({
  method: "DELETE",
  path: "/api/v1/dlq/:job_id",
  summary: "Takes a dead letter from the list",
  params: z.object({ job_id: z.string() }),
  success: { status: 204 },
  problems: jobCodes("no-such-namespace", "no-such-dead-letter"),
  handle: async ({ headers, params: { job_id } }, { deadLetters }) => {
    const removed = await deadLetters.remove(askerOf(headers), job_id);
    return removed.ok ? ok({ nothing: true }) : err(jobProblem(removed.error));
  },
});

export const deleteDeadLetters = route({
  method: "POST",
  path: "/api/v1/dlq/delete",
  summary: "Takes what a filter finds from the list, at most 100; `left` says that there may be more",
  query: z.strictObject(filterParameters),
  success: { json: z.object({ deleted: texts, left: z.boolean() }) },
  problems: jobCodes("no-such-namespace"),
  handle: async ({ headers, query }, { deadLetters }) => {
    const removed = await deadLetters.removeAll(askerOf(headers), filterOf(query));
    if (!removed.ok) return err(jobProblem(removed.error));
    return ok({ json: { deleted: removed.value.done, left: removed.value.left } });
  },
});
