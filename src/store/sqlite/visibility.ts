import type { Database } from "better-sqlite3";
import { present } from "../../base/assert.ts";
import type { EpochMs } from "../../base/time.ts";
import type { VisibilityOrder, VisibilityQuery } from "../../execution/visibility/filter.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { groupsMax, type ListedExecution, type RunKey, type VisibilityRecord } from "../store.ts";
import type { Names } from "./names.ts";
import { decodePageToken, encodePageToken, foreignToken } from "./page-token.ts";
import { decodeRunId, encodeRunId, type StoredRunId } from "./run-id.ts";
import { closeOrderBounds, conditionOf, fieldValue, type Sql, type SqlValue, sortValue, tokensOf } from "./visibility-filter.ts";

export type Visibility = ReturnType<typeof openVisibility>;

const withRuns = "FROM visibility v JOIN runs r ON r.number = v.run";
/** Most counts ask for nothing of `runs`, and then an index of `visibility` answers them. */
const fromFor = (parts: readonly Sql[]): string => (parts.some(({ text }) => /\br\./.test(text)) ? withRuns : "FROM visibility v");

/** The rows that lists and counts of executions are made of. */
export function openVisibility(db: Database, names: Names) {
  db.function("run_id_text", { deterministic: true }, (stored: StoredRunId | null) => (stored === null ? null : decodeRunId(stored)));
  db.function("has_token", { deterministic: true }, (text: string | null, tokens: string) => {
    if (text === null) return null;
    const words = new Set(tokensOf(text));
    const wanted: readonly string[] = JSON.parse(tokens);
    return wanted.some((token) => words.has(token)) ? 1 : 0;
  });

  const upsert = db.prepare<SqlValue[]>(
    `INSERT INTO visibility (run, run_id, namespace, workflow_type, task_queue, status, start_time, execution_time, close_time,
       history_length, history_size_bytes, state_transition_count, execution_duration_ns,
       parent_workflow_id, parent_run_id, root_workflow_id, root_run_id, attributes, info)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (run) DO UPDATE SET workflow_type = excluded.workflow_type, task_queue = excluded.task_queue, status = excluded.status,
       start_time = excluded.start_time, execution_time = excluded.execution_time, close_time = excluded.close_time,
       history_length = excluded.history_length, history_size_bytes = excluded.history_size_bytes,
       state_transition_count = excluded.state_transition_count, execution_duration_ns = excluded.execution_duration_ns,
       parent_workflow_id = excluded.parent_workflow_id, parent_run_id = excluded.parent_run_id,
       root_workflow_id = excluded.root_workflow_id, root_run_id = excluded.root_run_id,
       attributes = excluded.attributes, info = excluded.info`,
  );
  const removeOfRun = db.prepare<[number]>("DELETE FROM visibility WHERE run = ?");
  const selectClosed = db.prepare<[number, EpochMs, number], { workflowId: string; runId: StoredRunId }>(
    `SELECT r.workflow_id AS workflowId, r.run_id AS runId FROM visibility v CROSS JOIN runs r ON r.number = v.run
     WHERE v.namespace = ? AND v.close_order <= ? AND v.close_time IS NOT NULL
     ORDER BY v.close_order, v.start_time, v.run_id DESC LIMIT ?`,
  );

  return {
    put(run: number, key: RunKey, record: VisibilityRecord): void {
      const ownRoot = record.rootRunId === key.runId;
      upsert.run(
        run,
        encodeRunId(key.runId),
        names.numberNamespace(key.namespaceId),
        record.workflowType,
        record.taskQueue,
        record.status,
        record.startTime,
        record.executionTime,
        record.closeTime,
        record.historyLength,
        record.historySizeBytes,
        record.stateTransitionCount,
        record.executionDurationNs,
        record.parentWorkflowId,
        record.parentRunId === null ? null : encodeRunId(record.parentRunId),
        ownRoot ? null : record.rootWorkflowId,
        ownRoot ? null : encodeRunId(record.rootRunId),
        Object.keys(record.attributes).length === 0 ? null : JSON.stringify(record.attributes),
        record.info,
      );
    },

    list({ namespaceId, query, limit, after }: { namespaceId: string; query: VisibilityQuery; limit: number; after: string | null }) {
      const namespace = names.findNamespace(namespaceId);
      if (namespace === null) return { executions: [], next: null };
      const keys = sortKeysOf(query.orderBy);
      const rows: ListRow[] = [];
      for (const stage of stagesAfter(keys, after)) {
        const wanted = limit + 1 - rows.length;
        if (wanted <= 0) break;
        const where = all([{ text: "v.namespace = ?", parameters: [namespace] }, ...matching(query), ...stage.conditions]);
        const parameters = [...keys.flatMap(({ value }) => value.parameters), ...where.parameters, ...stage.order.parameters, wanted];
        const columns = keys.map(({ value }, index) => `${value.text} AS key${index}`).join(", ");
        rows.push(
          ...db
            .prepare<SqlValue[], ListRow>(
              `SELECT r.workflow_id, v.info, ${columns} ${withRuns} WHERE ${where.text} ORDER BY ${stage.order.text} LIMIT ?`,
            )
            .raw()
            .all(...parameters),
        );
      }
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return {
        executions: page.map(
          ([workflowId, info, ...values]): ListedExecution => ({ key: { namespaceId, workflowId, runId: runIdOf(values) }, info }),
        ),
        next: rows.length > limit && last !== undefined ? encodeToken(last.slice(2)) : null,
      };
    },

    count({ namespaceId, query }: { namespaceId: string; query: VisibilityQuery }) {
      const namespace = names.findNamespace(namespaceId);
      if (namespace === null) return { total: 0, groups: [] };
      const where = all([{ text: "v.namespace = ?", parameters: [namespace] }, ...matching(query)]);
      const total =
        db
          .prepare<SqlValue[], number>(`SELECT count(*) ${fromFor([where])} WHERE ${where.text}`)
          .pluck()
          .get(...where.parameters) ?? 0;
      if (query.groupBy === null) return { total, groups: [] };
      const { type } = query.groupBy;
      const value = fieldValue(query.groupBy);
      const groups = db
        .prepare<SqlValue[], { value: string | number | null; count: number }>(
          `SELECT ${value.text} AS value, count(*) AS count ${fromFor([where, value])} WHERE ${where.text} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${groupsMax}`,
        )
        .all(...value.parameters, ...where.parameters)
        .map((group) => (type === IndexedValueType.BOOL && group.value !== null ? { ...group, value: group.value === 1 } : group));
      return { total, groups };
    },

    readClosed(namespaceId: string, closedUntil: EpochMs, limit: number): readonly RunKey[] {
      const namespace = names.findNamespace(namespaceId);
      if (namespace === null) return [];
      return selectClosed
        .all(namespace, closedUntil, limit)
        .map(({ workflowId, runId }) => ({ namespaceId, workflowId, runId: decodeRunId(runId) }));
    },

    removeOfRun: (run: number): void => void removeOfRun.run(run),
  };
}

/** Workflow id, info, and the values of the sort keys, the last of which is the run id. */
type ListRow = [string, Uint8Array, ...SqlValue[]];

const runIdOf = (values: readonly SqlValue[]): string => {
  const stored = present(values.at(-1), "run id");
  return typeof stored === "number" ? String(stored) : decodeRunId(stored);
};

const matching = (query: VisibilityQuery): readonly Sql[] =>
  query.filter === null ? [] : [conditionOf(query.filter), ...closeOrderBounds(query.filter)];
const all = (conditions: readonly Sql[]): Sql => ({
  text: conditions.map(({ text }) => text).join(" AND "),
  parameters: conditions.flatMap(({ parameters }) => parameters),
});

type SortKey = { readonly value: Sql; readonly descending: boolean; readonly nullable: boolean };
const byColumn = (text: string, descending: boolean): SortKey => ({ value: { text, parameters: [] }, descending, nullable: false });

/** The run id at the end makes the order total, so that a page knows exactly where the one before has ended. */
function sortKeysOf(orderBy: readonly VisibilityOrder[]): readonly SortKey[] {
  const wanted = orderBy.map(({ field, descending }) => ({ value: sortValue(field), descending, nullable: true }));
  return [...(wanted.length > 0 ? wanted : [byColumn("v.close_order", true), byColumn("v.start_time", true)]), byColumn("v.run_id", false)];
}

/**
 * What comes after a row in the order of keys a, b, c, as ranges one after the other: same a and b, later c; same a, later b; later a.
 * One condition for all of it would need ORs, with which an index is read from its beginning on every page.
 */
function stagesAfter(
  keys: readonly SortKey[],
  token: string | null,
): readonly { readonly conditions: readonly Sql[]; readonly order: Sql }[] {
  const orderOf = (ordered: readonly SortKey[]): Sql => ({
    text: ordered.map(({ value, descending }) => `${value.text}${descending ? " DESC" : ""}`).join(", "),
    parameters: ordered.flatMap(({ value }) => value.parameters),
  });
  if (token === null) return [{ conditions: [], order: orderOf(keys) }];
  const position = decodeToken(token, keys.length);
  const same = ({ value }: SortKey, index: number): Sql => ({
    text: `${value.text} IS ?`,
    parameters: [...value.parameters, position[index] ?? null],
  });
  return keys
    .map((key, index) => ({
      conditions: [...keys.slice(0, index).map(same), laterThan(key, position[index] ?? null)],
      order: orderOf(keys.slice(index)),
    }))
    .reverse();
}

/** SQLite sorts null before every value. */
function laterThan({ value: { text, parameters }, descending, nullable }: SortKey, position: SqlValue): Sql {
  if (position === null) return descending ? { text: "0", parameters: [] } : { text: `${text} IS NOT NULL`, parameters };
  if (!descending || !nullable) return { text: `${text} ${descending ? "<" : ">"} ?`, parameters: [...parameters, position] };
  return { text: `(${text} < ? OR ${text} IS NULL)`, parameters: [...parameters, position, ...parameters] };
}

/** The sort keys of a page's last row. */
const encodeToken = (values: readonly SqlValue[]): string => encodePageToken([...values.slice(0, -1), runIdOf(values)]);

function decodeToken(token: string, keyCount: number): readonly SqlValue[] {
  const values = decodePageToken(token);
  const runId = values.at(-1);
  if (values.length !== keyCount || typeof runId !== "string") throw foreignToken();
  return [...values.slice(0, -1), encodeRunId(runId)];
}
