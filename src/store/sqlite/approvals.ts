import type { Database } from "better-sqlite3";
import type { EpochMs } from "../../base/time.ts";
import type { ApprovalWrite, Store, StoredApproval } from "../store.ts";
import type { Names } from "./names.ts";
import { decodePageToken, foreignToken, pageOf } from "./page-token.ts";
import { decodeRunId, type StoredRunId } from "./run-id.ts";
import type { RunRow, Runs } from "./runs.ts";

export type Approvals = ReturnType<typeof openApprovals>;
type Listing = Parameters<Store["listApprovals"]>[0];
type ListedApprovals = Awaited<ReturnType<Store["listApprovals"]>>;
type ApprovalRow = Omit<StoredApproval, "run"> & { namespace: number; workflowId: string; runId: StoredRunId };

const columns = `a.id, a.version, a.scheduled_event_id AS scheduledEventId, a.status, a.created_at AS createdAt, a.body,
  r.namespace, r.workflow_id AS workflowId, r.run_id AS runId`;

export function openApprovals(db: Database, names: Names, runs: Runs) {
  const select = db.prepare<[string], ApprovalRow>(`SELECT ${columns} FROM approvals a JOIN runs r ON r.number = a.run WHERE a.id = ?`);
  const selectWritten = db.prepare<[string], { version: number; run: number }>("SELECT version, run FROM approvals WHERE id = ?");
  const insert = db.prepare<[string, number, number, number, number, EpochMs, Uint8Array]>(
    "INSERT INTO approvals (id, version, run, scheduled_event_id, namespace, status, created_at, body) VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
  );
  const update = db.prepare<[number, number, Uint8Array, string]>("UPDATE approvals SET version = ?, status = ?, body = ? WHERE id = ?");
  const removeOfRun = db.prepare<[number]>("DELETE FROM approvals WHERE run = ?");

  const approvalOf = ({ namespace, workflowId, runId, ...approval }: ApprovalRow): StoredApproval => ({
    ...approval,
    run: { namespaceId: names.namespaceId(namespace), workflowId, runId: decodeRunId(runId) },
  });

  function list({ namespaceId, status, runId, after, limit }: Listing): ListedApprovals {
    const namespace = names.findNamespace(namespaceId);
    const run = runId === undefined ? null : runs.number(runId);
    if (namespace === null || (runId !== undefined && run === null)) return { approvals: [], next: null };
    const index = run !== null ? "approvals_by_run" : status !== undefined ? "approvals_by_status" : "approvals_by_time";
    const conditions = ["a.namespace = ?", ...(run === null ? [] : ["a.run = ?"]), ...(status === undefined ? [] : ["a.status = ?"])];
    const statement = db.prepare<(string | number)[], ApprovalRow>(
      `SELECT ${columns} FROM approvals a INDEXED BY ${index} CROSS JOIN runs r ON r.number = a.run
       WHERE ${conditions.join(" AND ")} AND (a.created_at, a.id) > (?, ?) ORDER BY a.created_at, a.id LIMIT ?`,
    );
    const values = [namespace, run, status].filter((value) => value !== null && value !== undefined);
    const rows = statement.all(...values, ...positionOf(after), limit + 1);
    const { page, next } = pageOf(rows, limit, ({ createdAt, id }) => [createdAt, id]);
    return { approvals: page.map(approvalOf), next };
  }

  return {
    /** Whether the write was decided on what is stored. */
    fits({ id, run, expectedVersion }: ApprovalWrite): boolean {
      const written = selectWritten.get(id);
      if (written === undefined) return expectedVersion === 0;
      return written.version === expectedVersion && written.run === runs.find(run)?.number;
    },
    /** Writes an approval that fits. */
    write({ number, namespace }: RunRow, { id, expectedVersion, scheduledEventId, status, createdAt, body }: ApprovalWrite): void {
      if (expectedVersion === 0) insert.run(id, number, scheduledEventId, namespace, status, createdAt, body);
      else update.run(expectedVersion + 1, status, body, id);
    },
    read(id: string): StoredApproval | null {
      const row = select.get(id);
      return row === undefined ? null : approvalOf(row);
    },
    list,
    removeOfRun: (run: number): void => void removeOfRun.run(run),
  };
}

function positionOf(token: string | null): readonly [EpochMs, string] {
  if (token === null) return [Number.MIN_SAFE_INTEGER, ""];
  const [createdAt, id, ...more] = decodePageToken(token);
  if (typeof createdAt !== "number" || typeof id !== "string" || more.length > 0) throw foreignToken();
  return [createdAt, id];
}
