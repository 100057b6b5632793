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

  const selectCount = db.prepare<[number, number], { count: number; oldestAt: EpochMs | null }>(
    "SELECT COUNT(*) AS count, MIN(created_at) AS oldestAt FROM approvals INDEXED BY approvals_by_status WHERE namespace = ? AND status = ?",
  );

  function list({ namespaceId, status, workflowId, runId, after, limit }: Listing): ListedApprovals {
    const namespace = names.findNamespace(namespaceId);
    const run = runId === undefined ? null : runs.number(runId);
    if (namespace === null || (runId !== undefined && run === null)) return { approvals: [], next: null };
    const index = run !== null ? "approvals_by_run" : status !== undefined ? "approvals_by_status" : "approvals_by_time";
    const source =
      workflowId === undefined
        ? `approvals a INDEXED BY ${index} CROSS JOIN runs r ON r.number = a.run`
        : "runs r INDEXED BY runs_by_workflow CROSS JOIN approvals a INDEXED BY approvals_by_run ON a.run = r.number AND a.namespace = r.namespace";
    const conditions = [
      ["r.workflow_id = ?", workflowId],
      [workflowId === undefined ? "a.namespace = ?" : "r.namespace = ?", namespace],
      ["a.run = ?", run],
      ["a.status = ?", status],
    ].filter((condition): condition is [string, string | number] => condition[1] !== null && condition[1] !== undefined);
    const statement = db.prepare<(string | number)[], ApprovalRow>(
      `SELECT ${columns} FROM ${source}
       WHERE ${conditions.map(([condition]) => condition).join(" AND ")} AND (a.created_at, a.id) > (?, ?) ORDER BY a.created_at, a.id LIMIT ?`,
    );
    const rows = statement.all(...conditions.map(([, value]) => value), ...positionOf(after), limit + 1);
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
    count({ namespaceId, status }: Parameters<Store["countApprovals"]>[0]): { count: number; oldestAt: EpochMs | null } {
      const namespace = names.findNamespace(namespaceId);
      return (namespace === null ? undefined : selectCount.get(namespace, status)) ?? { count: 0, oldestAt: null };
    },
    removeOfRun: (run: number): void => void removeOfRun.run(run),
  };
}

function positionOf(token: string | null): readonly [EpochMs, string] {
  if (token === null) return [Number.MIN_SAFE_INTEGER, ""];
  const [createdAt, id, ...more] = decodePageToken(token);
  if (typeof createdAt !== "number" || typeof id !== "string" || more.length > 0) throw foreignToken();
  return [createdAt, id];
}
