import { expect, test } from "vitest";
import type { QueueKey } from "../../store/store.ts";
import { silentLog } from "../../telemetry/log.ts";
import { eventually, turn } from "../service.test-kit.ts";
import { createServerWorker } from "./server-worker.ts";

type Task = { readonly namespaceId: string; readonly number: number; finish(): void };

/** A worker over queues that a test fills, whose tasks run until the test finishes them. */
function running({ concurrencyMax = 4 } = {}) {
  const waiting = new Map<string, number>();
  const polls: string[] = [];
  const begun: Task[] = [];
  let tell = (_queue: QueueKey): void => {};
  let failing = false;
  const worker = createServerWorker<Omit<Task, "finish">>({
    matching: {
      watch: (_queue, told) => {
        tell = told;
      },
    },
    queue: { taskQueue: "own", type: "activity" },
    concurrencyMax,
    log: silentLog,
    take: async ({ namespaceId }) => {
      polls.push(namespaceId);
      if (failing) throw new Error("disk full");
      const number = waiting.get(namespaceId) ?? 0;
      if (number === 0) return null;
      waiting.set(namespaceId, number - 1);
      return { namespaceId, number };
    },
    handle: (task, signal) =>
      new Promise((finish) => {
        signal.addEventListener("abort", () => finish());
        begun.push({ ...task, finish });
      }),
  });
  return {
    worker,
    polls,
    begun,
    add: (namespaceId: string, count = 1) => {
      waiting.set(namespaceId, (waiting.get(namespaceId) ?? 0) + count);
      tell({ namespaceId, taskQueue: "own", type: "activity" });
    },
    fail: (fails: boolean) => {
      failing = fails;
    },
  };
}

const settled = async () => {
  for (let turns = 0; turns < 20; turns++) await turn();
};

test("nothing is polled until there is work, and then until there is no more", async () => {
  const { polls, begun, add } = running();
  await settled();
  expect(polls).toEqual([]);
  add("shop", 2);
  await settled();
  expect(begun.map(({ number }) => number)).toEqual([2, 1]);
  expect(polls).toEqual(["shop", "shop", "shop"]);
});

test("no more tasks are under way than allowed; the next one begins when one ends", async () => {
  const { begun, add } = running({ concurrencyMax: 3 });
  add("shop", 5);
  await settled();
  expect(begun).toHaveLength(3);
  begun[0]?.finish();
  await eventually(() => begun.length === 4);
});

test("namespaces take turns, and none has more than its share", async () => {
  const { begun, add } = running({ concurrencyMax: 20 });
  add("large", 100);
  await settled();
  expect(begun).toHaveLength(16);
  add("small", 2);
  await settled();
  expect(begun.slice(16).map(({ namespaceId }) => namespaceId)).toEqual(["small", "small"]);
  begun[0]?.finish();
  await settled();
  expect(begun.slice(18).map(({ namespaceId }) => namespaceId)).toEqual(["large"]);
});

test("a thousand namespaces cost one poll for each that has work, and one to see that it has no more", async () => {
  const { polls, begun, add } = running({ concurrencyMax: 64 });
  for (let number = 0; number < 1_000; number++) add(`namespace-${number}`);
  for (let done = 0; done < 1_000; done++) (await eventually(() => begun[done])).finish();
  await settled();
  expect(polls.length).toBeLessThanOrEqual(2_000);
});

test("stopping aborts what is under way and takes nothing more", async () => {
  const { worker, begun, polls, add } = running();
  add("shop", 9);
  await settled();
  const before = polls.length;
  await worker.stop();
  add("shop");
  await settled();
  expect(begun).toHaveLength(4);
  expect(polls).toHaveLength(before);
});

test("draining waits for what is under way, and takes nothing more", async () => {
  const { worker, begun, add } = running();
  add("shop", 9);
  await settled();
  let drained = false;
  const draining = worker.drain().then(() => {
    drained = true;
  });
  for (const { finish } of begun) {
    expect(drained).toBe(false);
    finish();
    await settled();
  }
  await draining;
  expect(begun).toHaveLength(4);
});
