import fc from "fast-check";
import { expect } from "vitest";
import type {
  BacklogTask,
  Change,
  ChangeOutcome,
  HistoryBatch,
  ItemKey,
  OutboxEntry,
  RunKey,
  RunWrite,
  Store,
  StoredItem,
} from "../store.ts";
import { batch, bytes, change, entry, everythingOf, item, runKey, task, text, update, visibility } from "./material.ts";

/** A write as the generator draws it: relative to what the model holds, so that most writes fit and some do not. */
type DrawnWrite = {
  readonly run: number;
  readonly versionsBehind: number;
  readonly put: readonly StoredItem[];
  readonly deleted: readonly ItemKey[];
  readonly events: readonly number[];
  readonly wakeAt: number | null;
  readonly startTime: number | null;
  readonly current: "right" | "stale" | null;
};
type DrawnDue = { readonly run: number; readonly id: number };
type DrawnChange = {
  readonly writes: readonly DrawnWrite[];
  readonly putTasks: readonly DrawnDue[];
  readonly deleteTasks: readonly DrawnDue[];
  readonly putOutbox: readonly DrawnDue[];
  readonly deleteOutbox: readonly DrawnDue[];
};
type Step = { readonly commit: readonly DrawnChange[] } | { readonly delete: readonly number[] };

// Few runs, ids and workflow ids, so that the steps meet.
const runNumber = fc.integer({ min: 0, max: 4 });
const keyOf = (run: number): RunKey => runKey(run, `workflow-${run % 2}`);
const smallId = fc.integer({ min: 1, max: 3 });
const anyItem = fc
  .record({ kind: smallId, id: fc.constantFrom("a", "b"), value: fc.string({ maxLength: 5 }) })
  .map(({ kind, id, value }) => item(kind, id, value));
const itemId = ({ kind, id }: ItemKey): string => `${kind}/${id}`;
const due = (max: number) =>
  fc.uniqueArray(fc.record({ run: runNumber, id: smallId }), { maxLength: max, selector: ({ run, id }) => `${run}/${id}` });

const anyWrite: fc.Arbitrary<DrawnWrite> = fc.record({
  run: runNumber,
  versionsBehind: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -1, max: 1 }) }),
  put: fc.uniqueArray(anyItem, { maxLength: 3, selector: itemId }),
  deleted: fc.uniqueArray(fc.record({ kind: smallId, id: fc.constantFrom("c", "a") }), { maxLength: 2, selector: itemId }),
  events: fc.array(smallId, { maxLength: 2 }),
  wakeAt: fc.option(fc.integer({ min: 1, max: 4 })),
  startTime: fc.option(fc.integer({ min: 1, max: 4 })),
  current: fc.constantFrom("right", "stale", null, null),
});

const anyChange: fc.Arbitrary<DrawnChange> = fc.record({
  writes: fc.uniqueArray(anyWrite, { maxLength: 2, selector: ({ run }) => run }),
  putTasks: due(2),
  deleteTasks: due(1),
  putOutbox: due(2),
  deleteOutbox: due(1),
});

export const anySteps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ commit: fc.array(anyChange, { maxLength: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ delete: fc.uniqueArray(runNumber, { maxLength: 2 }) }) },
  ),
  { maxLength: 12 },
);

type ModelRun = {
  version: number;
  core: string;
  items: Map<string, StoredItem>;
  history: HistoryBatch[];
  wakeAt: number | null;
  startTime: number | null;
};

/** Takes the steps in a plain model and in the store, and expects the same outcomes and, in the end, the same contents. */
export async function checkAgainstModel(store: Store, steps: readonly Step[]): Promise<void> {
  const runs = new Map<string, ModelRun>();
  const current = new Map<string, string>();
  const tasks = new Map<string, BacklogTask>();
  const outbox = new Map<string, OutboxEntry>();
  let order = 0;

  /** Draws the concrete change just before it is applied to the model, as a caller that has read the latest state would. */
  function apply(drawn: DrawnChange): { readonly change: Change; readonly outcome: ChangeOutcome } {
    const writes = drawn.writes.map((write, index) => concrete(write, index));
    const dueTask = ({ run, id }: DrawnDue): BacklogTask =>
      task(keyOf(run), { scheduledEventId: id, order: ++order, priority: 1 + (order % 5) });
    const dueEntry = ({ run, id }: DrawnDue): OutboxEntry => entry(keyOf(run), { id, order: ++order });
    const asked = change({
      runs: writes,
      putTasks: drawn.putTasks.map(dueTask),
      deleteTasks: drawn.deleteTasks.map(dueTask),
      putOutbox: drawn.putOutbox.map(dueEntry),
      deleteOutbox: drawn.deleteOutbox.map(dueEntry),
    });
    if (!fits(asked)) return { change: asked, outcome: "conflict" };
    for (const [index, write] of writes.entries()) evolve(write, drawn.writes[index]?.startTime ?? null);
    for (const { run, scheduledEventId } of asked.deleteTasks) tasks.delete(`${run.runId}/${scheduledEventId}`);
    for (const { run, id } of asked.deleteOutbox) outbox.delete(`${run.runId}/${id}`);
    for (const put of asked.putTasks) tasks.set(`${put.run.runId}/${put.scheduledEventId}`, put);
    for (const put of asked.putOutbox) outbox.set(`${put.run.runId}/${put.id}`, put);
    return { change: asked, outcome: "committed" };
  }

  function concrete(
    { run, versionsBehind, put, deleted, events, wakeAt, startTime, current: wanted }: DrawnWrite,
    index: number,
  ): RunWrite {
    const key = keyOf(run);
    const stored = runs.get(key.runId);
    let nextEventId = stored === undefined ? 1 : stored.history.reduce((next, { eventCount }) => next + eventCount, 1);
    const history = events.map((eventCount) => {
      const next = batch(nextEventId, eventCount);
      nextEventId += eventCount;
      return next;
    });
    const currentRunId = current.get(key.workflowId) ?? null;
    return update(key, Math.max(0, (stored?.version ?? 0) - versionsBehind), {
      core: bytes(`core ${++order}`),
      putItems: put,
      deleteItems: deleted.filter((one) => !put.some((other) => itemId(other) === itemId(one))),
      history,
      wakeAt,
      visibility: startTime === null ? null : visibility({ startTime, rootWorkflowId: key.workflowId, rootRunId: key.runId }),
      // Only the first write asks for it: a change makes one run of a workflow id current.
      becomeCurrent:
        wanted === null || index > 0
          ? null
          : { expectedRunId: wanted === "right" ? currentRunId : currentRunId === null ? key.runId : null },
    });
  }

  function fits({ runs: writes, putTasks, putOutbox }: Change): boolean {
    const known = new Set([...runs.keys(), ...writes.map(({ key }) => key.runId)]);
    return (
      writes.every(({ key, expectedVersion }) => (runs.get(key.runId)?.version ?? 0) === expectedVersion) &&
      writes.every(
        ({ key, becomeCurrent }) => becomeCurrent === null || (current.get(key.workflowId) ?? null) === becomeCurrent.expectedRunId,
      ) &&
      [...putTasks, ...putOutbox].every(({ run }) => known.has(run.runId))
    );
  }

  function evolve({ key, core, putItems, deleteItems, history, wakeAt, becomeCurrent }: RunWrite, startTime: number | null): void {
    const before = runs.get(key.runId);
    const items = new Map(before?.items);
    for (const one of deleteItems) items.delete(itemId(one));
    for (const one of putItems) items.set(itemId(one), one);
    runs.set(key.runId, {
      version: (before?.version ?? 0) + 1,
      core: text(core),
      items,
      history: [...(before?.history ?? []), ...history],
      wakeAt,
      startTime: startTime ?? before?.startTime ?? null,
    });
    if (becomeCurrent !== null) current.set(key.workflowId, key.runId);
  }

  function remove({ runId, workflowId }: RunKey): void {
    runs.delete(runId);
    if (current.get(workflowId) === runId) current.delete(workflowId);
    for (const [id, { run }] of tasks) if (run.runId === runId) tasks.delete(id);
    for (const [id, { run }] of outbox) if (run.runId === runId) outbox.delete(id);
  }

  for (const step of steps) {
    if ("delete" in step) {
      const keys = step.delete.map(keyOf);
      keys.forEach(remove);
      await store.deleteRuns(keys);
      continue;
    }
    const applied = step.commit.map(apply);
    expect(await store.commit(applied.map((one) => one.change))).toEqual(applied.map(({ outcome }) => outcome));
  }

  const keys = [0, 1, 2, 3, 4].map(keyOf).filter(({ runId }) => runs.has(runId));
  const stored = keys
    .map((key) => ({ key, run: runs.get(key.runId) }))
    .flatMap(({ key, run }) => (run === undefined ? [] : [{ key, ...run }]));
  const held = await everythingOf(store);
  expect(held.runs).toEqual(
    stored.map(({ key, version, core, items, history }) => ({
      key,
      state: { version, core, items: [...items.values()].map((one) => `${itemId(one)}=${text(one.value)}`).toSorted() },
      isCurrent: current.get(key.workflowId) === key.runId,
      history: history.map(({ firstEventId, eventCount, bytes: content }) => `${firstEventId}+${eventCount}: ${text(content)}`),
    })),
  );
  expect(held.tasks).toEqual([...tasks.values()].toSorted((a, b) => a.order - b.order));
  expect(held.outbox).toEqual(
    [...outbox.values()].toSorted((a, b) => a.order - b.order).map(({ body, ...rest }) => ({ ...rest, body: text(body) })),
  );
  expect(held.wakes).toEqual(
    stored
      .flatMap(({ key, wakeAt }) => (wakeAt === null ? [] : [{ key, wakeAt }]))
      .toSorted((a, b) => a.wakeAt - b.wakeAt || (a.key.runId < b.key.runId ? -1 : 1)),
  );
  expect(held.listed).toEqual(
    stored
      .flatMap(({ key, startTime }) => (startTime === null ? [] : [{ key, startTime }]))
      .toSorted((a, b) => b.startTime - a.startTime || (a.key.runId < b.key.runId ? -1 : 1))
      .map(({ key }) => key.workflowId),
  );
}
