import type { Database } from "better-sqlite3";
import type { OutboxEntry } from "../store.ts";
import type { Names } from "./names.ts";
import { decodeRunId, type StoredRunId } from "./run-id.ts";

export type Outbox = ReturnType<typeof openOutbox>;

/** Effects on other runs that are still to be carried out. */
export function openOutbox(db: Database, names: Names) {
  const upsert = db.prepare<[number, number, number, number, Uint8Array]>(
    "INSERT OR REPLACE INTO outbox (run, kind, id, entry_order, body) VALUES (?, ?, ?, ?, ?)",
  );
  const remove = db.prepare<[number, number, number]>("DELETE FROM outbox WHERE run = ? AND kind = ? AND id = ?");
  const removeOfRun = db.prepare<[number]>("DELETE FROM outbox WHERE run = ?");

  type EntryRow = Pick<OutboxEntry, "kind" | "id" | "order" | "body"> & { namespace: number; workflowId: string; runId: StoredRunId };
  const select = db.prepare<[number, number], EntryRow>(
    `SELECT o.kind, o.id, o.entry_order AS "order", o.body, r.namespace, r.workflow_id AS workflowId, r.run_id AS runId
     FROM outbox o INDEXED BY outbox_by_order CROSS JOIN runs r ON r.number = o.run WHERE o.entry_order > ? ORDER BY o.entry_order LIMIT ?`,
  );

  return {
    put: (run: number, { kind, id, order, body }: OutboxEntry): void => void upsert.run(run, kind, id, order, body),
    delete: (run: number, { kind, id }: { kind: number; id: number }): void => void remove.run(run, kind, id),
    readAfter: (order: number, limit: number): readonly OutboxEntry[] =>
      select.all(order, limit).map(({ namespace, workflowId, runId, ...entry }) => ({
        ...entry,
        run: { namespaceId: names.namespaceId(namespace), workflowId, runId: decodeRunId(runId) },
      })),
    removeOfRun: (run: number): void => void removeOfRun.run(run),
  };
}
