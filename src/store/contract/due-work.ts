import { expect, test } from "vitest";
import type { Store } from "../store.ts";
import { bytes, change, committed, creation, entry, runKey, task, text, update } from "./material.ts";

export function dueWorkContract(fresh: () => Promise<Store>): void {
  const queue = { namespaceId: "namespace", taskQueue: "queue", type: "activity" } as const;

  test("a backlog is read by priority, then order, in pages; queues do not mix", async () => {
    const store = await fresh();
    const run = runKey(1);
    const tasks = [
      task(run, { scheduledEventId: 1, priority: 3, order: 1 }),
      task(run, { scheduledEventId: 2, priority: 1, order: 3 }),
      task(run, { scheduledEventId: 3, priority: 1, order: 2 }),
    ];
    const elsewhere = [task(run, { scheduledEventId: 4, taskQueue: "other" }), task(run, { type: "workflow", order: 9, enqueuedAt: 50 })];
    await committed(store, { runs: [creation(run)], putTasks: [...tasks, ...elsewhere] });
    expect(await store.readTasks(queue, null, 10)).toEqual([tasks[2], tasks[1], tasks[0]]);
    expect(await store.readTasks(queue, null, 1)).toEqual([tasks[2]]);
    expect(await store.readTasks(queue, { priority: 1, order: 2 }, 10)).toEqual([tasks[1], tasks[0]]);
    expect(await store.readTasks({ ...queue, namespaceId: "other" }, null, 10)).toEqual([]);
    const queues = await store.readQueues();
    expect(queues).toHaveLength(3);
    expect(queues).toContainEqual({ ...queue, count: 3, oldestEnqueuedAt: 100 });
    expect(queues).toContainEqual({ ...queue, type: "workflow", count: 1, oldestEnqueuedAt: 50 });
  });

  test("a task that is put again replaces the former, a deleted one is gone", async () => {
    const store = await fresh();
    const run = runKey(1);
    await committed(store, { runs: [creation(run)], putTasks: [task(run, {})] });
    const again = task(run, { stamp: 2, order: 5, priority: 2, taskQueue: "other" });
    await committed(store, { putTasks: [again] });
    expect(await store.readTasks(queue, null, 10)).toEqual([]);
    expect(await store.readTasks({ ...queue, taskQueue: "other" }, null, 10)).toEqual([again]);
    expect(
      await Promise.all([again, { ...again, type: "workflow" as const }, { ...again, scheduledEventId: 77 }].map(store.hasTask)),
    ).toEqual([true, false, false]);
    await committed(store, { deleteTasks: [again, task(run, { scheduledEventId: 77 }), task(runKey(99), {})] });
    expect(await store.readQueues()).toEqual([]);
  });

  test("a task or an outbox entry of a run that is not there is a conflict", async () => {
    const store = await fresh();
    expect(await store.commit([change({ putTasks: [task(runKey(1), {})] }), change({ putOutbox: [entry(runKey(1), {})] })])).toEqual([
      "conflict",
      "conflict",
    ]);
  });

  test("runs wake in order of time; each write says anew when", async () => {
    const store = await fresh();
    const [a, b, c, never] = [runKey(1), runKey(2), runKey(3), runKey(4)];
    await committed(store, {
      runs: [creation(a, { wakeAt: 300 }), creation(b, { wakeAt: 100 }), creation(c, { wakeAt: 100 }), creation(never)],
    });
    const wakes = async (until: number, after: { wakeAt: number; runId: string } | null = null, limit = 10) =>
      (await store.readWakes(until, after, limit)).map(({ key, wakeAt }) => [key.workflowId, wakeAt]);
    expect(await wakes(99)).toEqual([]);
    expect(await wakes(100)).toEqual([
      ["workflow-2", 100],
      ["workflow-3", 100],
    ]);
    expect(await wakes(1_000, null, 1)).toEqual([["workflow-2", 100]]);
    expect(await wakes(1_000, { wakeAt: 100, runId: b.runId })).toEqual([
      ["workflow-3", 100],
      ["workflow-1", 300],
    ]);
    await committed(store, { runs: [update(b, 1), update(c, 1, { wakeAt: 400 }), update(a, 1, { wakeAt: 300 })] });
    expect(await wakes(1_000)).toEqual([
      ["workflow-1", 300],
      ["workflow-3", 400],
    ]);
  });

  test("the outbox is read by order; an entry put again replaces the former", async () => {
    const store = await fresh();
    const [a, b] = [runKey(1), runKey(2)];
    const entries = [entry(a, { id: 1, order: 20 }), entry(a, { id: 2, order: 10 }), entry(b, { id: 1, order: 30, body: bytes("child") })];
    await committed(store, { runs: [creation(a), creation(b)], putOutbox: entries });
    const read = async (afterOrder: number, limit = 10) =>
      (await store.readOutbox(afterOrder, limit)).map(({ run, kind, id, order, body }) => [run.workflowId, kind, id, order, text(body)]);
    expect(await read(0)).toEqual([
      ["workflow-1", 1, 2, 10, "body"],
      ["workflow-1", 1, 1, 20, "body"],
      ["workflow-2", 1, 1, 30, "child"],
    ]);
    expect(await read(10, 1)).toEqual([["workflow-1", 1, 1, 20, "body"]]);
    await committed(store, {
      putOutbox: [entry(a, { id: 1, order: 40, body: bytes("again") })],
      deleteOutbox: [entry(a, { id: 2 }), entry(runKey(99), {})],
    });
    expect(await read(0)).toEqual([
      ["workflow-2", 1, 1, 30, "child"],
      ["workflow-1", 1, 1, 40, "again"],
    ]);
  });
}
