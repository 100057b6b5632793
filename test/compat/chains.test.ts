import { WorkflowContinuedAsNewError, type WorkflowHandle } from "@temporalio/client";
import { defineSearchAttributeKey, type RetryPolicy, SearchAttributeType, TypedSearchAttributes, type Workflow } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { causesOf, eventNamed, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import { changed, changesItself, countdown, failsBefore, failsForGood, forever, keepsItself, tally } from "./workflows/chains.ts";

const compat = setup({ workflows: "chains", server: { searchAttributes: { Customer: "Keyword" } } });
const customer = defineSearchAttributeKey("Customer", SearchAttributeType.KEYWORD);

const firstTask = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";
const run = (workflowId: string, runId?: string) => compat.client.workflow.getHandle(workflowId, runId);
const startedOf = async (handle: WorkflowHandle) =>
  (await eventNamed(handle, "WorkflowExecutionStarted")).workflowExecutionStartedEventAttributes;
/** Runs of a workflow, oldest first. */
const runsOf = async (workflowId: string) => {
  const runs = [];
  for await (const { runId, status, startTime } of compat.client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
    runs.push({ runId, status: status.name, startTime: startTime.getTime() });
  }
  return runs.sort((a, b) => a.startTime - b.startTime);
};

describe("continue as new", () => {
  test("is followed to the end of the chain, and carries state", async () => {
    const handle = await compat.start(countdown, { args: [2] });
    const { firstRunId, runs } = await handle.result();
    expect(firstRunId).toBe(handle.firstExecutionRunId);
    expect(runs).toHaveLength(3);
    expect((await runsOf(handle.workflowId)).map(({ runId, status }) => [runId, status])).toEqual([
      [runs[0], "CONTINUED_AS_NEW"],
      [runs[1], "CONTINUED_AS_NEW"],
      [runs[2], "COMPLETED"],
    ]);
    expect(await eventsOf(run(handle.workflowId, runs[0]))).toBe(`${firstTask}, 5 WorkflowExecutionContinuedAsNew`);
    const started = await startedOf(run(handle.workflowId, runs[1]));
    expect(started).toMatchObject({ continuedExecutionRunId: runs[0], firstExecutionRunId: runs[0], originalExecutionRunId: runs[1] });
  });

  test("is the answer where the chain is not followed", async () => {
    const handle = await compat.start(countdown, { args: [1], followRuns: false });
    expect(await rejectionOf(handle.result())).toBeInstanceOf(WorkflowContinuedAsNewError);
    await run(handle.workflowId).result();
  });

  test("changes type, queue, time-outs, memo and search attributes, and keeps the retry policy", async () => {
    const taskQueue = unique("chains-elsewhere");
    await compat.runWorker({ taskQueue });
    const handle = await compat.start(changesItself, { args: [taskQueue], memo: { note: "first" }, retry: { maximumAttempts: 2 } });
    expect(await run(handle.workflowId).result()).toEqual({
      argument: "argument",
      workflowType: changed.name,
      taskQueue,
      memo: { note: "changed" },
      runTimeoutMs: 60_000,
      taskTimeoutMs: 5_000,
      keywords: [{ key: { name: "Customer", type: "KEYWORD" }, value: "Bob" }],
      maximumAttempts: 2,
      attempt: 1,
    });
  });

  test("keeps memo and search attributes", async () => {
    const handle = await compat.start(keepsItself, {
      args: [],
      memo: { note: "kept" },
      typedSearchAttributes: new TypedSearchAttributes([{ key: customer, value: "Ada" }]),
    });
    expect(await handle.result()).toEqual({
      memo: { note: "kept" },
      keywords: [{ key: { name: "Customer", type: "KEYWORD" }, value: "Ada" }],
    });
  });
});

describe("a retry policy of a workflow", () => {
  test("starts the next attempt after its back-off, and the result is the last one's", async () => {
    const handle = await compat.start(failsBefore, { args: [3], retry: { initialInterval: "100ms", backoffCoefficient: 2 } });
    expect(await handle.result()).toEqual({ attempt: 3, lastFailure: "attempt 2" });
    const runs = await runsOf(handle.workflowId);
    expect(runs.map(({ status }) => status)).toEqual(["FAILED", "FAILED", "COMPLETED"]);
    const starts = await Promise.all(runs.map(({ runId }) => startedOf(run(handle.workflowId, runId))));
    expect(starts.map((started) => started?.attempt)).toEqual([1, 2, 3]);
    expect(starts.map((started) => (started?.firstWorkflowTaskBackoff?.nanos ?? 0) / 1e6)).toEqual([0, 100, 200]);
    expect(starts[2]?.continuedFailure?.message).toBe("attempt 2");
    expect(await eventsOf(run(handle.workflowId, runs[0]?.runId))).toBe(`${firstTask}, 5 WorkflowExecutionFailed`);
    const { workflowExecutionFailedEventAttributes: failed } = await eventNamed(
      run(handle.workflowId, runs[0]?.runId),
      "WorkflowExecutionFailed",
    );
    expect(failed?.newExecutionRunId).toBe(runs[1]?.runId);
  });

  test.each([
    ["the attempts are used up", failsBefore, [9], { maximumAttempts: 2, initialInterval: "10ms" }, 2, "ApplicationFailure: attempt 2"],
    ["the failure says so", failsForGood, [], { initialInterval: "10ms" }, 1, "ApplicationFailure: never again"],
    ["the policy names the error", failsBefore, [9], { nonRetryableErrorTypes: ["TooEarly"] }, 1, "ApplicationFailure: attempt 1"],
  ] satisfies readonly (readonly [string, Workflow, readonly number[], RetryPolicy, number, string])[])(
    "ends when %s",
    async (_name, workflow, args, retry, attempts, message) => {
      const handle = await compat.client.workflow.start(workflow.name, {
        taskQueue: compat.taskQueue,
        workflowId: unique("failing"),
        args: [...args],
        retry,
      });
      expect(causesOf(await rejectionOf(handle.result())).at(-1)).toBe(message);
      expect(await runsOf(handle.workflowId)).toHaveLength(attempts);
    },
  );

  test("ends when the execution's time does", async () => {
    const handle = await compat.start(failsBefore, { args: [9], retry: { initialInterval: "10s" }, workflowExecutionTimeout: "2s" });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toBe("ApplicationFailure: attempt 1");
    expect(await runsOf(handle.workflowId)).toHaveLength(1);
  });

  test("comes before the cron schedule", async () => {
    const handle = await compat.start(failsBefore, {
      args: [2],
      cronSchedule: "@every 1s",
      retry: { initialInterval: "10ms" },
      followRuns: false,
    });
    const runs = await until(async () => {
      const all = await runsOf(handle.workflowId);
      return all.length >= 3 && all;
    });
    await handle.terminate();
    const starts = await Promise.all(runs.slice(0, 3).map(({ runId }) => startedOf(run(handle.workflowId, runId))));
    expect(starts.map((started) => [started?.attempt, started?.initiator])).toEqual([
      [1, 3],
      [2, 2],
      [1, 3],
    ]);
  });
});

describe("a cron schedule", () => {
  test("runs again and again, each run with the last one's result, until it is terminated", async () => {
    const handle = await compat.start(tally, { args: [], cronSchedule: "@every 1s" });
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted");
    const runs = await until(async () => {
      const all = await runsOf(handle.workflowId);
      return all.filter(({ status }) => status === "COMPLETED").length === 2 && all;
    });
    await run(handle.workflowId).terminate();
    expect(await eventsOf(run(handle.workflowId, runs[1]?.runId))).toBe(`${firstTask}, 5 WorkflowExecutionCompleted`);
    expect((await runsOf(handle.workflowId)).map(({ status }) => status)).toEqual(["COMPLETED", "COMPLETED", "TERMINATED"]);
    const second = await eventNamed(run(handle.workflowId, runs[1]?.runId), "WorkflowExecutionCompleted");
    expect(String.fromCharCode(...(second.workflowExecutionCompletedEventAttributes?.result?.payloads?.[0]?.data ?? []))).toBe("2");
  });

  test("goes on after a failure, with the last success", async () => {
    const handle = await compat.start(tally, { args: [2], cronSchedule: "@every 1s" });
    const runs = await until(async () => {
      const all = await runsOf(handle.workflowId);
      return all.length === 3 && all;
    });
    await run(handle.workflowId).terminate();
    expect(runs.slice(0, 2).map(({ status }) => status)).toEqual(["COMPLETED", "FAILED"]);
    const third = await startedOf(run(handle.workflowId, runs[2]?.runId));
    expect(third?.continuedFailure?.message).toBe("no 2");
    expect(String.fromCharCode(...(third?.lastCompletionResult?.payloads?.[0]?.data ?? []))).toBe("1");
  });

  test("ends when it is cancelled", async () => {
    const handle = await compat.start(forever, { cronSchedule: "@every 1s" });
    await eventNamed(handle, "WorkflowTaskCompleted");
    await handle.cancel();
    expect(causesOf(await rejectionOf(handle.result()))[0]).toBe("WorkflowFailedError: Workflow execution cancelled");
    expect((await runsOf(handle.workflowId)).map(({ status }) => status)).toEqual(["CANCELLED"]);
  });

  test("that is none is refused", async () => {
    const error = await rejectionOf(compat.start(forever, { cronSchedule: "every now and then" }));
    expect(error).toMatchObject({ cause: { code: 3, details: expect.stringContaining("Invalid CronSchedule") } });
  });
});
