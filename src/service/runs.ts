import { assert } from "../base/assert.ts";
import { err, type Result } from "../base/result.ts";
import { decide, holdLimits } from "../execution/decide.ts";
import { type Context, closeDraft, type Draft, emptyState, isRunning, type MutableState, type RunKey } from "../execution/execution.ts";
import { alreadyCompleted } from "../execution/signal.ts";
import { decodeRun, encodeTransition } from "../execution/stored-run.ts";
import { wakeAt } from "../execution/wake.ts";
import type { LedgerEntry } from "../governance/ledger/ledger.ts";
import { WorkflowExecutionStatus } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { notFound, type Refusal } from "../protocol/refusal.ts";
import type { ApprovalWrite, BacklogTask, Change, LimitsChange, OutboxEntry, OutboxKey, RunWrite, Store, TaskKey } from "../store/store.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Committer } from "./committer.ts";
import type { Noted } from "./policy/safety-kernel.ts";
import { visibilityRecord } from "./visibility-record.ts";

/**
 * A run in memory. `state` is the newest decided state, which may still be on its way to disk: later requests decide on it, and every
 * answer waits for the commit it depends on.
 */
export type RunCell = {
  readonly key: RunKey;
  state: MutableState;
  version: number;
  /** Resolves when everything decided so far is on disk. Never rejects. */
  settled: Promise<void>;
  /** A commit failed: the state is not what is stored. The cell is out of the cache, and whoever holds it loads anew. */
  broken: boolean;
  /** Reasons to stay in memory: waiting callers, tasks that exist only here. */
  pins: number;
  /** Called after each commit, and when the cell breaks. */
  readonly listeners: Set<(change: { readonly rejections: Draft["rejections"] }) => void>;
};

/** One run's share of a change. */
export type Part = {
  readonly cell: RunCell;
  readonly draft: Draft;
  /** Creates the run and makes it the current one of its workflow id in place of `expectedRunId`. */
  readonly becomeCurrent?: { readonly expectedRunId: string | null };
};

/** What the dispatch stage made of the tasks that became due: rows for those that must wait, and what to do when the change is on disk or is not. */
export type Staged = {
  readonly putTasks: readonly BacklogTask[];
  /** What the attempts that begin or end here take and give back of the policy's limits. */
  readonly limits: readonly LimitsChange[];
  committed(): void;
  failed(): void;
};

export type SubmitOptions<I = unknown> = {
  readonly deleteTasks?: readonly TaskKey[];
  readonly deleteOutbox?: readonly OutboxKey[];
  readonly approvals?: readonly ApprovalWrite[];
  readonly ledger?: readonly LedgerEntry[];
  readonly limits?: LimitsChange;
  /** Drafts of which nothing is kept but the record of what was decided on them. */
  readonly undone?: readonly Draft[];
  readonly inline?: I;
};

/** Lost a race or the store failed: nothing was written. */
export class NotCommitted extends Error {
  override readonly name = "NotCommitted";
}

export type Runs<I> = {
  /** The run, from memory or the store; null when there is none. */
  load(key: RunKey): Promise<RunCell | null>;
  /** The named run, or with an empty run id the current one of its workflow id. */
  find(execution: { namespaceId: string; workflowId: string; runId: string }): Promise<Result<RunCell, Refusal>>;
  /** A cell for a run that does not exist yet. */
  create(key: RunKey): RunCell;
  contextOf(namespaceId: string): Context;
  /**
   * Commits drafts of one or several runs as one change. Resolves when it is on disk; rejects with `NotCommitted` when another request was first.
   * To be called in the same turn in which the drafts were decided.
   */
  submit(parts: readonly Part[], options?: SubmitOptions<I>): Promise<void>;
  /** Decides one request on one run and commits it. A request to the current run follows it when the chain goes on meanwhile. */
  transact<T>(
    execution: { namespaceId: string; workflowId: string; runId: string },
    request: (draft: Draft, cell: RunCell) => Result<T, Refusal>,
    options?: SubmitOptions<I>,
  ): Promise<Result<T, Refusal>>;
  pin(cell: RunCell): () => void;
  /** Drops what the cache holds of deleted runs. */
  forget(keys: readonly RunKey[]): void;
  readonly size: number;
};

/** Runs held in memory: at most so many, and about so many bytes of their inputs and pending work. */
const cachedRunsMax = 4_096;
const cachedBytesMax = 48 * 2 ** 20;
const attemptsMax = 8;

export function createRuns<I>(deps: {
  readonly store: Pick<Store, "loadRun" | "currentRunId">;
  readonly committer: Committer;
  readonly metrics: Metrics;
  readonly contextOf: (namespaceId: string) => Context;
  /** Hands due tasks to waiting workers: the only stage through which a task leaves a transition. */
  readonly stage: (parts: readonly Part[], inline: I | undefined) => Staged;
  readonly encodeEffects: (draft: Draft) => readonly OutboxEntry[];
  /** What was decided on the draft's actions, to be recorded in the same commit. */
  readonly noted: (draft: Draft) => Noted;
  /** Told after each commit. */
  readonly committed: (parts: readonly Part[], outbox: readonly OutboxEntry[]) => void;
}): Runs<I> {
  const { store, committer, metrics, contextOf, stage, encodeEffects } = deps;
  const cells = new Map<string, RunCell>();
  const loading = new Map<string, Promise<RunCell | null>>();
  const weights = new Map<string, number>();
  let bytes = 0;

  metrics.runsCached.readFrom(() => [[cells.size]]);

  /** Keeps the cell, as the most recently used one, and lets go of the oldest that nobody needs. */
  function keep(cell: RunCell): void {
    const { runId } = cell.key;
    const weight = weigh(cell.state);
    bytes += weight - (weights.get(runId) ?? 0);
    weights.set(runId, weight);
    cells.delete(runId);
    cells.set(runId, cell);
    let looked = 0;
    for (const [id, old] of cells) {
      if ((cells.size <= cachedRunsMax && bytes <= cachedBytesMax) || ++looked > 16) break;
      if (old.pins === 0 && old !== cell) drop(id);
    }
  }

  function drop(runId: string): void {
    cells.delete(runId);
    bytes -= weights.get(runId) ?? 0;
    weights.delete(runId);
  }

  function newCell(key: RunKey, state: MutableState, version: number): RunCell {
    return { key, state, version, settled: Promise.resolve(), broken: false, pins: 0, listeners: new Set() };
  }

  async function read(key: RunKey): Promise<RunCell | null> {
    const stored = await store.loadRun(key);
    if (stored === null) return null;
    const cell = newCell(stored.key, decodeRun(stored.key, stored), stored.version);
    keep(cell);
    return cell;
  }

  async function load(key: RunKey): Promise<RunCell | null> {
    const cached = cells.get(key.runId);
    if (cached !== undefined) {
      if (cached.key.workflowId !== key.workflowId || cached.key.namespaceId !== key.namespaceId) return null;
      cells.delete(key.runId);
      cells.set(key.runId, cached);
      return cached;
    }
    // By the whole key: whoever asks for a run under another namespace must not share the answer.
    const name = JSON.stringify([key.namespaceId, key.workflowId, key.runId]);
    let pending = loading.get(name);
    if (pending === undefined) {
      pending = read(key).finally(() => loading.delete(name));
      loading.set(name, pending);
    }
    return pending;
  }

  const find: Runs<I>["find"] = async ({ namespaceId, workflowId, runId }) => {
    const id = runId !== "" ? runId : await store.currentRunId({ namespaceId, workflowId });
    const cell = id === null ? null : await load({ namespaceId, workflowId, runId: id });
    return cell === null ? err(notFound(`workflow not found for ID: ${workflowId}`)) : { ok: true, value: cell };
  };

  function toWrite({ cell, draft, becomeCurrent }: Part): RunWrite | null {
    const wasRunning = isRunning(draft.base);
    const encoded = encodeTransition(draft);
    const state = closeDraft(draft);
    cell.state = state;
    if (encoded === null) return null;
    if (becomeCurrent !== undefined) metrics.runsStarted.add(1);
    else if (wasRunning && !isRunning(state)) metrics.runsClosed.add(1, statusNames.get(state.core.status) ?? "UNKNOWN");
    return {
      key: cell.key,
      expectedVersion: cell.version++,
      core: encoded.core,
      putItems: encoded.putItems,
      deleteItems: encoded.deleteItems,
      history: encoded.history,
      wakeAt: wakeAt(state),
      visibility: draft.visibilityChanged ? visibilityRecord(state, draft.context) : null,
      becomeCurrent: becomeCurrent ?? null,
    };
  }

  const submit: Runs<I>["submit"] = async (given, options = {}) => {
    const parts = withSuccessors(given, newCell);
    for (const { cell } of parts) assert(!cell.broken, "a broken cell is loaded anew before it is decided on");
    const staged = stage(parts, options.inline);
    const outbox = parts.flatMap(({ draft }) => encodeEffects(draft));
    const stale = parts.flatMap(({ draft }) => staleTasks(draft));
    const noted = parts.map(({ draft }) => deps.noted(draft));
    const undone = (options.undone ?? []).flatMap((draft) => deps.noted(draft).ledger);
    const change: Change = {
      runs: parts.map(toWrite).filter((write) => write !== null),
      putTasks: staged.putTasks,
      deleteTasks: [...(options.deleteTasks ?? []), ...stale],
      putOutbox: outbox,
      deleteOutbox: options.deleteOutbox ?? [],
      putApprovals: [...(options.approvals ?? []), ...noted.flatMap(({ approvals }) => approvals)],
      putDocuments: [],
      ledger: [...(options.ledger ?? []), ...undone, ...noted.flatMap(({ ledger }) => ledger)],
    };
    const limits = options.limits === undefined ? staged.limits : [...staged.limits, options.limits];
    const former = parts.map(({ cell }) => cell.settled);
    const empty =
      change.runs.length +
        change.putTasks.length +
        change.deleteTasks.length +
        change.deleteOutbox.length +
        change.putApprovals.length +
        change.ledger.length +
        limits.length ===
      0;
    // What only memory holds still rests on what is being written.
    const written = empty
      ? Promise.all(former).then(() => (parts.some(({ cell }) => cell.broken) ? "conflict" : "committed"))
      : committer.commit(limits.length === 0 ? change : { ...change, limits: joined(limits) });
    // INVARIANT: a cell is marked as broken before it is settled, so that whoever waited for it sees that it is.
    const outcome = written.then(
      (outcome) => {
        if (outcome === "conflict") fail(parts, staged);
        return outcome;
      },
      (error: unknown) => {
        fail(parts, staged);
        throw error;
      },
    );
    const settled = outcome.then(
      () => {},
      () => {},
    );
    for (const { cell } of parts) {
      cell.settled = settled;
      // INVARIANT: a cell whose state is on its way to disk stays in memory; what is stored is older.
      cell.pins++;
      keep(cell);
    }
    const committed = await outcome.finally(() => {
      for (const { cell } of parts) cell.pins--;
    });
    if (committed === "conflict") {
      metrics.commitConflicts.add(1);
      throw new NotCommitted("another request was first");
    }
    staged.committed();
    deps.committed(parts, outbox);
    for (const { cell, draft } of parts) for (const listener of [...cell.listeners]) listener(draft);
  };

  function fail(parts: readonly Part[], staged: Staged): void {
    for (const { cell } of parts) {
      cell.broken = true;
      if (cells.get(cell.key.runId) === cell) drop(cell.key.runId);
      // Whoever waits for news of this cell would wait in vain.
      for (const listener of [...cell.listeners]) listener({ rejections: new Map() });
    }
    staged.failed();
  }

  const transact: Runs<I>["transact"] = async (execution, request, options) => {
    let refused: Result<never, Refusal> = err({ kind: "unavailable", message: "the workflow is busy, try again" });
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const found = await find(execution);
      if (!found.ok) return found;
      const cell = found.value;
      if (cell.broken) continue;
      const decided = decide(cell.state, contextOf(execution.namespaceId), (draft) => request(draft, cell));
      if (!decided.ok) {
        // The refusal may rest on a state that is not on disk yet.
        await cell.settled;
        refused = decided;
        const current = execution.runId === "" && decided.error === alreadyCompleted ? await store.currentRunId(execution) : cell.key.runId;
        if (cell.broken || current !== cell.key.runId) continue;
        return decided;
      }
      try {
        await submit([{ cell, draft: decided.value.draft }], options);
        return { ok: true, value: decided.value.value };
      } catch (error) {
        if (!(error instanceof NotCommitted)) throw error;
      }
    }
    return refused;
  };

  return {
    load,
    find,
    create: (key) => newCell(key, emptyState(key), 0),
    contextOf,
    submit,
    transact,
    pin: (cell) => {
      cell.pins++;
      let held = true;
      return () => {
        if (held) cell.pins--;
        held = false;
      };
    },
    forget: (keys) => {
      for (const { runId } of keys) drop(runId);
    },
    get size() {
      return cells.size;
    },
  };
}

/** The next run of a chain is created in the change that closes the one before. */
function withSuccessors(parts: readonly Part[], newCell: (key: RunKey, state: MutableState, version: number) => RunCell): readonly Part[] {
  return parts.flatMap((part): readonly Part[] => {
    const { successor } = part.draft;
    if (successor === null) return [part];
    holdLimits(successor);
    const cell = newCell(successor.key, emptyState(successor.key), 0);
    return [part, { cell, draft: successor, becomeCurrent: { expectedRunId: part.cell.key.runId } }];
  });
}

const joined = (limits: readonly LimitsChange[]): LimitsChange => ({
  putHoldings: limits.flatMap(({ putHoldings }) => putHoldings),
  deleteHoldings: limits.flatMap(({ deleteHoldings }) => deleteHoldings),
  spend: limits.flatMap(({ spend }) => spend),
  forgetBudgets: limits.flatMap(({ forgetBudgets }) => forgetBudgets),
});

/** Tasks that stood for a state which is over: rows of theirs must not stay behind. */
function staleTasks({ base, core, activities, key }: Draft): readonly TaskKey[] {
  const stale: TaskKey[] = [];
  const before = base.core.workflowTask;
  if (before !== undefined && before.startedEventId === 0 && !before.speculative) {
    const after = core.workflowTask;
    if (after?.scheduledEventId !== before.scheduledEventId || after.startedEventId !== 0) {
      stale.push({ run: key, type: "workflow", scheduledEventId: before.scheduledEventId });
    }
  }
  for (const scheduledEventId of activities.touched) {
    const activity = base.activities.get(scheduledEventId);
    if (activity === undefined || !activity.dispatched || activity.startedTime !== 0) continue;
    const after = activities.get(scheduledEventId);
    if (after === undefined || after.stamp !== activity.stamp || after.startedTime !== 0)
      stale.push({ run: key, type: "activity", scheduledEventId });
  }
  return stale;
}

/** A rough size in memory, bytes. */
function weigh(state: MutableState): number {
  let input = 0;
  for (const { data } of state.started.input?.payloads ?? []) input += data.length;
  const pending =
    state.activities.size + state.timers.size + state.children.size + state.updates.size + state.requestIds.size + state.buffered.length;
  return 4_096 + input + 1_024 * pending;
}

const statusNames = new Map<number, string>(Object.entries(WorkflowExecutionStatus).map(([name, value]) => [value, name]));
