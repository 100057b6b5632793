import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { auditPageMax } from "../../service/ledger/audit.ts";
import { auditParameters, auditQuery, entryJson, entrySchema } from "./audit-query.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { text, wholeNumber } from "./query.ts";
import { cursorCodes, paged, route } from "./route.ts";
import { pageOf } from "./schema.ts";

const limitDefault = 100;

/** Entries of the ledger, oldest first. */
export const listAudit = route({
  method: "GET",
  path: "/api/v1/audit",
  summary: "Entries of the ledger, oldest first",
  query: z.strictObject({ ...auditParameters, limit: z.optional(wholeNumber(1, auditPageMax)), cursor: z.optional(text) }),
  success: { json: pageOf(entrySchema) },
  problems: { ...refusalCodes("no-such-namespace"), ...cursorCodes },
  handle: async ({ headers, query: { limit, cursor, ...parameters } }, { audit }) => {
    const page = { ...auditQuery(headers, parameters), limit: limit ?? limitDefault, after: cursor ?? null };
    const read = await paged(() => audit.list(page));
    if (!read.ok) return read;
    if (!read.value.ok) return err(problemOf(read.value.error));
    const { entries, next } = read.value.value;
    return ok({ json: { items: entries.map((entry) => JSON.parse(entryJson(entry)) as z.infer<typeof entrySchema>), next_cursor: next } });
  },
});
