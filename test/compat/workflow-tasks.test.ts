import { CompleteAsyncError } from "@temporalio/activity";
import { WorkflowFailedError, type WorkflowHandle } from "@temporalio/client";
import { temporal } from "@temporalio/proto";
import { beforeAll, describe, expect, test } from "vitest";
import { bundleOf, causesOf, eventNamed, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import {
  type Activities,
  advised,
  buggy,
  busy,
  changeable,
  deployed,
  failing,
  hasty,
  nudge,
  nudged,
  seen,
} from "./workflows/workflow-tasks.ts";

/** Local activities that hold a workflow task until the test lets go, by id. */
const held = new Map<string, () => void>();
const activities: Activities = {
  greet: async (name) => `Hello, ${name}!`,
  blockUntilReleased: (id) =>
    new Promise((resolve) => {
      held.set(id, () => resolve("released"));
    }),
  completedElsewhere: async () => {
    throw new CompleteAsyncError();
  },
};

const compat = setup({ workflows: "workflow-tasks", activities, server: { limits: { suggestContinueAsNewCount: 20 } } });
let secondDeploy: Awaited<ReturnType<typeof bundleOf>>;
beforeAll(async () => {
  secondDeploy = await bundleOf("workflow-tasks-v2");
});

const { WorkflowTaskFailedCause: Cause } = temporal.api.enums.v1;
const release = async (id: string) => (await until(() => held.get(id)))();
const firstTask = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";
const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;
/** The workflow task that is pending, as describe shows it. */
const pendingTask = async (handle: WorkflowHandle) => (await handle.describe()).raw.pendingWorkflowTask;

test("a Temporal failure ends the workflow", async () => {
  const handle = await compat.start(failing);
  const error = await rejectionOf(handle.result());
  expect(error).toBeInstanceOf(WorkflowFailedError);
  expect(error).toMatchObject({ cause: { message: "as intended", type: "Intended" } });
  expect(await eventsOf(handle)).toBe(`${firstTask}, 5 WorkflowExecutionFailed`);
});

describe("code that throws", () => {
  test("fails the workflow task once in history, is tried again, and heals with fixed code", async () => {
    const taskQueue = unique("buggy");
    const broken = await compat.runWorker({ taskQueue, workflowBundle: secondDeploy });
    const handle = await compat.start(buggy, { taskQueue, workflowTaskTimeout: "1s" });
    const failed = (await eventNamed(handle, "WorkflowTaskFailed")).workflowTaskFailedEventAttributes;
    expect(failed?.failure?.message).toBe("undefined is not a function");
    expect(failed?.cause).toBe(Cause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE);
    await until(async () => ((await pendingTask(handle))?.attempt ?? 0) >= 3);
    const asked = rejectionOf(handle.query("anything"));
    expect(causesOf(await asked).join()).toContain("Unable to query workflow due to Workflow Task in failed state.");
    await broken.stop();
    const fixed = await compat.runWorker({ taskQueue });
    expect(await handle.result()).toBe("repaired");
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskFailed, " +
        `${nextTask(5)}, 8 WorkflowExecutionCompleted`,
    );
    await fixed.stop();
  });

  test("a signal between the attempts gives the next one a place in history", async () => {
    const taskQueue = unique("buggy");
    const broken = await compat.runWorker({ taskQueue, workflowBundle: secondDeploy });
    const handle = await compat.start(buggy, { taskQueue, workflowTaskTimeout: "1s" });
    await until(async () => ((await pendingTask(handle))?.attempt ?? 0) >= 2);
    await broken.stop();
    await handle.signal(nudge, "meanwhile");
    const fixed = await compat.runWorker({ taskQueue });
    expect(await handle.result()).toBe("repaired");
    expect(await eventsOf(handle)).toMatch(
      /4 WorkflowTaskFailed, 5 WorkflowExecutionSignaled, 6 WorkflowTaskScheduled, 7 WorkflowTaskStarted, 8 WorkflowTaskCompleted, 9 WorkflowExecutionCompleted$/,
    );
    await fixed.stop();
  });
});

test("code that became non-deterministic fails its task, and heals when the old code returns", async () => {
  const taskQueue = unique("changed");
  const first = await compat.runWorker({ taskQueue });
  const handle = await compat.start(changeable, { taskQueue, workflowTaskTimeout: "1s" });
  await until(async () => (await eventsOf(handle)).endsWith("9 WorkflowTaskCompleted"));
  await first.stop();
  const changed = await compat.runWorker({ taskQueue, workflowBundle: secondDeploy });
  await handle.signal(nudge, "go");
  const failed = (await eventNamed(handle, "WorkflowTaskFailed")).workflowTaskFailedEventAttributes;
  expect(failed?.cause).toBe(Cause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR);
  expect(failed?.failure?.message).toContain("TMPRL1100");
  await until(async () => ((await pendingTask(handle))?.attempt ?? 0) >= 2);
  await changed.stop();
  const returned = await compat.runWorker({ taskQueue });
  expect(await handle.result()).toBe("healed");
  await returned.stop();
});

describe("a deploy with `patched`", () => {
  test("old runs keep to the old path, new ones take the new", async () => {
    const taskQueue = unique("deploy");
    const first = await compat.runWorker({ taskQueue });
    const old = await compat.start(deployed, { taskQueue });
    await until(async () => (await eventsOf(old)).endsWith("10 WorkflowTaskCompleted"));
    await first.stop();
    const second = await compat.runWorker({ taskQueue, workflowBundle: secondDeploy });
    const fresh = await compat.start(deployed, { taskQueue });
    await Promise.all([old.signal(nudge, "go"), fresh.signal(nudge, "go")]);
    expect(await Promise.all([old.result(), fresh.result()])).toEqual(["version 1", "Hello, version 2!"]);
    expect(await eventsOf(old)).not.toContain("MarkerRecorded");
    expect(await eventsOf(fresh)).toContain("MarkerRecorded, ");
    expect(await eventsOf(fresh)).toMatch(/MarkerRecorded, \d+ UpsertWorkflowSearchAttributes/);
    expect((await fresh.describe()).searchAttributes?.TemporalChangeVersion).toEqual(["with-farewell"]);
    const listed = compat.client.workflow.list({ query: `TemporalChangeVersion = "with-farewell" AND TaskQueue = "${taskQueue}"` });
    const ids = [];
    for await (const { workflowId } of listed) ids.push(workflowId);
    expect(ids).toEqual([fresh.workflowId]);
    await second.stop();
  });
});

describe("the worker's cache", () => {
  test("a run whose worker died goes to another when it has waited in vain on the sticky queue", async () => {
    const [taskQueue, stickyQueue] = [unique("sticky"), unique("sticky-of-the-dead")];
    const { workflowService } = compat.client;
    const handle = await compat.start(nudged, { taskQueue });
    const task = await workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
    await workflowService.respondWorkflowTaskCompleted({
      namespace: "default",
      taskToken: task.taskToken,
      stickyAttributes: {
        workerTaskQueue: { name: stickyQueue, kind: temporal.api.enums.v1.TaskQueueKind.TASK_QUEUE_KIND_STICKY, normalName: taskQueue },
        scheduleToStartTimeout: { nanos: 150_000_000 },
      },
    });
    // Its last sign of life: a poll, so that the server still believes in it.
    const lastPoll = { namespace: "default", taskQueue: { name: stickyQueue, normalName: taskQueue } };
    await compat.client.withDeadline(Date.now() + 100, () => workflowService.pollWorkflowTaskQueue(lastPoll)).catch(() => undefined);
    const living = await compat.runWorker({ taskQueue });
    await handle.signal(nudge, "finish");
    expect(await handle.result()).toEqual(["finish"]);
    expect(await eventsOf(handle)).toBe(
      `${firstTask}, 5 WorkflowExecutionSignaled, 6 WorkflowTaskScheduled, 7 WorkflowTaskTimedOut, ` +
        `${nextTask(8)}, 11 WorkflowExecutionCompleted`,
    );
    const timedOut = (await eventNamed(handle, "WorkflowTaskTimedOut")).workflowTaskTimedOutEventAttributes;
    expect(timedOut?.timeoutType).toBe(temporal.api.enums.v1.TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START);
    await living.stop();
  });

  test("a run whose worker said goodbye goes to another at once", async () => {
    const taskQueue = unique("sticky");
    const first = await compat.runWorker({ taskQueue });
    const handle = await compat.start(nudged, { taskQueue });
    await handle.signal(nudge, "one");
    await until(async () => (await handle.query(seen)).length === 1);
    await first.stop();
    const second = await compat.runWorker({ taskQueue });
    await handle.signal(nudge, "two");
    await handle.signal(nudge, "finish");
    expect(await handle.result()).toEqual(["one", "two", "finish"]);
    await second.stop();
  });

  test("a reset of the sticky queue lets any worker have the task", async () => {
    const taskQueue = unique("sticky");
    const worker = await compat.runWorker({ taskQueue });
    const handle = await compat.start(nudged, { taskQueue });
    await eventNamed(handle, "WorkflowTaskCompleted");
    await compat.client.workflowService.resetStickyTaskQueue({ namespace: "default", execution: { workflowId: handle.workflowId } });
    await handle.signal(nudge, "finish");
    expect(await handle.result()).toEqual(["finish"]);
    const [, second] = ((await handle.fetchHistory()).events ?? []).flatMap((event) => event.workflowTaskScheduledEventAttributes ?? []);
    expect(second?.taskQueue?.name).toBe(taskQueue);
    await worker.stop();
  });

  test("without a cache every task is a replay", async () => {
    const taskQueue = unique("cacheless");
    const worker = await compat.runWorker({ taskQueue, maxCachedWorkflows: 0 });
    const handle = await compat.start(nudged, { taskQueue });
    for (const name of ["one", "two", "finish"]) await handle.signal(nudge, name);
    expect(await handle.result()).toEqual(["one", "two", "finish"]);
    await worker.stop();
  });
});

describe("a worker that takes a task and dies", () => {
  test("the task times out and goes to the next worker", async () => {
    const taskQueue = unique("dead");
    const { workflowService } = compat.client;
    const handle = await compat.start(nudged, { taskQueue, workflowTaskTimeout: "1s" });
    const task = await workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue }, identity: "doomed" });
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted");
    const worker = await compat.runWorker({ taskQueue });
    await eventNamed(handle, "WorkflowTaskTimedOut");
    await handle.signal(nudge, "finish");
    expect(await handle.result()).toEqual(["finish"]);
    expect(await eventsOf(handle)).toContain("3 WorkflowTaskStarted, 4 WorkflowTaskTimedOut, ");
    const late = workflowService.respondWorkflowTaskCompleted({ namespace: "default", taskToken: task.taskToken, commands: [] });
    expect((await rejectionOf(late)) as Error).toMatchObject({ details: "Workflow task not found." });
    await worker.stop();
  });
});

describe("while a workflow task runs", () => {
  test("facts wait, and follow its commands: signals first, results of activities last", async () => {
    const id = unique("busy");
    const handle = await compat.start(busy, { args: [id], workflowId: id });
    await until(() => held.get(id));
    const before = await eventsOf(handle);
    await handle.signal(nudge, "one");
    await compat.client.activity.complete({ workflowId: id, activityId: "1" }, "from elsewhere");
    await handle.signal(nudge, "two");
    expect(await eventsOf(handle)).toBe(before);
    await release(id);
    expect(await handle.result()).toEqual(["released", "one", "two", "from elsewhere"]);
    expect(await eventsOf(handle, 4)).toBe(
      `4 WorkflowTaskCompleted, 5 ActivityTaskScheduled, 6 TimerStarted, 7 TimerFired, ${nextTask(8)}, 11 MarkerRecorded, ` +
        "12 WorkflowExecutionSignaled, 13 ActivityTaskStarted, 14 WorkflowExecutionSignaled, 15 ActivityTaskCompleted, " +
        `${nextTask(16)}, 19 WorkflowExecutionCompleted`,
    );
    const completed = (await eventNamed(handle, "ActivityTaskCompleted")).activityTaskCompletedEventAttributes;
    expect([Number(completed?.scheduledEventId), Number(completed?.startedEventId)]).toEqual([5, 13]);
  });

  test("a run does not end before it has read what arrived: its completion is refused and made again", async () => {
    const id = unique("hasty");
    const handle = await compat.start(hasty, { args: [id], workflowId: id });
    await until(() => held.get(id));
    await handle.signal(nudge, "just in time");
    await release(id);
    // The refused completion took the local activity's marker with it, so the activity runs again.
    held.delete(id);
    await release(id);
    expect(await handle.result()).toEqual(["just in time"]);
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskFailed, 5 WorkflowExecutionSignaled, " +
        `${nextTask(6)}, 9 MarkerRecorded, 10 WorkflowExecutionCompleted`,
    );
    const failed = (await eventNamed(handle, "WorkflowTaskFailed")).workflowTaskFailedEventAttributes;
    expect(failed?.cause).toBe(Cause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND);
  });
});

test("the server advises to continue as new once history is long", async () => {
  const handle = await compat.start(advised);
  expect(await handle.result()).toBe(2);
  const first = compat.client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId);
  expect(await eventsOf(first)).toMatch(/2\d WorkflowTaskStarted, \d+ WorkflowTaskCompleted, \d+ WorkflowExecutionContinuedAsNew$/);
  const started = (await eventNamed(first, "WorkflowTaskStarted", "last")).workflowTaskStartedEventAttributes;
  expect(started).toMatchObject({ suggestContinueAsNew: true });
});
