import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Audit, AuditQuery } from "../../service/ledger/audit.ts";
import { auditParameters, auditQuery, entryJson } from "./audit-query.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { route } from "./route.ts";

/** Entries read at one time: so many are in memory for each export. */
const pageSize = 200;

/** Entries of the ledger, oldest first, as JSON Lines. */
export const exportAudit = route({
  method: "GET",
  path: "/api/v1/audit/export",
  summary: "Entries of the ledger, oldest first, as JSON Lines",
  query: z.strictObject(auditParameters),
  success: { mediaType: "application/x-ndjson" },
  problems: refusalCodes("no-such-namespace"),
  handle: async ({ headers, query: parameters }, { audit }) => {
    const query = auditQuery(headers, parameters);
    const first = await audit.list({ ...query, after: null, limit: pageSize });
    if (!first.ok) return err(problemOf(first.error));
    return ok({ lines: linesOf(audit, query, first.value), fileName: `audit-${query.namespace}.jsonl` });
  },
});

type Page = Extract<Awaited<ReturnType<Audit["list"]>>, { readonly ok: true }>["value"];

/** One text per page. A namespace that is gone by the next page ends the export with an error, rather than as if it were whole. */
async function* linesOf(audit: Audit, query: AuditQuery, first: Page): AsyncGenerator<string> {
  for (let page = first; ; ) {
    yield page.entries.map((entry) => `${entryJson(entry)}\n`).join("");
    if (page.next === null) return;
    const next = await audit.list({ ...query, after: page.next, limit: pageSize });
    if (!next.ok) throw new Error(`the export cannot go on: ${next.error}`);
    page = next.value;
  }
}
