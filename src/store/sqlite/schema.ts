import type { Database } from "better-sqlite3";
import { StoreError } from "../store.ts";

/** Marks a file as ours in its header, so that another program's database is refused instead of filled with our tables. */
export const applicationId = 0x484f4c44; // "HOLD"

/** Later than any close time. */
export const closeOrderOfOpenRuns = Number.MAX_SAFE_INTEGER;

/**
 * Migration n is the element n - 1. Append only: a database remembers the numbers that it has seen.
 *
 * What repeats in every row is stored once and referred to by a small number: namespaces, task queues and, above all, runs.
 * Run ids are 16 bytes (`run-id.ts`). Flags and times are integers; times are milliseconds since the epoch.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE namespaces (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE namespace_numbers (number INTEGER PRIMARY KEY, namespace_id TEXT NOT NULL UNIQUE);
  CREATE TABLE queue_numbers (
    number INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    type INTEGER NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (namespace, type, name)
  );

  CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    run_id NOT NULL UNIQUE,
    namespace INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    is_current INTEGER NOT NULL,
    version INTEGER NOT NULL,
    wake_at INTEGER,
    core BLOB NOT NULL
  );
  -- Finds the current run, and all runs of a workflow id. It is a flag and not a table of pointers because that would hold each workflow id a third time.
  CREATE INDEX runs_by_workflow ON runs (workflow_id, namespace, is_current);
  CREATE INDEX runs_by_wake ON runs (wake_at, run_id) WHERE wake_at IS NOT NULL;

  CREATE TABLE items (
    run INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (run, kind, id)
  ) WITHOUT ROWID;

  -- position = run number and first event id in one integer (history.ts): clustered by run, yet a plain rowid table, which unlike
  -- a WITHOUT ROWID one keeps rows of up to a page in place (those go to a page of their own from a quarter of a page on).
  CREATE TABLE history (position INTEGER PRIMARY KEY, event_count INTEGER NOT NULL, bytes BLOB NOT NULL);

  CREATE TABLE tasks (
    run INTEGER NOT NULL,
    type INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    task_order INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    PRIMARY KEY (run, type, scheduled_event_id)
  ) WITHOUT ROWID;
  CREATE INDEX tasks_by_order ON tasks (queue, priority, task_order);

  CREATE TABLE outbox (
    run INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id INTEGER NOT NULL,
    entry_order INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (run, kind, id)
  ) WITHOUT ROWID;
  CREATE INDEX outbox_by_order ON outbox (entry_order);

  -- Apart from runs, so that the many rewrites of a run's state leave its wide row and three indexes alone.
  CREATE TABLE visibility (
    run INTEGER PRIMARY KEY,
    run_id NOT NULL,
    namespace INTEGER NOT NULL,
    workflow_type TEXT NOT NULL,
    task_queue TEXT NOT NULL,
    status INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    execution_time INTEGER NOT NULL,
    close_time INTEGER,
    history_length INTEGER,
    history_size_bytes INTEGER,
    state_transition_count INTEGER,
    execution_duration_ns INTEGER,
    parent_workflow_id TEXT,
    parent_run_id,
    root_workflow_id TEXT,  -- null: the run is its own root, as most are
    root_run_id,
    attributes TEXT,        -- a JSON object, null for an empty one
    info BLOB NOT NULL,
    -- Sorts open runs after all closed ones.
    close_order INTEGER GENERATED ALWAYS AS (ifnull(close_time, ${closeOrderOfOpenRuns})) VIRTUAL
  );
  -- Each ends in the order that lists have by default, so that a page of a list is a range of an index.
  CREATE INDEX visibility_by_time ON visibility (namespace, close_order DESC, start_time DESC, run_id);
  CREATE INDEX visibility_by_status ON visibility (namespace, status, close_order DESC, start_time DESC, run_id);
  CREATE INDEX visibility_by_type ON visibility (namespace, workflow_type, close_order DESC, start_time DESC, run_id);

  -- What the query planner shall take the tables for: large, with few namespaces (that one column narrows nothing), statuses and types.
  -- Measured statistics would be of a young and empty database. Rows in all, then rows with equal first column, first two columns, …
  ANALYZE sqlite_schema;
  INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('runs', 'sqlite_autoindex_runs_1', '1000000 1'),
    ('runs', 'runs_by_workflow', '1000000 2 2 1'),
    ('runs', 'runs_by_wake', '500000 2 1'),
    ('visibility', 'visibility_by_time', '1000000 500000 10 2 1'),
    ('visibility', 'visibility_by_status', '1000000 500000 100000 10 2 1'),
    ('visibility', 'visibility_by_type', '1000000 500000 20000 5 2 1');
  ANALYZE sqlite_schema;
  `,
  `
  CREATE TABLE approvals (
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    run INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    namespace INTEGER NOT NULL,
    status INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    body BLOB NOT NULL
  );
  CREATE INDEX approvals_by_time ON approvals (namespace, created_at, id);
  CREATE INDEX approvals_by_status ON approvals (namespace, status, created_at, id);
  CREATE INDEX approvals_by_run ON approvals (run, created_at, id);

  CREATE TABLE documents (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (kind, id)
  );

  CREATE TABLE ledger_chains (
    number INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    writer_id TEXT NOT NULL,
    UNIQUE (namespace, writer_id)
  );
  -- position = chain number and sequence in one integer (ledger.ts), like that of history.
  CREATE TABLE ledger (
    position INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    run_id,
    hash BLOB NOT NULL,
    body BLOB NOT NULL
  );
  -- Each of these ends in the position, as every index does.
  CREATE INDEX ledger_by_time ON ledger (namespace, at);
  CREATE INDEX ledger_by_run ON ledger (run_id, at) WHERE run_id IS NOT NULL;
  -- All but decisions (kind 1), which are many: what is rare is found without reading them.
  CREATE INDEX ledger_acts_by_time ON ledger (namespace, at) WHERE kind <> 1;
  `,
  `
  CREATE TABLE holdings (
    run INTEGER NOT NULL,
    scheduled_event_id INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (run, scheduled_event_id)
  ) WITHOUT ROWID;

  CREATE TABLE budgets (
    id TEXT PRIMARY KEY,
    window_start INTEGER NOT NULL,
    spent REAL NOT NULL
  ) WITHOUT ROWID;
  `,
];

/** Brings the schema up to date; writes nothing where it is. Refuses a database that a newer program has written. */
export function migrate(db: Database, path: string): void {
  if (db.pragma("application_id", { simple: true }) !== applicationId) db.pragma(`application_id = ${applicationId}`);
  db.exec("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)");
  const newest = schemaOf(db, path);
  const record = db.prepare<[number]>("INSERT INTO migrations (number, applied_at) VALUES (?, unixepoch() * 1000)");
  for (const [index, sql] of migrations.entries()) {
    if (index + 1 <= newest) continue;
    db.exec(sql);
    record.run(index + 1);
  }
}

/** Refuses a schema that only `migrate` could bring up to date. */
export function requireCurrentSchema(db: Database, path: string): void {
  const newest = schemaOf(db, path);
  if (newest < migrations.length) {
    throw new StoreError(
      `database \`${path}\` was written by an older version (schema ${newest}, this program reads ${migrations.length}): start this version on it once, or on a copy`,
    );
  }
}

/** The number of the newest migration; refuses one that this program does not know. */
function schemaOf(db: Database, path: string): number {
  const newest = db.prepare<[], number>("SELECT ifnull(max(number), 0) FROM migrations").pluck().get() ?? 0;
  if (newest <= migrations.length) return newest;
  throw new StoreError(
    `database \`${path}\` was written by a newer version (schema ${newest}, this program knows ${migrations.length}): run that version or restore a backup`,
  );
}
