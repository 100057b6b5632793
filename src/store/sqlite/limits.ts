import type { Database } from "better-sqlite3";
import type { HoldingKey, SpentBudget, StoredHolding } from "../store.ts";
import type { Names } from "./names.ts";
import { decodeRunId, encodeRunId, type StoredRunId } from "./run-id.ts";

export type Limits = ReturnType<typeof openLimits>;

/** What attempts under way have taken of the policy's limits, and what is spent of its budgets. */
export function openLimits(db: Database, names: Names) {
  const upsertHolding = db.prepare<[number, number, Uint8Array]>(
    "INSERT OR REPLACE INTO holdings (run, scheduled_event_id, body) VALUES (?, ?, ?)",
  );
  const removeHolding = db.prepare<[number, number]>("DELETE FROM holdings WHERE run = ? AND scheduled_event_id = ?");
  const removeHoldings = db.prepare<[number]>("DELETE FROM holdings WHERE run = ?");

  type HoldingRow = { namespace: number; workflowId: string; runId: StoredRunId; scheduledEventId: number; body: Uint8Array };
  const selectHoldings = db.prepare<[StoredRunId, StoredRunId, number, number], HoldingRow>(
    `SELECT r.namespace, r.workflow_id AS workflowId, r.run_id AS runId, h.scheduled_event_id AS scheduledEventId, h.body
     FROM holdings h JOIN runs r ON r.number = h.run
     WHERE r.run_id > ? OR (r.run_id = ? AND h.scheduled_event_id > ?) ORDER BY r.run_id, h.scheduled_event_id LIMIT ?`,
  );

  const addSpending = db.prepare<[string, number, number]>(
    `INSERT INTO budgets (id, window_start, spent) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET
       spent = CASE WHEN excluded.window_start > window_start THEN excluded.spent
                    WHEN excluded.window_start = window_start THEN spent + excluded.spent ELSE spent END,
       window_start = max(window_start, excluded.window_start)`,
  );
  const removeBudget = db.prepare<[string]>("DELETE FROM budgets WHERE id = ?");
  const selectBudgets = db.prepare<[string, number], SpentBudget>(
    "SELECT id, window_start AS windowStart, spent FROM budgets WHERE id > ? ORDER BY id LIMIT ?",
  );

  return {
    put: (run: number, { scheduledEventId, body }: StoredHolding): void => void upsertHolding.run(run, scheduledEventId, body),
    remove: (run: number, { scheduledEventId }: HoldingKey): void => void removeHolding.run(run, scheduledEventId),
    removeOfRun: (run: number): void => void removeHoldings.run(run),
    spend: ({ id, windowStart, spent }: SpentBudget): void => void addSpending.run(id, windowStart, spent),
    forget: (id: string): void => void removeBudget.run(id),

    readHoldings(after: HoldingKey | null, limit: number): readonly StoredHolding[] {
      const runId = encodeRunId(after?.run.runId ?? "");
      return selectHoldings.all(runId, runId, after?.scheduledEventId ?? 0, limit).map(({ namespace, workflowId, runId, ...holding }) => ({
        ...holding,
        run: { namespaceId: names.namespaceId(namespace), workflowId, runId: decodeRunId(runId) },
      }));
    },
    readBudgets: (afterId: string, limit: number): readonly SpentBudget[] => selectBudgets.all(afterId, limit),
  };
}
