import { afterEach, describe, expect, test, vi } from "vitest";
import { minuteMs, secondMs } from "../base/time.ts";
import { change, creation, runKey, task } from "../store/contract/material.ts";
import type { BacklogTask, QueueKey } from "../store/store.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createMatching, type Handout, longestWaitingEvery, stickyAliveFor } from "./matching.ts";
import { manualClock, openTestStore, turn } from "./service.test-kit.ts";

const run = runKey(1);
const queue: QueueKey = { namespaceId: run.namespaceId, taskQueue: "queue", type: "activity" };

/** Matching over a store with one run. Starting a task removes its row, and its handout is its number. */
async function open(given: { start?: (row: BacklogTask) => Promise<unknown> } = {}) {
  const store = await openTestStore();
  await store.commit([change({ runs: [creation(run)] })]);
  const clock = manualClock();
  const matching = createMatching({
    store,
    clock,
    metrics: createMetrics(),
    startTask: async (row) => {
      const gone = await given.start?.(row);
      await store.commit([change({ deleteTasks: [row] })]);
      return gone === "gone" ? null : async () => row.scheduledEventId;
    },
  });
  await matching.recover();
  const rowOf = (number: number, more: Partial<BacklogTask> = {}) => task(run, { scheduledEventId: number, order: number, ...more });
  return {
    store,
    clock,
    matching,
    /** Commits rows without telling anybody. */
    put: (...rows: BacklogTask[]) => store.commit([change({ putTasks: rows })]),
    /** Commits rows, as a request would that found nobody waiting. */
    async add(...rows: BacklogTask[]) {
      await store.commit([change({ putTasks: rows })]);
      for (const row of rows) matching.added(row);
    },
    rowOf,
    /** The task that a worker gets; null for none. */
    async poll(more: { patience?: number; signal?: AbortSignal; tasksPerSecond?: number; identity?: string } = {}) {
      const { patience = 0, signal = new AbortController().signal, tasksPerSecond = null, identity = "worker" } = more;
      const handout = await matching.poll(queue, { identity, requestId: "", buildId: "", tasksPerSecond }, { patience, signal });
      return handout === null ? null : handout();
    },
  };
}
const handout =
  (value: unknown): Handout =>
  async () =>
    value;

afterEach(() => {
  vi.useRealTimers();
});

describe("a task meets a worker that waits", () => {
  test("at once, without a row", async () => {
    const { matching, poll } = await open();
    expect(matching.reserve(queue)).toBeNull();
    const polled = poll({ patience: minuteMs });
    await turn();
    const reservation = matching.reserve(queue);
    expect(reservation?.poll.identity).toBe("worker");
    // One worker is reserved for one task.
    expect(matching.reserve(queue)).toBeNull();
    reservation?.deliver(handout("task"));
    expect(await polled).toBe("task");
  });

  test("the one that came first gets the first", async () => {
    const { matching, poll } = await open();
    const first = poll({ patience: minuteMs });
    const second = poll({ patience: minuteMs });
    await turn();
    matching.reserve(queue)?.deliver(handout("a"));
    matching.reserve(queue)?.deliver(handout("b"));
    expect([await first, await second]).toEqual(["a", "b"]);
  });

  test("but not before tasks that wait already", async () => {
    const { matching, poll, add, rowOf } = await open();
    const polled = poll({ patience: minuteMs });
    await turn();
    await add(rowOf(1), rowOf(2));
    expect(matching.reserve(queue)).toBeNull();
    expect([await polled, await poll()]).toEqual([1, 2]);
  });

  test("when its commit fails the worker looks again and waits on", async () => {
    const { matching, poll, add, rowOf } = await open();
    const polled = poll({ patience: minuteMs });
    await turn();
    matching.reserve(queue)?.release();
    await turn();
    await add(rowOf(1));
    expect(await polled).toBe(1);
  });

  test("what came in while it was reserved is not forgotten", async () => {
    const { matching, poll, add, rowOf } = await open();
    const polled = poll({ patience: minuteMs });
    await turn();
    const reservation = matching.reserve(queue);
    await add(rowOf(1));
    reservation?.release();
    expect(await polled).toBe(1);
  });

  test("of another type or namespace it gets none", async () => {
    const { matching, poll } = await open();
    void poll({ patience: secondMs });
    await turn();
    expect(matching.reserve({ ...queue, type: "workflow" })).toBeNull();
    expect(matching.reserve({ ...queue, namespaceId: "another" })).toBeNull();
    matching.drain();
  });
});

describe("tasks that found no worker", () => {
  test.each([
    ["in order of arrival", [{}, {}, {}], [1, 2, 3]],
    ["urgent ones first", [{ priority: 3 }, { priority: 5 }, { priority: 1 }], [3, 1, 2]],
    ["by their position, whenever they are told of", [{ order: 30 }, { order: 20 }, { order: 10 }], [3, 2, 1]],
  ] as const)("are served %s", async (_, rows, served) => {
    const { poll, add, rowOf } = await open();
    await add(...rows.map((more, index) => rowOf(index + 1, more)));
    expect([await poll(), await poll(), await poll(), await poll()]).toEqual([...served, null]);
  });

  test("are served in their turn at last, however many urgent ones there are", async () => {
    const { poll, add, rowOf } = await open();
    const urgent = (count: number, from: number) => Array.from({ length: count }, (_, index) => rowOf(from + index, { priority: 1 }));
    await add(rowOf(1, { priority: 5 }), rowOf(2, { priority: 4 }), ...urgent(60, 3));
    const served: unknown[] = [];
    for (let next = await poll(); next !== null; next = await poll()) served.push(next);
    expect(new Set(served).size).toBe(62);
    expect([served.indexOf(1), served.indexOf(2)]).toEqual([longestWaitingEvery - 1, 2 * longestWaitingEvery - 1]);
  });

  test.each([
    ["urgent ones that came when there was no room for more", 1, 0],
    ["those that nobody has in memory, at last", 5, longestWaitingEvery - 1],
  ] as const)("may be more than fit in memory: %s come in time", async (_, priority, place) => {
    const { poll, add, put, rowOf, matching } = await open();
    const odd = rowOf(5_000, { priority, order: priority === 1 ? 5_000 : 0 });
    const usual = Array.from({ length: 1_200 }, (_, index) => rowOf(index + 1));
    if (priority === 1) {
      await add(...usual, odd);
    } else {
      await put(...usual, odd);
      await matching.recover();
    }
    const served: unknown[] = [];
    for (let next = await poll(); next !== null; next = await poll()) served.push(next);
    expect([served.indexOf(5_000), new Set(served).size, served.length]).toEqual([place, 1_201, 1_201]);
  });

  test("are found again by the next process", async () => {
    const { matching, poll, put, rowOf } = await open();
    await put(rowOf(1), rowOf(2));
    await matching.recover();
    expect([await poll(), await poll(), await poll()]).toEqual([1, 2, null]);
  });

  test("may be more than fit in memory", async () => {
    const { poll, add, rowOf } = await open();
    const count = 1_200;
    await add(...Array.from({ length: count }, (_, index) => rowOf(index + 1)));
    const served: unknown[] = [];
    for (let next = await poll(); next !== null; next = await poll()) served.push(next);
    expect(served).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  });

  test("are all found when more come, and more are started, while the store reads a batch of them", async () => {
    const { store, matching, put, poll, rowOf } = await open();
    const rows = Array.from({ length: 1_002 }, (_, index) => rowOf(index + 1));
    const [late = rowOf(0)] = rows.slice(-1);
    await put(...rows.slice(0, -1));
    await matching.recover();
    const readTasks = store.readTasks.bind(store);
    let read = 0;
    vi.spyOn(store, "readTasks").mockImplementation(async (...asked) => {
      const answer = await readTasks(...asked);
      if (++read === 2) {
        await put(late);
        matching.added(late);
      }
      return answer;
    });
    const got = new Set<unknown>();
    for (let round = 0; round < rows.length; round += 2) for (const task of await Promise.all([poll(), poll(), poll()])) got.add(task);
    got.delete(null);
    expect(got.size).toBe(rows.length);
  });

  test("are served to many workers at one time, each once", async () => {
    const { poll, add, rowOf } = await open();
    const waiting = Array.from({ length: 20 }, () => poll({ patience: minuteMs }));
    await turn();
    await add(...Array.from({ length: 20 }, (_, index) => rowOf(index + 1)));
    const served = (await Promise.all(waiting)) as number[];
    expect(served.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  test("are passed over when their run no longer wants them", async () => {
    const { poll, add, rowOf } = await open({ start: async ({ scheduledEventId }) => scheduledEventId === 1 && "gone" });
    await add(rowOf(1), rowOf(2));
    expect(await poll()).toBe(2);
  });

  test("stay when the store fails as they are started", async () => {
    let failing = true;
    const { poll, add, rowOf } = await open({
      start: async () => {
        if (failing) throw new Error("disk full");
      },
    });
    await add(rowOf(1), rowOf(2));
    await expect(poll()).rejects.toThrow("disk full");
    failing = false;
    expect([await poll(), await poll(), await poll()].sort()).toEqual([1, 2, null]);
  });

  test("count", async () => {
    const { matching, clock, add, rowOf } = await open();
    await add(rowOf(1, { enqueuedAt: clock.now() }), rowOf(2, { enqueuedAt: clock.now() }));
    clock.advance(3 * secondMs);
    expect(matching.describe(queue)).toMatchObject({ backlogCount: 2, backlogAge: 3 * secondMs, pollers: [] });
  });
});

describe("a poll is answered empty", () => {
  test("when its patience is over", async () => {
    const { poll } = await open();
    expect(await poll({ patience: 1 })).toBeNull();
  });

  test("when its caller goes away; nothing is reserved for it", async () => {
    const { matching, poll } = await open();
    const caller = new AbortController();
    const polled = poll({ patience: minuteMs, signal: caller.signal });
    await turn();
    caller.abort();
    expect(await polled).toBeNull();
    expect(matching.reserve(queue)).toBeNull();
  });

  test("but not while a task is being committed for it", async () => {
    const { matching, poll } = await open();
    const caller = new AbortController();
    const polled = poll({ patience: minuteMs, signal: caller.signal });
    await turn();
    const reservation = matching.reserve(queue);
    caller.abort();
    reservation?.deliver(handout("task"));
    expect(await polled).toBe("task");
  });

  test("when the server drains", async () => {
    const { matching, poll, add, rowOf } = await open();
    const polled = poll({ patience: minuteMs });
    await turn();
    matching.drain();
    expect(await polled).toBeNull();
    await add(rowOf(1));
    expect(await poll()).toBeNull();
  });
});

test("a caller that leaves as it is woken passes the task on to the next", async () => {
  const { matching, poll, put, rowOf } = await open();
  const caller = new AbortController();
  const leaving = poll({ patience: minuteMs, signal: caller.signal });
  const staying = poll({ patience: minuteMs });
  await turn();
  await put(rowOf(1));
  matching.added(rowOf(1));
  caller.abort();
  expect(await leaving).toBeNull();
  expect(await staying).toBe(1);
});

describe("work that lives in memory only", () => {
  const direct = (value: unknown) => ({ start: async () => handout(value) });
  test("comes before rows", async () => {
    const { matching, poll, add, rowOf } = await open();
    await add(rowOf(1));
    matching.offer(queue, direct("query"));
    expect([await poll(), await poll()]).toEqual(["query", 1]);
  });

  test("wakes who waits", async () => {
    const { matching, poll } = await open();
    const polled = poll({ patience: minuteMs });
    await turn();
    matching.offer(queue, direct("query"));
    expect(await polled).toBe("query");
  });

  test("can be taken back, or prove unwanted", async () => {
    const { matching, poll } = await open();
    const takeBack = matching.offer(queue, direct("first"));
    matching.offer(queue, { start: async () => null });
    matching.offer(queue, direct("third"));
    takeBack();
    expect([await poll(), await poll()]).toEqual(["third", null]);
  });
});

describe("a worker's rate limit", () => {
  const useFakeTime = () => vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });

  test("holds rows back until their time", async () => {
    useFakeTime();
    const { poll, add, rowOf } = await open();
    await add(rowOf(1), rowOf(2));
    const limited = { patience: minuteMs, tasksPerSecond: 0.5 };
    expect(await poll(limited)).toBe(1);
    const second = poll(limited);
    await turn();
    let served = false;
    void second.then(() => {
      served = true;
    });
    vi.advanceTimersByTime(1_990);
    await turn();
    expect(served).toBe(false);
    vi.advanceTimersByTime(20);
    expect(await second).toBe(2);
  });

  test("makes rows of tasks that would have met a waiting worker", async () => {
    useFakeTime();
    const { matching, poll } = await open();
    const limited = { patience: minuteMs, tasksPerSecond: 1 };
    const first = poll(limited);
    const second = poll(limited);
    await turn();
    matching.reserve(queue)?.deliver(handout("a"));
    expect(await first).toBe("a");
    expect(matching.reserve(queue)).toBeNull();
    vi.advanceTimersByTime(1_000);
    await turn();
    matching.reserve(queue)?.deliver(handout("b"));
    expect(await second).toBe("b");
  });

  test("of zero stops the queue", async () => {
    useFakeTime();
    const { poll, add, rowOf } = await open();
    await add(rowOf(1));
    const polled = poll({ patience: 5_000, tasksPerSecond: 0 });
    for (let second = 1; second <= 5; second++) {
      await turn();
      vi.advanceTimersByTime(1_000);
    }
    expect(await polled).toBeNull();
  });
});

describe("whether somebody polls", () => {
  test("waits now, or did lately", async () => {
    const { matching, clock, poll } = await open();
    const alive = () => matching.isPolled(queue, stickyAliveFor);
    expect(alive()).toBe(false);
    const polled = poll({ patience: minuteMs });
    await turn();
    clock.advance(minuteMs);
    expect(alive()).toBe(true);
    matching.drain();
    await polled;
    expect(alive()).toBe(true);
    clock.advance(stickyAliveFor);
    expect(alive()).toBe(false);
  });

  test("a worker that shuts down says so", async () => {
    const { matching, poll } = await open();
    const polled = poll({ patience: minuteMs });
    await turn();
    matching.forget(queue);
    expect(await polled).toBeNull();
    expect(matching.isPolled(queue, stickyAliveFor)).toBe(false);
  });

  test("pollers are remembered for five minutes, by identity", async () => {
    const { matching, clock, poll } = await open();
    await poll({ identity: "old" });
    clock.advance(4 * minuteMs);
    await poll({ identity: "new", tasksPerSecond: 7 });
    await poll({ identity: "new", tasksPerSecond: 7 });
    const identities = () => matching.describe(queue).pollers.map(({ identity, ratePerSecond }) => [identity, ratePerSecond]);
    expect(identities()).toEqual([
      ["old", 100_000],
      ["new", 7],
    ]);
    clock.advance(minuteMs);
    expect(identities()).toEqual([["new", 7]]);
  });
});

describe("a worker inside of the server watches its task queue in all namespaces", () => {
  test("and hears of what nobody waits for, but not of what a poller takes", async () => {
    const { matching, add, rowOf, poll } = await open();
    const told: string[] = [];
    matching.watch({ taskQueue: "queue", type: "activity" }, ({ namespaceId }) => told.push(namespaceId));
    matching.watch({ taskQueue: "queue", type: "workflow" }, () => told.push("the wrong type"));
    matching.watch({ taskQueue: "other", type: "activity" }, () => told.push("the wrong queue"));
    expect(told).toEqual([]);
    const taken = poll({ patience: secondMs });
    await turn();
    await add(rowOf(1));
    expect(await taken).toBe(1);
    expect(told).toEqual([]);
    await add(rowOf(2));
    expect(told).toEqual([run.namespaceId]);
    expect(await poll()).toBe(2);
  });

  test("and hears at once of what was there before", async () => {
    const { matching, put, rowOf, poll } = await open();
    await put(rowOf(1));
    await matching.recover();
    const told: QueueKey[] = [];
    matching.watch({ taskQueue: "queue", type: "activity" }, (key) => told.push(key));
    expect(told).toMatchObject([queue]);
    expect(await poll()).toBe(1);
  });

  test("and hears nothing when the server drains", async () => {
    const { matching, add, rowOf } = await open();
    const told: QueueKey[] = [];
    matching.watch({ taskQueue: "queue", type: "activity" }, (key) => told.push(key));
    matching.drain();
    await add(rowOf(1));
    expect(told).toEqual([]);
  });
});
