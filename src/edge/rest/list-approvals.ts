import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { statusWords } from "../../governance/approval/approval-entry.ts";
import type { AnyStatus } from "../../service/approvals/approvals.ts";
import { approvalSchema, approvalView } from "./approval-view.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { flag, oneOf, text, wholeNumber } from "./query.ts";
import { cursorCodes, paged, route } from "./route.ts";
import { pageOf } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 100;

const statuses = new Map(Object.entries(statusWords).map(([status, word]) => [word, Number(status) as AnyStatus]));

/** What waits for people, or did, oldest first. */
export const listApprovals = route({
  method: "GET",
  path: "/api/v1/approvals",
  summary: "What waits for people, or did, oldest first",
  query: z.strictObject({
    status: z.optional(oneOf(statuses)),
    workflow_id: z.optional(text),
    topic: z.optional(text),
    include_resolved: z.optional(flag),
    limit: z.optional(wholeNumber(1, limitMax)),
    cursor: z.optional(text),
  }),
  success: { json: pageOf(approvalSchema) },
  problems: { ...refusalCodes("no-such-namespace"), ...cursorCodes },
  handle: async ({ headers, query: { status, workflow_id, topic, include_resolved, limit, cursor } }, { approvals }) => {
    const read = await paged(() =>
      approvals.list({
        namespace: tenantOf(headers),
        all: include_resolved ?? false,
        status,
        workflowId: workflow_id,
        topic,
        limit: limit ?? limitMax,
        after: cursor ?? null,
      }),
    );
    if (!read.ok) return read;
    if (!read.value.ok) return err(problemOf(read.value.error));
    const { approvals: items, next } = read.value.value;
    return ok({ json: { items: items.map(approvalView), next_cursor: next } });
  },
});
