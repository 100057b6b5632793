import type { Database } from "better-sqlite3";
import { present } from "../../base/assert.ts";
import type { EpochMs } from "../../base/time.ts";
import type { ItemKey, RunKey, RunWrite, StoredItem, StoredRun } from "../store.ts";
import { Lru } from "./lru.ts";
import type { Names } from "./names.ts";
import { decodeRunId, encodeRunId, type StoredRunId } from "./run-id.ts";

/** About 400 bytes each. */
const runsCachedMax = 8192;

/** The part of a run's row that writing needs to know. */
export type RunRow = {
  readonly number: number;
  readonly namespace: number;
  readonly workflowId: string;
  readonly version: number;
  readonly wakeAt: EpochMs | null;
};

export type Runs = ReturnType<typeof openRuns>;

/** Runs, their keyed items and which run of a workflow id is the current one. */
export function openRuns(db: Database, names: Names) {
  // INVARIANT: equal to the rows, which only this connection writes; so a version check on a run in use reads nothing.
  const cache = new Lru<RunRow>(runsCachedMax);

  const selectRow = db.prepare<[StoredRunId], RunRow>(
    "SELECT number, namespace, workflow_id AS workflowId, version, wake_at AS wakeAt FROM runs WHERE run_id = ?",
  );
  const selectCore = db.prepare<[number], Uint8Array>("SELECT core FROM runs WHERE number = ?").pluck();
  const insert = db
    .prepare<[StoredRunId, number, string, EpochMs | null, Uint8Array], number>(
      "INSERT INTO runs (run_id, namespace, workflow_id, is_current, version, wake_at, core) VALUES (?, ?, ?, 0, 1, ?, ?) RETURNING number",
    )
    .pluck();
  const insertCurrent = db
    .prepare<[StoredRunId, number, string, EpochMs | null, Uint8Array], number>(
      "INSERT INTO runs (run_id, namespace, workflow_id, is_current, version, wake_at, core) VALUES (?, ?, ?, 1, 1, ?, ?) RETURNING number",
    )
    .pluck();
  const update = db.prepare<[number, Uint8Array, number]>("UPDATE runs SET version = ?, core = ? WHERE number = ?");
  const updateWake = db.prepare<[EpochMs | null, number]>("UPDATE runs SET wake_at = ? WHERE number = ?");
  const remove = db.prepare<[number]>("DELETE FROM runs WHERE number = ?");

  const selectCurrent = db.prepare<[string, number], { number: number; runId: StoredRunId }>(
    "SELECT number, run_id AS runId FROM runs WHERE workflow_id = ? AND namespace = ? AND is_current = 1",
  );
  const setCurrent = db.prepare<[number, number]>("UPDATE runs SET is_current = ? WHERE number = ?");

  const selectItems = db.prepare<[number], StoredItem>("SELECT kind, id, value FROM items WHERE run = ? ORDER BY kind, id");
  const upsertItem = db.prepare<[number, number, string, Uint8Array]>(
    "INSERT OR REPLACE INTO items (run, kind, id, value) VALUES (?, ?, ?, ?)",
  );
  const removeItem = db.prepare<[number, number, string]>("DELETE FROM items WHERE run = ? AND kind = ? AND id = ?");
  const removeItems = db.prepare<[number]>("DELETE FROM items WHERE run = ?");

  const selectRuns = db.prepare<[StoredRunId, number], KeyRow>(
    "SELECT namespace, workflow_id AS workflowId, run_id AS runId FROM runs WHERE run_id > ? ORDER BY run_id LIMIT ?",
  );
  const selectWakes = db.prepare<[EpochMs, EpochMs, StoredRunId, number], KeyRow & { wakeAt: EpochMs }>(
    `SELECT namespace, workflow_id AS workflowId, run_id AS runId, wake_at AS wakeAt FROM runs
     WHERE wake_at <= ? AND (wake_at, run_id) > (?, ?) ORDER BY wake_at, run_id LIMIT ?`,
  );

  type KeyRow = { namespace: number; workflowId: string; runId: StoredRunId };
  const keyOf = ({ namespace, workflowId, runId }: KeyRow): RunKey => ({
    namespaceId: names.namespaceId(namespace),
    workflowId,
    runId: decodeRunId(runId),
  });

  function rowOf(runId: string): RunRow | null {
    const cached = cache.get(runId);
    if (cached !== undefined) return cached;
    const row = selectRow.get(encodeRunId(runId));
    if (row === undefined) return null;
    cache.set(runId, row);
    return row;
  }

  /** The row of exactly this run: a run id under another workflow id or namespace finds nothing. */
  function find(key: RunKey): RunRow | null {
    const row = rowOf(key.runId);
    return row !== null && row.workflowId === key.workflowId && row.namespace === names.findNamespace(key.namespaceId) ? row : null;
  }

  function current({ namespaceId, workflowId }: { namespaceId: string; workflowId: string }): { number: number; runId: string } | null {
    const namespace = names.findNamespace(namespaceId);
    const row = namespace === null ? undefined : selectCurrent.get(workflowId, namespace);
    return row === undefined ? null : { number: row.number, runId: decodeRunId(row.runId) };
  }

  function writeItems(run: number, put: readonly StoredItem[], deleted: readonly ItemKey[]): void {
    for (const { kind, id } of deleted) removeItem.run(run, kind, id);
    for (const { kind, id, value } of put) upsertItem.run(run, kind, id, value);
  }

  function create({ key, core, wakeAt, becomeCurrent }: RunWrite): number {
    if (becomeCurrent?.expectedRunId) setCurrent.run(0, present(current(key), "run that was current").number);
    const namespace = names.numberNamespace(key.namespaceId);
    const statement = becomeCurrent === null ? insert : insertCurrent;
    const number = present(statement.get(encodeRunId(key.runId), namespace, key.workflowId, wakeAt, core), "number of the new run");
    cache.set(key.runId, { number, namespace, workflowId: key.workflowId, version: 1, wakeAt });
    return number;
  }

  function replace(row: RunRow, { key, core, wakeAt, becomeCurrent }: RunWrite): number {
    const version = row.version + 1;
    update.run(version, core, row.number);
    // Apart, because an index is rewritten whenever its column is assigned, changed or not, and most transitions leave these two as they are.
    if (wakeAt !== row.wakeAt) updateWake.run(wakeAt, row.number);
    if (becomeCurrent !== null) {
      if (becomeCurrent.expectedRunId !== null) setCurrent.run(0, present(current(key), "run that was current").number);
      setCurrent.run(1, row.number);
    }
    cache.set(key.runId, { ...row, version, wakeAt });
    return row.number;
  }

  return {
    find,
    current,
    /** The run's number, of whatever workflow id and namespace it is; null when it is not there. */
    number: (runId: string): number | null => rowOf(runId)?.number ?? null,
    /** Whether the write was decided on what is stored. */
    fits({ key, expectedVersion, becomeCurrent }: RunWrite): boolean {
      const versionFits = expectedVersion === 0 ? rowOf(key.runId) === null : find(key)?.version === expectedVersion;
      return versionFits && (becomeCurrent === null || (current(key)?.runId ?? null) === becomeCurrent.expectedRunId);
    },
    /** Writes the row, the items and the current flag of a run that fits; returns the run's number. */
    write(write: RunWrite): number {
      const number = write.expectedVersion === 0 ? create(write) : replace(present(find(write.key), "run to write"), write);
      writeItems(number, write.putItems, write.deleteItems);
      return number;
    },
    load(key: RunKey): StoredRun | null {
      const row = find(key);
      if (row === null) return null;
      return {
        key,
        version: row.version,
        core: present(selectCore.get(row.number), "core of the run"),
        items: selectItems.all(row.number),
      };
    },
    remove(key: RunKey, { number }: RunRow): void {
      removeItems.run(number);
      remove.run(number);
      cache.delete(key.runId);
    },
    readAfter: (runId: string, limit: number): readonly RunKey[] => selectRuns.all(encodeRunId(runId), limit).map(keyOf),
    readWakes(
      until: EpochMs,
      after: { wakeAt: EpochMs; runId: string } | null,
      limit: number,
    ): readonly { readonly key: RunKey; readonly wakeAt: EpochMs }[] {
      const from = after === null ? { wakeAt: Number.MIN_SAFE_INTEGER, runId: "" } : after;
      return selectWakes.all(until, from.wakeAt, encodeRunId(from.runId), limit).map((row) => ({ key: keyOf(row), wakeAt: row.wakeAt }));
    },
    /** After a rollback: what was remembered of it is void. */
    forget: (): void => cache.clear(),
  };
}
