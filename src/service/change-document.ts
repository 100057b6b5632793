import { err, ok, type Result } from "../base/result.ts";
import type { LedgerEntry } from "../governance/ledger/ledger.ts";
import type { DocumentWrite, Store, StoredDocument } from "../store/store.ts";
import { type Committer, changeOutsideRuns } from "./committer.ts";

/** What becomes of a document, and what is written in the same commit. */
export type DocumentChange<T, A> = {
  /** Null deletes it. */
  readonly value: T | null;
  readonly answer: A;
  readonly also?: readonly DocumentWrite[];
  readonly ledger?: readonly LedgerEntry[];
};

const attemptsMax = 5;

/**
 * Writes what `decide` makes of a document of JSON, null when there is none, and decides again when another server has written it in between.
 * Answers with what was decided once that is on disk; refused as `decide` refuses, or with `busy` when others write it all the time.
 */
export async function changeDocument<T, A, R>(
  { store, committer }: { readonly store: Pick<Store, "readDocument">; readonly committer: Pick<Committer, "commit"> },
  { kind, id, busy }: { readonly kind: string; readonly id: string; readonly busy: R },
  decide: (before: T | null) => Promise<Result<DocumentChange<T, A>, R>>,
): Promise<Result<A, R>> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const stored = await store.readDocument(kind, id);
    const decided = await decide(stored === null ? null : jsonOf<T>(stored));
    if (!decided.ok) return decided;
    const { value, answer, also = [], ledger = [] } = decided.value;
    const write = { kind, id, expectedVersion: stored?.version ?? 0, body: value === null ? null : Buffer.from(JSON.stringify(value)) };
    const outcome = await committer.commit(changeOutsideRuns({ putDocuments: [write, ...also], ledger }));
    if (outcome === "committed") return ok(answer);
  }
  return err(busy);
}

/** Of a document that `changeDocument` wrote, or that is written like that. */
export const jsonOf = <T>({ body }: Pick<StoredDocument, "body">): T => JSON.parse(Buffer.from(body).toString()) as T;
