import { randomUUID } from "node:crypto";
import { WorkflowNotFoundError } from "@temporalio/client";
import { defaultPayloadConverter, type WorkflowIdConflictPolicy, type WorkflowIdReusePolicy } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { eventNamed, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import { type Activities, enough, listener, listenerAtWork, listenerInTask, note, noted } from "./workflows/signals.ts";

// Activities wait here until their test lets them go.
const held = new Map<string, () => void>();
const activities: Activities = { hold: (name) => new Promise((release) => held.set(name, release)) };
const letGo = async (name: string): Promise<void> => (await until(() => held.get(name)))();

const signalsPerRun = 20;
const compat = setup({ workflows: "signals", activities, server: { limits: { signalsPerRun } } });

const firstTask = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";
const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;
/** No worker polls this queue: what starts here stays before its first workflow task. */
const nobody = { taskQueue: "nobody" };

/** A run that waits, with its first workflow task behind it. */
const idle = async () => {
  const handle = await compat.start(listener);
  await eventNamed(handle, "WorkflowTaskCompleted");
  return handle;
};

/** The request that a client sends again when it did not hear the answer. */
const signalRequest = (execution: { workflowId: string; runId?: string }, requestId: string) => ({
  namespace: "default",
  workflowExecution: execution,
  signalName: note.name,
  input: { payloads: [defaultPayloadConverter.toPayload(1)] },
  requestId,
});

describe("a signal", () => {
  test("wakes an idle run", async () => {
    const handle = await idle();
    await handle.signal(note, 1);
    expect(await handle.query(noted)).toEqual([1]);
    await handle.signal(enough);
    expect(await handle.result()).toEqual([1]);
    expect(await eventsOf(handle)).toBe(
      `${firstTask}, 5 WorkflowExecutionSignaled, ${nextTask(6)}, 9 WorkflowExecutionSignaled, ${nextTask(10)}, 13 WorkflowExecutionCompleted`,
    );
  });

  test("reaches a run that waits for an activity", async () => {
    const handle = await compat.start(listenerAtWork, { args: ["at-work"] });
    await until(() => held.has("at-work"));
    await handle.signal(note, 1);
    await until(async () => (await eventsOf(handle)).includes("9 WorkflowTaskCompleted"));
    await letGo("at-work");
    expect(await handle.result()).toEqual([1]);
    expect(await eventsOf(handle, 5)).toBe(
      `5 ActivityTaskScheduled, 6 WorkflowExecutionSignaled, ${nextTask(7)}, ` +
        `10 ActivityTaskStarted, 11 ActivityTaskCompleted, ${nextTask(12)}, 15 WorkflowExecutionCompleted`,
    );
  });

  test("that comes in the middle of a workflow task is buffered, and keeps the run from closing unheard", async () => {
    const handle = await compat.start(listenerInTask, { args: ["in-task"] });
    await until(() => held.has("in-task"));
    await handle.signal(note, 1);
    await handle.signal(note, 2);
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted");
    await letGo("in-task");
    held.delete("in-task");
    // The worker is refused, forgets the run and does the local activity again.
    await letGo("in-task");
    expect(await handle.result()).toEqual([1, 2]);
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskFailed, " +
        `5 WorkflowExecutionSignaled, 6 WorkflowExecutionSignaled, ${nextTask(7)}, 10 MarkerRecorded, 11 WorkflowExecutionCompleted`,
    );
  });

  test("that comes before the first workflow task is part of it", async () => {
    const handle = await compat.start(listener, { taskQueue: unique("later") });
    await handle.signal(note, 1);
    await handle.signal(enough);
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowExecutionSignaled, 4 WorkflowExecutionSignaled",
    );
    const { taskQueue = "" } = await handle.describe();
    await compat.runWorker({ taskQueue });
    expect(await handle.result()).toEqual([1]);
    expect(await eventsOf(handle, 5)).toBe("5 WorkflowTaskStarted, 6 WorkflowTaskCompleted, 7 WorkflowExecutionCompleted");
  });

  test("during a start delay waits with the run", async () => {
    const handle = await compat.start(listener, { startDelay: "400ms" });
    await handle.signal(note, 1);
    await handle.signal(enough);
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled, 3 WorkflowExecutionSignaled");
    expect(await handle.result()).toEqual([1]);
    const { startTime, executionTime, closeTime } = await handle.describe();
    expect((executionTime?.getTime() ?? 0) - startTime.getTime()).toBe(400);
    expect((closeTime?.getTime() ?? 0) - startTime.getTime()).toBeGreaterThanOrEqual(400);
    expect(await eventsOf(handle, 4)).toBe(`${nextTask(4)}, 7 WorkflowExecutionCompleted`);
  });

  test("keeps its place among others", async () => {
    const handle = await idle();
    const values = Array.from({ length: signalsPerRun - 1 }, (_, index) => index);
    for (const value of values) await handle.signal(note, value);
    await handle.signal(enough);
    expect(await handle.result()).toEqual(values);
  });

  test("asked for twice with one request id is one event", async () => {
    const handle = await idle();
    const requestId = randomUUID();
    const request = signalRequest({ workflowId: handle.workflowId }, requestId);
    await Promise.all(Array.from({ length: 10 }, () => compat.client.workflowService.signalWorkflowExecution(request)));
    await compat.client.workflowService.signalWorkflowExecution(signalRequest({ workflowId: handle.workflowId }, randomUUID()));
    await handle.signal(enough);
    expect(await handle.result()).toEqual([1, 1]);
  });

  test.each([
    [
      "a run that is closed",
      async () => {
        const handle = await idle();
        await handle.terminate();
        return handle;
      },
      "workflow execution already completed",
    ],
    ["an unknown workflow", async () => compat.client.workflow.getHandle("unheard-of"), "workflow not found for ID: unheard-of"],
  ] as const)("to %s is refused", async (_name, prepare, message) => {
    const handle = await prepare();
    const error = await rejectionOf(handle.signal("note", 1));
    expect(error).toBeInstanceOf(WorkflowNotFoundError);
    expect(error).toMatchObject({ message });
  });

  test("is carried with its sender's name and header", async () => {
    const handle = await idle();
    await compat.client.workflowService.signalWorkflowExecution({
      ...signalRequest({ workflowId: handle.workflowId, runId: handle.firstExecutionRunId }, ""),
      identity: "somebody",
      header: { fields: { trace: defaultPayloadConverter.toPayload("t-1") } },
    });
    const { workflowExecutionSignaledEventAttributes: signaled } = await eventNamed(handle, "WorkflowExecutionSignaled");
    expect(signaled?.identity).toBe("somebody");
    expect(Object.keys(signaled?.header?.fields ?? {})).toEqual(["trace"]);
    await handle.terminate();
  });

  test("beyond the limit of a run is refused, and the run goes on", async () => {
    const handle = await compat.start(listener, nobody);
    for (let count = 0; count < signalsPerRun; count++) await handle.signal(note, count);
    const error = await rejectionOf(handle.signal(enough));
    expect(error).toMatchObject({ cause: { details: "exceeded workflow execution limit for signal events" } });
    expect((await handle.describe()).status.name).toBe("RUNNING");
    await handle.terminate();
  });
});

type StartFields = {
  readonly startDelay?: string;
  readonly workflowIdConflictPolicy?: WorkflowIdConflictPolicy;
  readonly workflowIdReusePolicy?: WorkflowIdReusePolicy;
};

describe("signal with start", () => {
  const signalWithStart = (workflowId: string, options: StartFields = {}) =>
    compat.client.workflow.signalWithStart(listener, {
      taskQueue: compat.taskQueue,
      workflowId,
      signal: note,
      signalArgs: [1],
      ...options,
    } as Parameters<typeof compat.client.workflow.signalWithStart<typeof listener, [number]>>[1]);

  test("starts a run whose first fact is the signal", async () => {
    const handle = await signalWithStart(unique("new"));
    await eventNamed(handle, "WorkflowTaskCompleted");
    await handle.signal(enough);
    expect(await handle.result()).toEqual([1]);
    expect(await eventsOf(handle)).toBe(
      `1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled, ${nextTask(3)}, 6 WorkflowExecutionSignaled, ${nextTask(7)}, 10 WorkflowExecutionCompleted`,
    );
  });

  test("signals the run that there is", async () => {
    const running = await idle();
    const handle = await signalWithStart(running.workflowId);
    expect(handle.signaledRunId).toBe(running.firstExecutionRunId);
    await handle.signal(enough);
    expect(await running.result()).toEqual([1]);
  });

  test("starts a new run where the last one is closed", async () => {
    const closed = await idle();
    await closed.terminate();
    const handle = await signalWithStart(closed.workflowId);
    expect(handle.signaledRunId).not.toBe(closed.firstExecutionRunId);
    await handle.signal(enough);
    expect(await handle.result()).toEqual([1]);
  });

  test("may replace the run that there is", async () => {
    const running = await idle();
    const handle = await signalWithStart(running.workflowId, { workflowIdConflictPolicy: "TERMINATE_EXISTING" });
    expect(handle.signaledRunId).not.toBe(running.firstExecutionRunId);
    const replaced = compat.client.workflow.getHandle(running.workflowId, running.firstExecutionRunId);
    expect(await eventsOf(replaced, 5)).toBe("5 WorkflowExecutionTerminated");
    await handle.signal(enough);
    expect(await handle.result()).toEqual([1]);
  });

  test.each([
    ["that may not run again", { workflowIdReusePolicy: "REJECT_DUPLICATE" }, { name: "WorkflowExecutionAlreadyStartedError" }],
    [
      "that must not be found running",
      { workflowIdConflictPolicy: "FAIL" },
      { cause: { code: 3, details: expect.stringContaining("CONFLICT_POLICY_FAIL") } },
    ],
  ] as const)("of a workflow %s is refused", async (_name, policy, refusal) => {
    const closed = await idle();
    await closed.terminate();
    expect(await rejectionOf(signalWithStart(closed.workflowId, policy))).toMatchObject(refusal);
    expect((await compat.client.workflow.count(`WorkflowId = '${closed.workflowId}'`)).count).toBe(1);
  });

  test("wakes a run out of its start delay", async () => {
    const workflowId = unique("delayed");
    const first = await signalWithStart(workflowId, { startDelay: "1 hour" });
    expect(await eventsOf(first)).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");
    const second = await signalWithStart(workflowId);
    expect(second.signaledRunId).toBe(first.signaledRunId);
    await second.signal(enough);
    expect(await second.result()).toEqual([1, 1]);
  });

  /** The request that a client sends again when it did not hear the answer. */
  const request = (options: { taskQueue: string; workflowStartDelay?: { nanos: number } }) => ({
    ...signalRequest({ workflowId: "" }, randomUUID()),
    workflowId: unique("repeated"),
    workflowType: { name: listener.name },
    signalInput: { payloads: [defaultPayloadConverter.toPayload(1)] },
    ...options,
    taskQueue: { name: options.taskQueue },
  });

  test("asked for twice with one request id starts and signals once, also when the run has closed since", async () => {
    const { workflowService } = compat.client;
    const repeated = request(nobody);
    const answers = await Promise.all(Array.from({ length: 10 }, () => workflowService.signalWithStartWorkflowExecution(repeated)));
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(1);
    const handle = compat.client.workflow.getHandle(repeated.workflowId);
    const events = "1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled, 3 WorkflowTaskScheduled";
    expect(await eventsOf(handle)).toBe(events);
    await handle.terminate();
    expect((await workflowService.signalWithStartWorkflowExecution(repeated)).runId).toBe(answers[0]?.runId);
    expect(await eventsOf(handle)).toBe(`${events}, 4 WorkflowExecutionTerminated`);
  });

  test("asked for twice with one request id does not disturb a start delay", async () => {
    const repeated = request({ taskQueue: compat.taskQueue, workflowStartDelay: { nanos: 300_000_000 } });
    for (let time = 0; time < 2; time++) await compat.client.workflowService.signalWithStartWorkflowExecution(repeated);
    const handle = compat.client.workflow.getHandle<typeof listener>(repeated.workflowId);
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");
    await handle.signal(enough);
    expect(await handle.result()).toEqual([1]);
  });
});
