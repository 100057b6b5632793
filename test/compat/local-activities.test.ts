import { setTimeout as delay } from "node:timers/promises";
import { activityInfo } from "@temporalio/activity";
import { ApplicationFailure } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { causesOf, eventNamed, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import {
  type Activities,
  callLocally,
  deterministic,
  done,
  failAfterwards,
  greetLocally,
  oldPatch,
  values,
} from "./workflows/local-activities.ts";

const calls = new Map<string, number>();
const activities: Activities = {
  greet: async (name) => `Hello, ${name}!`,
  flaky: async (succeedsOn, nonRetryable) => {
    const { attempt, workflowExecution } = activityInfo();
    calls.set(workflowExecution?.workflowId ?? "", attempt);
    if (attempt < succeedsOn) throw ApplicationFailure.create({ message: `attempt ${attempt} failed`, nonRetryable });
    return attempt;
  },
  takeMs: async (ms) => {
    await delay(ms);
    return `took ${ms} ms`;
  },
};

const compat = setup({ workflows: "local-activities", activities });

const firstTask = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";

describe("local activities", () => {
  test("leave a marker each, all in one workflow task", async () => {
    const handle = await compat.start(greetLocally, { args: [["Ada", "Grace", "Edith"]] });
    expect(await handle.result()).toEqual(["Hello, Ada!", "Hello, Grace!", "Hello, Edith!"]);
    expect(await eventsOf(handle)).toBe(`${firstTask}, 5 MarkerRecorded, 6 MarkerRecorded, 7 MarkerRecorded, 8 WorkflowExecutionCompleted`);
    expect((await eventNamed(handle, "MarkerRecorded")).markerRecordedEventAttributes?.markerName).toBe("core_local_activity");
  });

  test("are retried by the worker; the server hears of the last attempt only", async () => {
    const handle = await compat.start(callLocally, { args: ["flaky", [3, false], { retry: { initialInterval: 5 } }] });
    expect(await handle.result()).toBe(3);
    expect(await eventsOf(handle, 5)).toBe("5 MarkerRecorded, 6 WorkflowExecutionCompleted");
  });

  test("wait out a long retry interval in a timer", async () => {
    const options = { retry: { initialInterval: 30 }, localRetryThreshold: 10 };
    const handle = await compat.start(callLocally, { args: ["flaky", [2, false], options] });
    expect(await handle.result()).toBe(2);
    expect(await eventsOf(handle, 5)).toBe(
      "5 MarkerRecorded, 6 TimerStarted, 7 TimerFired, 8 WorkflowTaskScheduled, 9 WorkflowTaskStarted, 10 WorkflowTaskCompleted, " +
        "11 MarkerRecorded, 12 WorkflowExecutionCompleted",
    );
  });

  test.each([
    ["after the maximum of attempts", [9, false], { retry: { initialInterval: 1, maximumAttempts: 2 } }, 2],
    ["with a failure that is not retryable", [9, true], {}, 1],
  ] as const)("fail %s", async (_name, args, options, attempts) => {
    const handle = await compat.start(callLocally, { args: ["flaky", args, options] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toBe(`ApplicationFailure: attempt ${attempts} failed`);
    expect(calls.get(handle.workflowId)).toBe(attempts);
    expect(await eventsOf(handle, 5)).toBe("5 MarkerRecorded, 6 WorkflowExecutionFailed");
  });

  test("that take longer than a workflow task may keep it alive by heartbeats", async () => {
    const handle = await compat.start(callLocally, { args: ["takeMs", [1800]], workflowTaskTimeout: "1s" });
    expect(await handle.result()).toBe("took 1800 ms");
    expect(await eventsOf(handle)).toBe(
      `${firstTask}, 5 WorkflowTaskScheduled, 6 WorkflowTaskStarted, 7 WorkflowTaskCompleted, ` +
        "8 WorkflowTaskScheduled, 9 WorkflowTaskStarted, 10 WorkflowTaskCompleted, 11 MarkerRecorded, 12 WorkflowExecutionCompleted",
    );
  });

  test("are not repeated when another worker takes over", async () => {
    const taskQueue = unique("taken-over");
    const first = await compat.runWorker({ taskQueue });
    const options = { retry: { initialInterval: 200 }, localRetryThreshold: 10 };
    const handle = await compat.start(callLocally, { taskQueue, args: ["flaky", [2, false], options] });
    await eventNamed(handle, "TimerStarted");
    await first.stop();
    const second = await compat.runWorker({ taskQueue });
    expect(await handle.result()).toBe(2);
    await second.stop();
  });

  test("before a failure of the workflow", async () => {
    const handle = await compat.start(failAfterwards);
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toBe("ApplicationFailure: Hello, whoever reads the failure!");
    expect(await eventsOf(handle)).toBe(`${firstTask}, 5 MarkerRecorded, 6 WorkflowExecutionFailed`);
  });
});

test("ids, random numbers and the time are the same after a replay on another worker", async () => {
  const taskQueue = unique("replayed");
  const first = await compat.runWorker({ taskQueue });
  const handle = await compat.start(deterministic, { taskQueue });
  const seen = await until(async () => {
    const now = await handle.query(values);
    return now.length === 8 && now;
  });
  await first.stop();
  const second = await compat.runWorker({ taskQueue, maxCachedWorkflows: 0 });
  expect(await handle.query(values)).toEqual(seen);
  await handle.signal(done);
  expect(await handle.result()).toEqual(seen);
  expect(new Set(seen).size).toBe(8);
  await second.stop();
});

test("a deprecated patch is a marker too", async () => {
  const handle = await compat.start(oldPatch);
  expect(await handle.result()).toBe("done");
  expect(await eventsOf(handle, 5)).toContain("5 MarkerRecorded, 6 UpsertWorkflowSearchAttributes, 7 TimerStarted");
  const marker = (await eventNamed(handle, "MarkerRecorded")).markerRecordedEventAttributes;
  expect([marker?.markerName, Object.keys(marker?.details ?? {})]).toEqual(["core_patch", ["patch-data"]]);
});
