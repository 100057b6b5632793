import { activityInfo } from "@temporalio/activity";
import { WorkflowFailedError } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { causesOf, eventNamed, eventsOf, rejectionOf, setup, taskFailedCause, unique } from "./kit.ts";
import { type Activities, blocks, cleansUp, describesItself, go, hasPriority, survives, upserts, waits } from "./workflows/lifecycle.ts";

const cleaned = new Set<string>();
const priorities = new Map<string, number | undefined>();
const activities: Activities = {
  cleanUp: async (name) => {
    cleaned.add(name);
    return name;
  },
  echo: async (text) => {
    priorities.set(text, activityInfo().priority?.priorityKey);
    return text;
  },
};
const compat = setup({
  workflows: "lifecycle",
  activities,
  server: {
    searchAttributes: {
      AKeyword: "Keyword",
      AnInt: "Int",
      ADouble: "Double",
      ABool: "Bool",
      ADatetime: "Datetime",
      AList: "KeywordList",
      AText: "Text",
    },
  },
});

const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;
const firstTask = `1 WorkflowExecutionStarted, ${nextTask(2)}`;

describe("time-outs", () => {
  test.each([
    ["execution", { workflowExecutionTimeout: "1s" }],
    ["run", { workflowRunTimeout: "1s" }],
  ] as const)("of the %s end it", async (_name, timeout) => {
    const handle = await compat.start(waits, { args: [], ...timeout });
    const error = await rejectionOf(handle.result());
    expect(causesOf(error)).toEqual(["WorkflowFailedError: Workflow execution timed out", "TimeoutFailure: Workflow execution timed out"]);
    expect(await eventsOf(handle)).toBe(`${firstTask}, 5 TimerStarted, 6 WorkflowExecutionTimedOut`);
    expect((await handle.describe()).status.name).toBe("TIMED_OUT");
  });

  test("end a run that no worker took", async () => {
    const handle = await compat.start(waits, { args: [], taskQueue: "nobody", workflowRunTimeout: "100ms" });
    expect(await rejectionOf(handle.result())).toBeInstanceOf(WorkflowFailedError);
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowExecutionTimedOut");
  });

  test("of a workflow task let another worker try", async () => {
    const handle = await compat.start(blocks, { args: [1_400], workflowTaskTimeout: "1s" });
    expect(await handle.result()).toBe("done");
    expect(await eventsOf(handle)).toBe(
      `1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskTimedOut, ${nextTask(5)}, 8 WorkflowExecutionCompleted`,
    );
  });
});

test("a start delay holds back the first workflow task", async () => {
  const handle = await compat.start(waits, { args: [1], startDelay: "300ms" });
  expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted");
  const { startTime, executionTime } = await handle.describe();
  expect((executionTime?.getTime() ?? 0) - startTime.getTime()).toBe(300);
  await handle.result();
  expect(await eventsOf(handle, 2)).toContain("2 WorkflowTaskScheduled");
});

describe("cancellation", () => {
  const cancelled = "WorkflowFailedError: Workflow execution cancelled";

  test("ends a run that does nothing about it", async () => {
    const handle = await compat.start(waits, { args: [] });
    await eventNamed(handle, "TimerStarted");
    await handle.cancel();
    expect(causesOf(await rejectionOf(handle.result()))[0]).toBe(cancelled);
    expect(await eventsOf(handle, 6)).toBe(
      `6 WorkflowExecutionCancelRequested, ${nextTask(7)}, 10 TimerCanceled, 11 WorkflowExecutionCanceled`,
    );
  });

  test("leaves time for an activity that cleans up", async () => {
    const handle = await compat.start(cleansUp, { args: ["desk"] });
    await eventNamed(handle, "TimerStarted");
    await handle.cancel();
    expect(causesOf(await rejectionOf(handle.result()))[0]).toBe(cancelled);
    expect(cleaned).toContain("desk");
    expect(await eventsOf(handle, 6)).toBe(
      `6 WorkflowExecutionCancelRequested, ${nextTask(7)}, 10 TimerCanceled, 11 ActivityTaskScheduled, ` +
        `12 ActivityTaskStarted, 13 ActivityTaskCompleted, ${nextTask(14)}, 17 WorkflowExecutionCanceled`,
    );
  });

  test("does not reach into a scope that is not cancellable", async () => {
    const handle = await compat.start(survives);
    await eventNamed(handle, "TimerStarted");
    await handle.cancel();
    expect(await handle.result()).toBe("went through with it");
    expect(await eventsOf(handle, 6)).toBe(
      `6 WorkflowExecutionCancelRequested, ${nextTask(7)}, 10 TimerFired, ${nextTask(11)}, 14 WorkflowExecutionCompleted`,
    );
  });

  test("before the first workflow task is part of it", async () => {
    const taskQueue = unique("later");
    const handle = await compat.start(waits, { args: [], taskQueue });
    await handle.cancel();
    await compat.runWorker({ taskQueue });
    expect(causesOf(await rejectionOf(handle.result()))[0]).toBe(cancelled);
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowExecutionCancelRequested, 4 WorkflowTaskStarted, " +
        "5 WorkflowTaskCompleted, 6 WorkflowExecutionCanceled",
    );
  });

  test("asked for again, or of a closed run, changes nothing", async () => {
    const handle = await compat.start(waits, { args: [], taskQueue: "nobody" });
    await handle.cancel();
    await handle.cancel();
    const events = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowExecutionCancelRequested";
    expect(await eventsOf(handle)).toBe(events);
    await handle.terminate();
    await handle.cancel();
    expect(await eventsOf(handle)).toBe(`${events}, 4 WorkflowExecutionTerminated`);
  });

  test("of an unknown workflow, or another chain, is refused", async () => {
    const handle = await compat.start(waits, { args: [], taskQueue: "nobody" });
    const { workflow } = compat.client;
    for (const stranger of [
      workflow.getHandle("unheard-of"),
      workflow.getHandle(handle.workflowId, undefined, { firstExecutionRunId: "3f0a5c1e-0000-4000-8000-000000000000" }),
    ]) {
      expect(await rejectionOf(stranger.cancel())).toMatchObject({ name: "WorkflowNotFoundError" });
      expect(await rejectionOf(stranger.terminate())).toMatchObject({ name: "WorkflowNotFoundError" });
    }
    await handle.terminate();
  });
});

describe("termination", () => {
  test("ends a run with a reason and details", async () => {
    const handle = await compat.start(waits, { args: [] });
    await eventNamed(handle, "TimerStarted");
    await compat.client.workflowService.terminateWorkflowExecution({
      namespace: "default",
      workflowExecution: { workflowId: handle.workflowId },
      reason: "no longer needed",
      details: { payloads: [{ metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from('"why"') }] },
      identity: "somebody",
    });
    const error = await rejectionOf(handle.result());
    expect(causesOf(error)).toEqual(["WorkflowFailedError: no longer needed", "TerminatedFailure: no longer needed"]);
    expect(await eventsOf(handle, 6)).toBe("6 WorkflowExecutionTerminated");
    const { workflowExecutionTerminatedEventAttributes: terminated } = await eventNamed(handle, "WorkflowExecutionTerminated");
    expect(terminated).toMatchObject({ reason: "no longer needed", identity: "somebody" });
    expect(terminated?.details?.payloads).toHaveLength(1);
  });

  test("takes the workflow task from its worker", async () => {
    const taskQueue = unique("taken");
    const handle = await compat.start(waits, { args: [], taskQueue });
    await compat.client.workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
    await handle.terminate();
    expect(await eventsOf(handle, 3)).toBe("3 WorkflowTaskStarted, 4 WorkflowTaskFailed, 5 WorkflowExecutionTerminated");
    expect(await taskFailedCause(handle)).toBe("FORCE_CLOSE_COMMAND");
  });

  test("of a closed run is refused", async () => {
    const handle = await compat.start(waits, { args: [1] });
    await handle.result();
    expect(await rejectionOf(handle.terminate())).toMatchObject({
      name: "WorkflowNotFoundError",
      message: "workflow execution already completed",
    });
  });
});

describe("memo and search attributes", () => {
  const keys = {
    keyword: defineSearchAttributeKey("AKeyword", SearchAttributeType.KEYWORD),
    int: defineSearchAttributeKey("AnInt", SearchAttributeType.INT),
    double: defineSearchAttributeKey("ADouble", SearchAttributeType.DOUBLE),
    bool: defineSearchAttributeKey("ABool", SearchAttributeType.BOOL),
    datetime: defineSearchAttributeKey("ADatetime", SearchAttributeType.DATETIME),
    list: defineSearchAttributeKey("AList", SearchAttributeType.KEYWORD_LIST),
    text: defineSearchAttributeKey("AText", SearchAttributeType.TEXT),
  };

  test("of every type come with the start and come back typed", async () => {
    const typedSearchAttributes = new TypedSearchAttributes([
      { key: keys.keyword, value: "word" },
      { key: keys.int, value: -7 },
      { key: keys.double, value: 1.5 },
      { key: keys.bool, value: true },
      { key: keys.datetime, value: new Date("2026-01-02T03:04:05.678Z") },
      { key: keys.list, value: ["a", "b"] },
      { key: keys.text, value: "a longer text" },
    ]);
    const handle = await compat.start(waits, { args: [1], memo: { note: ["any", { json: 1 }] }, typedSearchAttributes });
    const description = await handle.describe();
    const byName = (attributes: TypedSearchAttributes) => attributes.getAll().sort((a, b) => a.key.name.localeCompare(b.key.name));
    expect(byName(description.typedSearchAttributes)).toEqual(byName(typedSearchAttributes));
    expect(description.memo).toEqual({ note: ["any", { json: 1 }] });
  });

  test("are changed, added and removed by the workflow", async () => {
    const handle = await compat.start(upserts, {
      args: [
        { note: "second", gone: null, extra: 1 },
        [
          { key: { name: "AKeyword", type: "KEYWORD" }, value: "second" },
          { key: { name: "AnInt", type: "INT" }, value: null },
          { key: { name: "AList", type: "KEYWORD_LIST" }, value: ["x"] },
        ],
        true,
      ],
      memo: { note: "first", gone: "soon" },
      typedSearchAttributes: new TypedSearchAttributes([
        { key: keys.keyword, value: "first" },
        { key: keys.int, value: 1 },
      ]),
    });
    await eventNamed(handle, "WorkflowTaskCompleted");
    expect(await eventsOf(handle, 4)).toBe("4 WorkflowTaskCompleted, 5 WorkflowPropertiesModified, 6 UpsertWorkflowSearchAttributes");
    const description = await handle.describe();
    expect(description.memo).toEqual({ note: "second", extra: 1 });
    expect(description.typedSearchAttributes.get(keys.keyword)).toBe("second");
    expect(description.typedSearchAttributes.get(keys.int)).toBeUndefined();
    expect(description.typedSearchAttributes.get(keys.list)).toEqual(["x"]);
    const { count } = await compat.client.workflow.count(`AKeyword = 'second' AND AnInt IS NULL AND WorkflowId = '${handle.workflowId}'`);
    expect(count).toBe(1);
    await handle.signal(go);
    expect(await handle.result()).toMatchObject({ memo: { note: "second", extra: 1 } });
  });

  test("that are unknown fail the workflow task, which is tried again", async () => {
    const handle = await compat.start(upserts, { args: [{}, [{ key: { name: "Unknown", type: "KEYWORD" }, value: "x" }], false] });
    expect(await taskFailedCause(handle)).toBe("BAD_SEARCH_ATTRIBUTES");
    const { workflowTaskFailedEventAttributes: failed } = await eventNamed(handle, "WorkflowTaskFailed");
    expect(failed?.failure?.message).toBe("search attribute Unknown is not defined");
    await handle.terminate();
  });
});

test("user metadata: static summary and details, summaries of timers and activities, current details", async () => {
  const handle = await compat.start(describesItself, { staticSummary: "a summary", staticDetails: "some\ndetails" });
  await eventNamed(handle, "ActivityTaskCompleted");
  const description = await handle.describe();
  expect(await description.staticSummary()).toBe("a summary");
  expect(await description.staticDetails()).toBe("some\ndetails");
  const summaryOf = async (name: string) =>
    JSON.parse(Buffer.from((await eventNamed(handle, name)).userMetadata?.summary?.data ?? []).toString());
  expect(await summaryOf("WorkflowExecutionStarted")).toBe("a summary");
  expect(await summaryOf("TimerStarted")).toBe("a nap");
  expect(await summaryOf("ActivityTaskScheduled")).toBe("an echo");
  expect(await handle.query("__temporal_workflow_metadata")).toMatchObject({ currentDetails: "half way" });
  await handle.terminate();
});

test("priority passes from the workflow to its activities, unless they have their own", async () => {
  const handle = await compat.start(hasPriority, { priority: { priorityKey: 4, fairnessKey: "ada", fairnessWeight: 2 } });
  expect(await handle.result()).toMatchObject({ priorityKey: 4, fairnessKey: "ada", fairnessWeight: 2 });
  expect(priorities.get("its own")).toBe(1);
  expect(priorities.get("inherited")).toBe(4);
  expect((await handle.describe()).priority).toMatchObject({ priorityKey: 4, fairnessKey: "ada" });
});
