import { randomUUID } from "node:crypto";
import { assert } from "../../base/assert.ts";
import { changesPerCommitMax, type HistoryBatch, type RunKey, type Store } from "../store.ts";
import { openApprovals } from "./approvals.ts";
import { applyChange, type Tables } from "./commit.ts";
import { closeDatabase, databaseBytes, openDatabase, translating } from "./database.ts";
import { openDocuments } from "./documents.ts";
import { type HistoryRange, openHistories } from "./history.ts";
import { openLedger } from "./ledger.ts";
import { openLimits } from "./limits.ts";
import { openNames } from "./names.ts";
import { openNamespaces } from "./namespaces.ts";
import { openOutbox } from "./outbox.ts";
import { openRuns } from "./runs.ts";
import { openTasks } from "./tasks.ts";
import { openVisibility } from "./visibility.ts";

const cacheMibDefault = 8;

/**
 * The store in one SQLite file, or in memory with the path ":memory:". The file belongs to this process until `close`.
 * SQLite answers in the calling thread, so a commit holds the event loop for the time of one fsync: callers gather changes into few commits.
 * What it appends to the ledger goes to chains of `writerId`, a fresh UUID by default. Given one that has chains already, it goes on with them:
 * no two stores may be open with one writer id.
 * With `readOnly` an existing file is opened for looking into it: writes reject.
 * Refusals (StoreError): the file is in use, is not ours, is of a newer version, is damaged, or its folder does not exist.
 */
export async function openSqlite({
  path,
  cacheMib = cacheMibDefault,
  writerId = randomUUID(),
  readOnly = false,
}: {
  path: string;
  cacheMib?: number;
  writerId?: string;
  readOnly?: boolean;
}): Promise<Store> {
  const db = openDatabase({ path, cacheMib, readOnly });
  const names = openNames(db);
  const runs = openRuns(db, names);
  const tables: Tables = {
    runs,
    histories: openHistories(db),
    tasks: openTasks(db, names),
    outbox: openOutbox(db, names),
    visibility: openVisibility(db, names),
    approvals: openApprovals(db, names, runs),
    documents: openDocuments(db),
    ledger: openLedger(db, names, writerId),
    limits: openLimits(db, names),
  };
  const { histories, tasks, outbox, visibility, approvals, documents, ledger, limits } = tables;
  const namespaces = openNamespaces(db);

  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");

  /** An asynchronous function of `work`, whose failures come out as StoreErrors. */
  const reading =
    <A extends unknown[], R>(work: (...of: A) => R): ((...of: A) => Promise<R>) =>
    async (...of) =>
      translating(path, () => work(...of));

  /** The same in a transaction: resolved once the disk has it, rejected with nothing written. */
  const writing = <A extends unknown[], R>(work: (...of: A) => R): ((...of: A) => Promise<R>) =>
    reading((...of) => {
      begin.run();
      try {
        const result = work(...of);
        commit.run();
        return result;
      } catch (error) {
        // A full disk may have rolled back already.
        if (db.inTransaction) rollback.run();
        names.forget();
        runs.forget();
        ledger.forget();
        throw error;
      }
    });

  function removeRun(key: RunKey): void {
    const row = runs.find(key);
    if (row === null) return;
    for (const { removeOfRun } of [histories, tasks, outbox, approvals, visibility, limits]) removeOfRun(row.number);
    runs.remove(key, row);
  }

  const historyOf =
    (read: typeof histories.read) =>
    (key: RunKey, range: HistoryRange): readonly HistoryBatch[] => {
      const row = runs.find(key);
      return row === null ? [] : read(row.number, range);
    };

  return {
    commit: writing((changes) => {
      assert(changes.length <= changesPerCommitMax, `${changes.length} changes in one commit`);
      return changes.map((change) => applyChange(tables, change));
    }),

    loadRun: reading(runs.load),
    currentRunId: reading((execution) => runs.current(execution)?.runId ?? null),
    readHistory: reading(historyOf(histories.read)),
    readHistoryReverse: reading(historyOf(histories.readReverse)),

    readTasks: reading(tasks.read),
    hasTask: reading(tasks.has),
    readQueues: reading(tasks.readQueues),
    readWakes: reading(runs.readWakes),
    readOutbox: reading(outbox.readAfter),

    listExecutions: reading(visibility.list),
    countExecutions: reading(visibility.count),

    readApproval: reading(approvals.read),
    listApprovals: reading(approvals.list),
    countApprovals: reading(approvals.count),

    readDocument: reading(documents.read),
    listDocuments: reading(documents.list),

    readLedger: reading(ledger.read),
    readChains: reading(ledger.readChains),
    readChain: reading(ledger.readChain),

    readHoldings: reading(limits.readHoldings),
    readBudgets: reading(limits.readBudgets),

    readNamespaces: reading(namespaces.readAll),
    putNamespace: writing((record, entries) => {
      const outcome = namespaces.put(record);
      if (outcome === "committed") entries.forEach(ledger.append);
      return outcome;
    }),

    readClosedRuns: reading(visibility.readClosed),
    deleteRuns: writing((keys) => keys.forEach(removeRun)),

    readRuns: reading(runs.readAfter),
    sizeBytes: reading(() => databaseBytes(db, path)),
    close: async () => closeDatabase(db, path),
  };
}
