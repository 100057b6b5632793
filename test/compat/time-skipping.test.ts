import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { defineSearchAttributeKey, SearchAttributeType } from "@temporalio/common";
import { TestWorkflowEnvironment } from "@temporalio/testing";
import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleOf, eventNamed, eventsOf, unique, until } from "./kit.ts";
import { type Activities, approval, approve, longSleep, race, retriesByTheHour, waiting, week } from "./workflows/time-skipping.ts";

const executable = { type: "existing-path", path: fileURLToPath(new URL("../../bin/holdfast.js", import.meta.url)) } as const;
const hourMs = 3_600_000;

let attempts = 0;
const activities: Activities = {
  takeMs: async (ms) => {
    await delay(ms);
    return ms;
  },
  fail: async () => {
    attempts++;
    throw new Error("not today");
  },
};

let workflowBundle: Awaited<ReturnType<typeof bundleOf>>;
beforeAll(async () => {
  workflowBundle = await bundleOf("time-skipping");
});

/** An environment with one worker, for the tests around the call. */
function environment(create: () => Promise<TestWorkflowEnvironment>) {
  const taskQueue = unique("time");
  let env: TestWorkflowEnvironment;
  let worker: Worker;
  let running: Promise<void>;
  beforeAll(async () => {
    env = await create();
    worker = await Worker.create({ connection: env.nativeConnection, taskQueue, workflowBundle, activities });
    running = worker.run();
  });
  afterAll(async () => {
    worker.shutdown();
    await running;
    await env.teardown();
  });
  return {
    taskQueue,
    get env() {
      return env;
    },
  };
}

describe("a time-skipping environment", () => {
  const time = environment(() => TestWorkflowEnvironment.createTimeSkipping({ server: { executable } }));
  const started = (name: string) => ({ taskQueue: time.taskQueue, workflowId: unique(name) });

  test("two days of sleep take milliseconds", async () => {
    const before = Date.now();
    const handle = await time.env.client.workflow.start(longSleep, { ...started("sleep"), args: [48] });
    expect(await handle.result()).toBeGreaterThanOrEqual(48 * hourMs);
    expect(Date.now() - before).toBeLessThan(10_000);
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted, " +
        "5 TimerStarted, 6 TimerFired, 7 WorkflowTaskScheduled, 8 WorkflowTaskStarted, 9 WorkflowTaskCompleted, 10 WorkflowExecutionCompleted",
    );
    // The times in history are those of the skipping clock.
    const firedAt = Number((await eventNamed(handle, "TimerFired")).eventTime?.seconds) * 1000;
    const startedAt = Number((await eventNamed(handle, "TimerStarted")).eventTime?.seconds) * 1000;
    expect(firedAt - startedAt).toBeGreaterThanOrEqual(48 * hourMs - 1000);
  });

  test("an approval that nobody gives times out at once", async () => {
    expect(await time.env.client.workflow.execute(approval, started("approval"))).toBe("nobody answered");
  });

  test("time stands still while the test acts", async () => {
    const handle = await time.env.client.workflow.start(approval, started("approval"));
    expect(await handle.query(waiting)).toBe(true);
    await time.env.sleep("47h");
    expect(await handle.query(waiting)).toBe(true);
    await handle.signal(approve, "Grace");
    expect(await handle.result()).toBe("approved by Grace");
  });

  test("env.sleep moves the clock, env.currentTimeMs reads it", async () => {
    const before = await time.env.currentTimeMs();
    await time.env.sleep("30d");
    expect((await time.env.currentTimeMs()) - before).toBeGreaterThanOrEqual(30 * 24 * hourMs);
    const still = await time.env.currentTimeMs();
    await delay(20);
    expect((await time.env.currentTimeMs()) - still).toBeLessThan(hourMs);
  });

  test("activities run in real time: the clock waits for them", async () => {
    const handle = await time.env.client.workflow.start(race, { ...started("race"), args: [300] });
    expect(await handle.result()).toBe("activity");
  });

  test("a week of activities and sleeps", async () => {
    const before = await time.env.currentTimeMs();
    expect(await time.env.client.workflow.execute(week, started("week"))).toBe(35);
    expect((await time.env.currentTimeMs()) - before).toBeGreaterThanOrEqual(7 * 24 * hourMs);
  });

  test("retry intervals are skipped", async () => {
    const before = await time.env.currentTimeMs();
    expect(await time.env.client.workflow.execute(retriesByTheHour, started("retries"))).toBe("failed");
    expect(attempts).toBe(4);
    expect((await time.env.currentTimeMs()) - before).toBeGreaterThanOrEqual((1 + 2 + 4) * hourMs);
  });

  test("many sleepers wake in the order of their times", async () => {
    const { client } = time.env;
    const handles = [];
    for (const days of [5, 1, 4, 2, 3]) handles.push(await client.workflow.start(longSleep, { ...started("sleep"), args: [days * 24] }));
    const closed: { days: number; at: number }[] = [];
    for (const handle of handles) {
      const days = Math.round((await handle.result()) / (24 * hourMs));
      closed.push({ days, at: (await handle.describe()).closeTime?.getTime() ?? 0 });
    }
    expect(closed.toSorted((one, other) => one.at - other.at).map(({ days }) => days)).toEqual([1, 2, 3, 4, 5]);
  });

  test("a start delay is skipped too", async () => {
    const result = time.env.client.workflow.execute(longSleep, { ...started("delayed"), args: [1], startDelay: "24h" });
    expect(await result).toBeGreaterThanOrEqual(hourMs);
  });
});

describe("a local environment", () => {
  const customer = defineSearchAttributeKey("customer", SearchAttributeType.KEYWORD);
  const amount = defineSearchAttributeKey("amount", SearchAttributeType.INT);
  const local = environment(() => TestWorkflowEnvironment.createLocal({ server: { executable, searchAttributes: [customer, amount] } }));

  test("runs workflows in real time", async () => {
    const { client } = local.env;
    const handle = await client.workflow.start(approval, { taskQueue: local.taskQueue, workflowId: unique("local") });
    await handle.signal(approve, "Ada");
    expect(await handle.result()).toBe("approved by Ada");
    expect(Math.abs((await local.env.currentTimeMs()) - Date.now())).toBeLessThan(1000);
  });

  test("knows the search attributes it was created with", async () => {
    const { client } = local.env;
    const workflowId = unique("tagged");
    const handle = await client.workflow.start(approval, {
      taskQueue: local.taskQueue,
      workflowId,
      typedSearchAttributes: [
        { key: customer, value: "c-7" },
        { key: amount, value: 42 },
      ],
    });
    const found = await until(async () => {
      const listed = [];
      for await (const { workflowId } of client.workflow.list({ query: 'customer = "c-7" AND amount > 41' })) listed.push(workflowId);
      return listed.length > 0 && listed;
    });
    expect(found).toEqual([workflowId]);
    expect((await handle.describe()).typedSearchAttributes.get(amount)).toBe(42);
    await handle.terminate();
  });
});
