import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import type { DeadLetterFilter } from "../../service/jobs/dead-letters.ts";
import type { JobPage } from "../../service/jobs/list-jobs.ts";
import { deadLetterSchema, deadLetterView, filterOf, filterParameters } from "./dead-letter-view.ts";
import { jobCodes, jobProblem } from "./job-problem.ts";
import type { Problem } from "./problem.ts";
import { text, wholeNumber } from "./query.ts";
import { cursorCodes, paged, type RestServices, route } from "./route.ts";
import { listOf, pageOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 100;

/** What failed for good, as one list. */
export const listDeadLetters = route({
  method: "GET",
  path: "/api/v1/dlq",
  summary: "Jobs that failed for good and that nobody has seen to, the newest first",
  query: z.strictObject({ ...filterParameters, limit: z.optional(wholeNumber(1, limitMax)) }),
  success: { json: listOf(deadLetterSchema) },
  problems: { ...cursorCodes, ...jobCodes("no-such-namespace") },
  handle: async ({ headers, query: { limit, ...filter } }, services) => {
    const page = await read(headers, { filter: filterOf(filter), limit: limit ?? limitMax, after: null }, services);
    return page.ok ? ok({ json: page.value.jobs.map(deadLetterView) }) : page;
  },
});

/** The same, page by page. */
export const pageDeadLetters = route({
  method: "GET",
  path: "/api/v1/dlq/page",
  summary: "Dead letters, page by page",
  query: z.strictObject({ ...filterParameters, limit: z.optional(wholeNumber(1, limitMax)), cursor: z.optional(text) }),
  success: { json: pageOf(deadLetterSchema) },
  problems: { ...cursorCodes, ...jobCodes("no-such-namespace") },
  handle: async ({ headers, query: { limit, cursor, ...filter } }, services) => {
    const page = await read(headers, { filter: filterOf(filter), limit: limit ?? limitMax, after: cursor ?? null }, services);
    return page.ok ? ok({ json: { items: page.value.jobs.map(deadLetterView), next_cursor: page.value.next } }) : page;
  },
});

async function read(
  headers: IncomingHttpHeaders,
  page: { readonly filter: DeadLetterFilter; readonly limit: number; readonly after: string | null },
  { deadLetters }: RestServices,
): Promise<Result<JobPage, Problem>> {
  const listed = await paged(() => deadLetters.list(tenantOf(headers), page));
  if (!listed.ok) return listed;
  return listed.value.ok ? listed.value : err(jobProblem(listed.value.error));
}
