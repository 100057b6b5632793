import { canonicalBytes } from "../../base/canonical-json.ts";
import type { EpochMs } from "../../base/time.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";

/** What somebody does to what belongs to a namespace, and the ledger of that namespace says. */
export type AdministrationAct =
  | "schema-saved"
  | "schema-deleted"
  | "config-saved"
  | "lock-taken-over"
  | "lock-freed"
  | "artifact-saved"
  | "artifact-deleted"
  | "artifact-expired"
  | "dead-letter-deleted";

/** `by` is who did it, as they called themselves; null for the server itself. What is undefined in `said` is left out. */
export const administrationEntry = (
  { namespaceId, at, runId = null }: { readonly namespaceId: string; readonly at: EpochMs; readonly runId?: string | null },
  said: { readonly act: AdministrationAct; readonly by: string | null } & { readonly [field: string]: unknown },
): LedgerEntry => ({ namespaceId, at, kind: "administration", runId, body: canonicalBytes(said) });
