import { err, ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import type { ChainedEntry, LedgerKind } from "../../governance/ledger/ledger.ts";
import type { Store } from "../../store/store.ts";
import type { Namespaces } from "../namespaces.ts";

/** Namespace id under which the ledger keeps what concerns the whole server. */
export const serverNamespaceId = "system";

export type AuditRefusal = "no-such-namespace";

export type AuditQuery = {
  /** Or `serverNamespaceId`, for what concerns the whole server. */
  readonly namespace: string;
  /** Inclusive; null for the beginning. */
  readonly since: EpochMs | null;
  /** Exclusive; null for now. */
  readonly until: EpochMs | null;
  /** Null for every kind. */
  readonly kinds: readonly LedgerKind[] | null;
  readonly runId: string | null;
};

export type Audit = {
  /** Ledger entries by time, at most 1,000 a page; `next` is null on the last. Rejects with PageTokenError if `after` is none. */
  list(
    page: AuditQuery & { readonly after: string | null; readonly limit: number },
  ): Promise<Result<{ readonly entries: readonly ChainedEntry[]; readonly next: string | null }, AuditRefusal>>;
};

export const auditPageMax = 1000;

export const createAudit = ({
  store,
  namespaces,
}: {
  readonly store: Pick<Store, "readLedger">;
  readonly namespaces: Pick<Namespaces, "get">;
}): Audit => ({
  list: async ({ namespace, since, until, kinds, runId, after, limit }) => {
    const found = namespace === serverNamespaceId ? ok({ id: serverNamespaceId }) : namespaces.get(namespace);
    if (!found.ok) return err("no-such-namespace");
    const page = await store.readLedger({
      namespaceId: found.value.id,
      after,
      limit: Math.min(Math.max(1, limit), auditPageMax),
      ...(since === null ? {} : { since }),
      ...(until === null ? {} : { until }),
      ...(kinds === null ? {} : { kinds }),
      ...(runId === null ? {} : { runId }),
    });
    return ok(page);
  },
});
