import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { jobStates } from "../../service/jobs/job-record.ts";
import { jobCodes, jobProblem } from "./job-problem.ts";
import { anyTime } from "./job-query.ts";
import { jobRecordSchema, jobRecordView } from "./job-view.ts";
import { someOf, text, wholeNumber } from "./query.ts";
import { cursorCodes, paged, route } from "./route.ts";
import { pageOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 100;
const limitDefault = 50;

export const listJobs = route({
  method: "GET",
  path: "/api/v1/jobs",
  summary: "Jobs, the newest first",
  query: z.strictObject({
    state: z.optional(someOf(jobStates)),
    topic: z.optional(text),
    tenant: z.optional(text),
    team: z.optional(text),
    trace_id: z.optional(text),
    q: z.optional(text),
    updated_after: z.optional(anyTime),
    updated_before: z.optional(anyTime),
    limit: z.optional(wholeNumber(1, limitMax)),
    cursor: z.optional(text),
  }),
  success: { json: pageOf(jobRecordSchema) },
  problems: { ...cursorCodes, ...jobCodes("no-such-namespace"), "tenant-access-denied": 403 },
  handle: async ({ headers, query }, { jobs }) => {
    const tenant = tenantOf(headers);
    if (query.tenant !== undefined && query.tenant !== tenant)
      return err({ status: 403, code: "tenant-access-denied", detail: "tenant access denied: it is named by the header `X-Tenant-ID`" });
    const filter = {
      topic: query.topic ?? null,
      states: query.state ?? null,
      teamId: query.team ?? null,
      traceId: query.trace_id ?? null,
      text: query.q ?? null,
      updatedAfter: query.updated_after ?? null,
      updatedBefore: query.updated_before ?? null,
    };
    const read = await paged(() => jobs.list(tenant, { filter, limit: query.limit ?? limitDefault, after: query.cursor ?? null }));
    if (!read.ok) return read;
    if (!read.value.ok) return err(jobProblem(read.value.error));
    const { jobs: found, next } = read.value.value;
    return ok({ json: { items: found.map((job) => jobRecordView(job, tenant)), next_cursor: next } });
  },
});
