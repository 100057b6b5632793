import { QueryNotRegisteredError, QueryRejectedError, WorkflowClient, type WorkflowHandle } from "@temporalio/client";
import { describe, expect, test } from "vitest";
import { causesOf, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import { broken, echo, end, note, notebook, notes } from "./workflows/queries.ts";

const compat = setup({ workflows: "queries" });

/** A run that has slept and waits. */
const waiting = async () => {
  const handle = await compat.start(notebook);
  await until(async () => (await handle.query(notes)).includes("slept"));
  return handle;
};

describe("an open run", () => {
  test("answers at once after its start", async () => {
    const handle = await compat.start(notebook);
    expect(await handle.query(notes)).toContain("started");
    await handle.terminate();
  });

  test("a query's arguments reach its handler, and no query leaves an event", async () => {
    const handle = await waiting();
    const before = await eventsOf(handle);
    expect(await handle.query(echo, "ha", 3)).toBe("hahaha");
    expect(await eventsOf(handle)).toBe(before);
    expect(before).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted, " +
        "5 TimerStarted, 6 TimerFired, 7 WorkflowTaskScheduled, 8 WorkflowTaskStarted, 9 WorkflowTaskCompleted",
    );
    await handle.terminate();
  });

  test("a signal sent before a query is visible in it", async () => {
    const handle = await waiting();
    for (let index = 0; index < 10; index++) {
      await handle.signal(note, `note ${index}`);
      expect((await handle.query(notes)).at(-1)).toBe(`note ${index}`);
    }
    await handle.terminate();
  });

  test("many at once, with signals between them", async () => {
    const handle = await waiting();
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        if (index % 8 === 0) await handle.signal(note, `note ${index}`);
        return await handle.query(echo, "x", index);
      }),
    );
    expect(answers).toEqual(Array.from({ length: 40 }, (_, index) => "x".repeat(index)));
    expect(await handle.query(notes)).toHaveLength(7);
    await handle.terminate();
  });

  test("a query that nothing handles is answered with the names of those that are", async () => {
    const handle = await waiting();
    const error = await rejectionOf(handle.query("nonsense"));
    expect(error).toBeInstanceOf(QueryNotRegisteredError);
    expect((error as Error).message).toContain("did not register a handler for nonsense");
    expect((error as Error).message).toContain("notes");
    await handle.terminate();
  });

  test("a query that fails gives its failure to the caller, not to the run", async () => {
    const handle = await waiting();
    expect(causesOf(await rejectionOf(handle.query(broken))).join()).toContain("the query's own failure");
    await handle.signal(end, "complete");
    expect(await handle.result()).toBe(3);
  });

  test("the SDK's own queries", async () => {
    const handle = await waiting();
    expect(await handle.query<string>("__stack_trace")).toContain("notebook");
    const { definition } = await handle.query<{ definition: { type: string } }>("__temporal_workflow_metadata");
    expect(definition.type).toBe("notebook");
    await handle.terminate();
  });
});

describe("a closed run", () => {
  const closings: readonly (readonly [string, (handle: WorkflowHandle<typeof notebook>) => Promise<unknown>, string])[] = [
    ["completed", (handle) => handle.signal(end, "complete"), "ended"],
    ["failed", (handle) => handle.signal(end, "fail"), "ended"],
    ["terminated", (handle) => handle.terminate(), "slept"],
    ["cancelled", (handle) => handle.cancel(), "slept"],
  ];

  test.each(closings)("%s: still answers", async (_name, close, last) => {
    const handle = await waiting();
    await close(handle);
    await handle.result().catch(() => undefined);
    expect((await handle.query(notes)).at(-1)).toBe(last);
  });
});

describe("reject conditions", () => {
  const impatient = (condition: "NOT_OPEN" | "NOT_COMPLETED_CLEANLY", workflowId: string) =>
    new WorkflowClient({ connection: compat.client.connection, queryRejectCondition: condition })
      .getHandle<typeof notebook>(workflowId)
      .query(notes);
  test.each([
    ["NOT_OPEN", "open", "answers"],
    ["NOT_OPEN", "completed", "COMPLETED"],
    ["NOT_OPEN", "failed", "FAILED"],
    ["NOT_COMPLETED_CLEANLY", "open", "answers"],
    ["NOT_COMPLETED_CLEANLY", "completed", "answers"],
    ["NOT_COMPLETED_CLEANLY", "failed", "FAILED"],
  ] as const)("%s, run %s: %s", async (condition, state, outcome) => {
    const handle = await waiting();
    if (state !== "open") {
      await handle.signal(end, state === "completed" ? "complete" : "fail");
      await handle.result().catch(() => undefined);
    }
    if (outcome === "answers") expect(await impatient(condition, handle.workflowId)).toContain("slept");
    else expect(await rejectionOf(impatient(condition, handle.workflowId))).toBeInstanceOf(QueryRejectedError);
    if (state === "open") await handle.terminate();
  });
});

describe("workers come and go", () => {
  test("after a restart of the worker, the run is replayed for the query", async () => {
    const taskQueue = unique("restarted");
    const first = await compat.runWorker({ taskQueue });
    const handle = await compat.start(notebook, { taskQueue });
    await until(async () => (await handle.query(notes)).includes("slept"));
    await first.stop();
    const second = await compat.runWorker({ taskQueue });
    expect(await handle.query(notes)).toEqual(["started", "slept"]);
    await handle.signal(end, "complete");
    expect(await handle.result()).toBe(3);
    expect(await handle.query(notes)).toEqual(["started", "slept", "ended"]);
    await second.stop();
  });

  test("without a cache, every query is a replay", async () => {
    const taskQueue = unique("cacheless");
    const worker = await compat.runWorker({ taskQueue, maxCachedWorkflows: 0 });
    const handle = await compat.start(notebook, { taskQueue });
    // A core that holds a query and a workflow task of one run while it evicts that run forgets the task, so no query meets the timer here.
    await until(async () => (await eventsOf(handle)).endsWith("9 WorkflowTaskCompleted"));
    await handle.signal(note, "by replay");
    expect(await handle.query(notes)).toEqual(["started", "slept", "by replay"]);
    await handle.signal(end, "complete");
    await handle.result();
    expect((await handle.query(notes)).at(-1)).toBe("ended");
    await worker.stop();
  });

  test("without any worker the caller's deadline decides", async () => {
    const handle = await compat.start(notebook, { taskQueue: unique("nobody-polls") });
    const error = await rejectionOf(compat.client.withDeadline(Date.now() + 300, () => handle.query(notes)));
    expect(causesOf(error).join()).toMatch(/deadline|timed out|no poller/i);
    await handle.terminate();
  });
});
