import type { EpochMs } from "../base/time.ts";
import type { VisibilityQuery } from "../execution/visibility/filter.ts";
import type { ChainedEntry, ChainHead, ChainId, LedgerEntry, LedgerKind } from "../governance/ledger/ledger.ts";

/** Names one run. `runId` alone is unique; the rest travels with it because every read and log line wants it. */
export type RunKey = { readonly namespaceId: string; readonly workflowId: string; readonly runId: string };

/** A run as stored: one core and keyed items, so that a transition writes only what it changed. */
export type StoredRun = {
  readonly key: RunKey;
  readonly version: number;
  readonly core: Uint8Array;
  readonly items: readonly StoredItem[];
};

/** `kind` is a small number (see `execution/stored-run.ts`), `id` is unique within the kind. */
export type StoredItem = ItemKey & { readonly value: Uint8Array };
export type ItemKey = { readonly kind: number; readonly id: string };

/** Consecutive events of one run, encoded as the repeated field of `temporal.api.history.v1.History`, so that joining batches joins histories. */
export type HistoryBatch = { readonly firstEventId: number; readonly eventCount: number; readonly bytes: Uint8Array };

/** What one transition does to one run. */
export type RunWrite = {
  readonly key: RunKey;
  /** The version this write was decided on; 0 creates the run. The new version is one more. */
  readonly expectedVersion: number;
  readonly core: Uint8Array;
  readonly putItems: readonly StoredItem[];
  readonly deleteItems: readonly ItemKey[];
  readonly history: readonly HistoryBatch[];
  /** When the run next wants to be looked at (timers, time-outs, retries), null for never. Replaces the former value. */
  readonly wakeAt: EpochMs | null;
  /** The row that lists and counts are made of; null leaves it as it is. */
  readonly visibility: VisibilityRecord | null;
  /** Makes this run the current one of its workflow id, provided that the current one is `expectedRunId` (null: none yet). */
  readonly becomeCurrent: { readonly expectedRunId: string | null } | null;
};

export type TaskType = "workflow" | "activity";

/** A task that no poller took at once. At most one row for each (run, type, scheduled event id): adding replaces. */
export type BacklogTask = TaskKey & {
  readonly namespaceId: string;
  readonly taskQueue: string;
  /** Of an activity: tasks of another stamp than the pending activity's are dead. Of a workflow task: its attempt. */
  readonly stamp: number;
  /** 1 is served first, 5 last. */
  readonly priority: number;
  /** Position within queue and priority, unique and growing. */
  readonly order: number;
  readonly enqueuedAt: EpochMs;
};
export type TaskKey = { readonly run: RunKey; readonly type: TaskType; readonly scheduledEventId: number };

/** An effect on another run, to be carried out after the commit. At most one for each (run, kind, id). */
export type OutboxEntry = OutboxKey & { readonly body: Uint8Array; readonly order: number };
export type OutboxKey = { readonly run: RunKey; readonly kind: number; readonly id: number };

/** Everything one request changes: written as a whole or not at all. */
export type Change = {
  readonly runs: readonly RunWrite[];
  readonly putTasks: readonly BacklogTask[];
  readonly deleteTasks: readonly TaskKey[];
  readonly putOutbox: readonly OutboxEntry[];
  readonly deleteOutbox: readonly OutboxKey[];
  readonly putApprovals: readonly ApprovalWrite[];
  readonly putDocuments: readonly DocumentWrite[];
  /** Appended in this order to the chain of each entry's namespace and this store's writer. */
  readonly ledger: readonly LedgerEntry[];
  /** Of most changes nothing. */
  readonly limits?: LimitsChange;
};

/** What attempts take of the policy's limits, give back and spend. */
export type LimitsChange = {
  readonly putHoldings: readonly StoredHolding[];
  readonly deleteHoldings: readonly HoldingKey[];
  /** Each adds to what is recorded: servers that share a database do not wait for each other. */
  readonly spend: readonly SpentBudget[];
  /** Budgets that nobody can spend any more, by id. */
  readonly forgetBudgets: readonly string[];
};

/** What an attempt under way has taken. At most one for each (run, scheduled event id): putting replaces. It goes with its run. */
export type StoredHolding = HoldingKey & {
  /** Opaque to the store. */
  readonly body: Uint8Array;
};
export type HoldingKey = { readonly run: RunKey; readonly scheduledEventId: number };

/** What is spent of a budget in the window that began at `windowStart`. What is spent in a later window replaces it, in an earlier one is dropped. */
export type SpentBudget = { readonly id: string; readonly windowStart: EpochMs; readonly spent: number };

/** A decision that people are asked for, or were. It belongs to a run and goes with it. */
export type StoredApproval = {
  /** Unique in all namespaces. */
  readonly id: string;
  readonly version: number;
  readonly run: RunKey;
  readonly scheduledEventId: number;
  readonly createdAt: EpochMs;
  /** holdfast.state.v1.ApprovalStatus */
  readonly status: number;
  /** An encoded `holdfast.state.v1.Approval`; opaque to the store. */
  readonly body: Uint8Array;
};
/** `expectedVersion` is the one it was decided on; 0 creates it. The new version is one more. After its creation, only status and body change. */
export type ApprovalWrite = Omit<StoredApproval, "version"> & { readonly expectedVersion: number };

/** A versioned document outside of any run: policy bundles, policy snapshots. */
export type StoredDocument = { readonly kind: string; readonly id: string; readonly version: number; readonly body: Uint8Array };
/** `expectedVersion` is the one it was decided on; 0 creates it. The new version is one more. A null body deletes it, and its versions begin anew. */
export type DocumentWrite = Omit<StoredDocument, "version" | "body"> & {
  readonly expectedVersion: number;
  readonly body: Uint8Array | null;
};

export type LedgerQuery = {
  readonly namespaceId: string;
  /** The opaque `next` of the page before; null for the first page. */
  readonly after: string | null;
  readonly limit: number;
  /** Inclusive. */
  readonly since?: EpochMs;
  /** Exclusive. */
  readonly until?: EpochMs;
  readonly kinds?: readonly LedgerKind[];
  readonly runId?: string;
};

export type ChangeOutcome = "committed" | "conflict";

export type VisibilityRecord = {
  readonly workflowType: string;
  readonly taskQueue: string;
  /** temporal.api.enums.v1.WorkflowExecutionStatus */
  readonly status: number;
  readonly startTime: EpochMs;
  readonly executionTime: EpochMs;
  readonly closeTime: EpochMs | null;
  /** These four are null while the run is open. */
  readonly historyLength: number | null;
  readonly historySizeBytes: number | null;
  readonly stateTransitionCount: number | null;
  readonly executionDurationNs: number | null;
  readonly parentWorkflowId: string | null;
  readonly parentRunId: string | null;
  readonly rootWorkflowId: string;
  readonly rootRunId: string;
  /** Decoded search attributes, custom and predefined, by name: what queries look at. */
  readonly attributes: { readonly [name: string]: string | number | boolean | readonly string[] };
  /** An encoded `temporal.api.workflow.v1.WorkflowExecutionInfo`: what lists return. */
  readonly info: Uint8Array;
};

export type ListedExecution = { readonly key: RunKey; readonly info: Uint8Array };

export type NamespaceRecord = {
  readonly id: string;
  readonly name: string;
  /** Grows by one with each write. */
  readonly version: number;
  /** Opaque to the store. */
  readonly body: Uint8Array;
};

export type QueueKey = { readonly namespaceId: string; readonly taskQueue: string; readonly type: TaskType };

/**
 * Where everything is that a crash must not lose. Two adapters hold the same promises (`contract.ts`).
 * A promise that rejects means the store itself failed (disk full, connection lost) and nothing of that call was written.
 */
export type Store = {
  /**
   * Writes each change as a whole or not at all, and returns one outcome per change, in order. All that can share a transaction share one,
   * and its data is on disk when the promise resolves. A change whose run, approval or document version or current run does not match, or
   * that puts a task, an outbox entry, an approval or a holding of a run that is not there, is a "conflict" and leaves the others alone. Later changes
   * of one call see the earlier ones. A change writes a run, an approval or a document once and makes at most one run of a workflow id
   * current. At most `changesPerCommitMax` (1,024).
   */
  commit(changes: readonly Change[]): Promise<readonly ChangeOutcome[]>;

  loadRun(key: RunKey): Promise<StoredRun | null>;
  /** The latest run of a workflow id, open or closed. */
  currentRunId(execution: { namespaceId: string; workflowId: string }): Promise<string | null>;

  /** Batches that hold events `fromEventId` to `toEventId` (both inclusive; the first and last batch may hold more), oldest first; stops after the batch that reaches `eventsMax`. */
  readHistory(key: RunKey, range: { fromEventId: number; toEventId: number; eventsMax: number }): Promise<readonly HistoryBatch[]>;
  /** The same, newest batch first. */
  readHistoryReverse(key: RunKey, range: { fromEventId: number; toEventId: number; eventsMax: number }): Promise<readonly HistoryBatch[]>;

  /** Backlog of one queue by priority, then order, beginning after the given position; at most `limit`. */
  readTasks(queue: QueueKey, after: { priority: number; order: number } | null, limit: number): Promise<readonly BacklogTask[]>;
  /** Whether this task waits in the backlog. */
  hasTask(key: TaskKey): Promise<boolean>;
  /** Queues that have a backlog, with its size and the age of its oldest task. */
  readQueues(): Promise<readonly (QueueKey & { readonly count: number; readonly oldestEnqueuedAt: EpochMs })[]>;
  /** Runs whose `wakeAt` is at most `until`, earliest first, beginning after the given position; at most `limit`. */
  readWakes(
    until: EpochMs,
    after: { wakeAt: EpochMs; runId: string } | null,
    limit: number,
  ): Promise<readonly { readonly key: RunKey; readonly wakeAt: EpochMs }[]>;
  /** Outbox entries by order, beginning after the given one; at most `limit`. */
  readOutbox(afterOrder: number, limit: number): Promise<readonly OutboxEntry[]>;

  /** Executions that match, in the query's order (an absent value sorts below every other, an absent close time above); at most `limit`. `after` is the opaque `next` of the page before; rejects with PageTokenError if it is none. */
  listExecutions(page: {
    namespaceId: string;
    query: VisibilityQuery;
    limit: number;
    after: string | null;
  }): Promise<{ readonly executions: readonly ListedExecution[]; readonly next: string | null }>;
  /** How many match, in all and (with `groupBy`) per value: the largest groups first, at most `groupsMax` (1,000). A list is one value: its JSON text. */
  countExecutions(count: { namespaceId: string; query: VisibilityQuery }): Promise<{
    readonly total: number;
    readonly groups: readonly { readonly value: string | number | boolean | null; readonly count: number }[];
  }>;

  readApproval(id: string): Promise<StoredApproval | null>;
  /**
   * Approvals of a namespace, or of one of its workflow ids or runs, oldest first (then by id). At most `limit`; `after` and `next` as in
   * `listExecutions`.
   */
  listApprovals(page: {
    namespaceId: string;
    status?: number;
    workflowId?: string;
    runId?: string;
    after: string | null;
    limit: number;
  }): Promise<{ readonly approvals: readonly StoredApproval[]; readonly next: string | null }>;
  /** How many approvals of a namespace have a status, and when the oldest of them was asked for; null if there is none. */
  countApprovals(of: { namespaceId: string; status: number }): Promise<{ readonly count: number; readonly oldestAt: EpochMs | null }>;

  readDocument(kind: string, id: string): Promise<StoredDocument | null>;
  /** Documents of a kind by id, beginning after the given one; at most `limit`. */
  listDocuments(kind: string, afterId: string, limit: number): Promise<readonly StoredDocument[]>;

  /**
   * Entries of a namespace by time, then chain (in the order in which the chains began), then sequence; at most `limit`. For people: an
   * entry that is written later with an earlier time is before the cursor. `after` and `next` as in `listExecutions`.
   */
  readLedger(query: LedgerQuery): Promise<{ readonly entries: readonly ChainedEntry[]; readonly next: string | null }>;
  /** The heads of a namespace's chains, or with null of all, in the order in which they began. At most `limit`; `after` and `next` as in `listExecutions`. */
  readChains(page: {
    namespaceId: string | null;
    after: string | null;
    limit: number;
  }): Promise<{ readonly heads: readonly ChainHead[]; readonly next: string | null }>;
  /** Entries of a chain from `fromSequence` (inclusive) on; at most `limit`. For verification and export. */
  readChain(chain: ChainId, fromSequence: number, limit: number): Promise<readonly ChainedEntry[]>;

  /** Holdings by run id, then scheduled event id, beginning after the given one; at most `limit`. */
  readHoldings(after: HoldingKey | null, limit: number): Promise<readonly StoredHolding[]>;
  /** What is spent, by budget id, beginning after the given one; at most `limit`. */
  readBudgets(afterId: string, limit: number): Promise<readonly SpentBudget[]>;

  readNamespaces(): Promise<readonly NamespaceRecord[]>;
  /** Writes a namespace if its stored version is one less than the given one (0: none), and appends `ledger` as `commit` does; else nothing of both. */
  putNamespace(record: NamespaceRecord, ledger: readonly LedgerEntry[]): Promise<ChangeOutcome>;

  /** Runs of a namespace that closed at or before the given time, oldest first; at most `limit`. */
  readClosedRuns(namespaceId: string, closedUntil: EpochMs, limit: number): Promise<readonly RunKey[]>;
  /** Removes runs with all that belongs to them (items, history, tasks, outbox, approvals, holdings, visibility, current pointer when it points to them). The ledger stays. */
  deleteRuns(keys: readonly RunKey[]): Promise<void>;

  /** Every run, by run id, beginning after the given one: for verification and export. At most `limit`. */
  readRuns(afterRunId: string, limit: number): Promise<readonly RunKey[]>;
  /** Bytes the store takes on disk, write-ahead log included. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
};

/** The store cannot be opened or written; the message says why and what to do. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

/** A page token that no list gave, or that is of a query with another order. It came from a caller: refuse it, do not retry. */
export class PageTokenError extends Error {
  override readonly name = "PageTokenError";
}

export const changesPerCommitMax = 1024;
export const groupsMax = 1000;
