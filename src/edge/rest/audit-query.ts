import type { IncomingHttpHeaders } from "node:http";
import * as z from "zod/mini";
import { type ChainedEntry, ledgerKinds } from "../../governance/ledger/ledger.ts";
import type { AuditQuery } from "../../service/ledger/audit.ts";
import { someOf, text, time } from "./query.ts";
import { count, named, textOrNull, timeText } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

/** Which entries, as a query string says it. */
export const auditParameters = {
  since: z.optional(time),
  until: z.optional(time),
  kind: z.optional(someOf(ledgerKinds)),
  run_id: z.optional(text),
};

type Parameters = z.infer<z.ZodMiniObject<typeof auditParameters>>;

export const auditQuery = (headers: IncomingHttpHeaders, { since, until, kind, run_id }: Parameters): AuditQuery => ({
  namespace: tenantOf(headers),
  since: since ?? null,
  until: until ?? null,
  kinds: kind ?? null,
  runId: run_id ?? null,
});

export const entrySchema = named(
  "LedgerEntry",
  z.object({
    at: timeText,
    kind: z.enum(ledgerKinds),
    run_id: textOrNull,
    namespace_id: z.string(),
    writer_id: z.string(),
    sequence: count,
    hash: z.string(),
    body: z.unknown(),
  }),
);

/** An entry as JSON. Its body is copied as it is stored, so that whoever reads it can compute the entry's hash. */
export function entryJson({ namespaceId, writerId, sequence, at, kind, runId, hash, body }: ChainedEntry): string {
  const place = { at: new Date(at).toISOString(), kind, run_id: runId, namespace_id: namespaceId, writer_id: writerId, sequence };
  const head = JSON.stringify({ ...place, hash: Buffer.from(hash).toString("hex") });
  return `${head.slice(0, -1)},"body":${Buffer.from(body).toString()}}`;
}
