import {
  Client,
  Connection,
  WithStartWorkflowOperation,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateStage,
} from "@temporalio/client";
import { describe, expect, test } from "vitest";
import { causesOf, eventNamed, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import {
  type Activities,
  add,
  addDoubled,
  counter,
  failInside,
  finish,
  release,
  startOver,
  total,
  waitForRelease,
} from "./workflows/updates.ts";

const activities: Activities = { double: async (amount) => 2 * amount };
const compat = setup({ workflows: "updates", activities });

const { ACCEPTED } = WorkflowUpdateStage;
const firstTask = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";
const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;

/** A run that waits, with its first workflow task behind it. */
const idle = async () => {
  const handle = await compat.start(counter, { args: [0] });
  await eventNamed(handle, "WorkflowTaskCompleted");
  return handle;
};

describe("an update", () => {
  test("is accepted, carried out and answered", async () => {
    const handle = await idle();
    expect(await handle.executeUpdate(add, { args: [2] })).toBe(2);
    expect(await handle.executeUpdate(add, { args: [3] })).toBe(5);
    expect(await eventsOf(handle)).toBe(
      `${firstTask}, ${nextTask(5)}, 8 WorkflowExecutionUpdateAccepted, 9 WorkflowExecutionUpdateCompleted, ` +
        `${nextTask(10)}, 13 WorkflowExecutionUpdateAccepted, 14 WorkflowExecutionUpdateCompleted`,
    );
    await handle.terminate();
  });

  test("that its validator rejects leaves no trace on an idle run", async () => {
    const handle = await idle();
    for (const amount of [0, -1, -2]) {
      const error = await rejectionOf(handle.executeUpdate(add, { args: [amount] }));
      expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
      expect(causesOf(error).at(-1)).toBe(`ApplicationFailure: ${amount} is not positive`);
    }
    expect(await eventsOf(handle)).toBe(firstTask);
    expect(await handle.executeUpdate(add, { args: [1] })).toBe(1);
    expect(await eventsOf(handle, 5)).toBe(`${nextTask(5)}, 8 WorkflowExecutionUpdateAccepted, 9 WorkflowExecutionUpdateCompleted`);
    await handle.signal(finish, { waitForHandlers: true });
    expect(await handle.result()).toBe(1);
  });

  test("that fails after its acceptance is recorded, and its workflow goes on", async () => {
    const handle = await idle();
    const error = await rejectionOf(handle.executeUpdate(failInside));
    expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
    expect(error).toMatchObject({ cause: { message: "accepted, then refused", type: "Refused" } });
    expect(await eventsOf(handle, 8)).toBe("8 WorkflowExecutionUpdateAccepted, 9 WorkflowExecutionUpdateCompleted");
    await handle.signal(finish, { waitForHandlers: true });
    expect(await handle.result()).toBe(0);
  });

  test("may run an activity", async () => {
    const handle = await idle();
    expect(await handle.executeUpdate(addDoubled, { args: [21] })).toBe(42);
    expect(await eventsOf(handle, 5)).toBe(
      `${nextTask(5)}, 8 WorkflowExecutionUpdateAccepted, 9 ActivityTaskScheduled, 10 ActivityTaskStarted, 11 ActivityTaskCompleted, ` +
        `${nextTask(12)}, 15 WorkflowExecutionUpdateCompleted`,
    );
    await handle.terminate();
  });

  test("whose name nothing handles is rejected", async () => {
    const handle = await idle();
    const error = await rejectionOf(handle.executeUpdate("nonsense"));
    expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
    expect(causesOf(error).at(-1)).toContain("nonsense");
    expect(await eventsOf(handle)).toBe(firstTask);
    await handle.terminate();
  });

  test("of a workflow that does not exist is not found", async () => {
    const handle = compat.client.workflow.getHandle(unique("nowhere"));
    expect(await rejectionOf(handle.executeUpdate(add, { args: [1] }))).toBeInstanceOf(WorkflowNotFoundError);
  });

  test("sent before the first workflow task goes with it", async () => {
    const handle = await compat.start(counter, { args: [10] });
    expect(await handle.executeUpdate(add, { args: [1] })).toBe(11);
    await handle.terminate();
  });
});

describe("waiting", () => {
  test("for acceptance only, then for the outcome", async () => {
    const handle = await idle();
    const update = await handle.startUpdate(waitForRelease, { waitForStage: ACCEPTED, updateId: "held" });
    expect(await eventsOf(handle, 5)).toBe(`${nextTask(5)}, 8 WorkflowExecutionUpdateAccepted`);
    const elsewhere = handle.getUpdateHandle<string>("held");
    await handle.signal(release);
    expect(await Promise.all([update.result(), elsewhere.result()])).toEqual(["released", "released"]);
    expect(await eventsOf(handle, 9)).toBe(`9 WorkflowExecutionSignaled, ${nextTask(10)}, 13 WorkflowExecutionUpdateCompleted`);
    await handle.terminate();
  });

  test("for an update that nobody sent", async () => {
    const handle = await idle();
    expect(await rejectionOf(handle.getUpdateHandle("unheard-of").result())).toBeInstanceOf(WorkflowNotFoundError);
    await handle.terminate();
  });

  test("a poller gives up when its deadline says so, the update stays", async () => {
    const handle = await idle();
    const update = await handle.startUpdate(waitForRelease, { waitForStage: ACCEPTED });
    const impatient = compat.client.withDeadline(Date.now() + 100, () => update.result());
    expect(await rejectionOf(impatient)).toBeInstanceOf(Error);
    await handle.signal(release);
    expect(await update.result()).toBe("released");
    await handle.terminate();
  });
});

describe("an update id", () => {
  test("sent again is the same update", async () => {
    const handle = await idle();
    const options = { args: [5] as [number], updateId: "pay-5" };
    expect(await handle.executeUpdate(add, options)).toBe(5);
    expect(await handle.executeUpdate(add, options)).toBe(5);
    expect(await handle.query(total)).toBe(5);
    expect(await eventsOf(handle, 10)).toBe("");
    await handle.terminate();
  });

  test("sent again while it runs joins it", async () => {
    const handle = await idle();
    await handle.startUpdate(waitForRelease, { waitForStage: ACCEPTED, updateId: "once" });
    const again = handle.executeUpdate(waitForRelease, { updateId: "once" });
    await handle.signal(release);
    expect(await again).toBe("released");
    expect((await eventsOf(handle)).match(/UpdateAccepted/g)).toHaveLength(1);
    await handle.terminate();
  });
});

describe("several at once", () => {
  test("each gets its own answer, and all are carried out", async () => {
    const handle = await idle();
    const amounts = [1, 2, 3, -1, 4, 0];
    const outcomes = await Promise.allSettled(
      amounts.map((amount) => handle.executeUpdate(amount === 2 ? addDoubled : add, { args: [amount] })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected", "fulfilled", "rejected"]);
    expect(await handle.query(total)).toBe(12);
    await handle.terminate();
  });

  test("an eleventh in flight is turned away until one has ended", async () => {
    const handle = await idle();
    const held = [];
    for (let index = 0; index < 10; index++) held.push(await handle.startUpdate(waitForRelease, { waitForStage: ACCEPTED }));
    // A client without the SDK's retries hears the refusal; one with them gets through once there is room.
    const connection = await Connection.connect({ address: compat.server.address, interceptors: [] });
    const curt = new Client({ connection }).workflow.getHandle(handle.workflowId);
    expect(causesOf(await rejectionOf(curt.executeUpdate(add, { args: [1] }))).join()).toContain(
      "limit on number of concurrent in-flight updates has been reached (10)",
    );
    await connection.close();
    const patient = handle.executeUpdate(add, { args: [1] });
    await handle.signal(release);
    await Promise.all(held.map((update) => update.result()));
    expect(await patient).toBe(1);
    await handle.terminate();
  });
});

describe("when the run ends", () => {
  test("an accepted update that did not complete fails", async () => {
    const handle = await idle();
    const update = await handle.startUpdate(waitForRelease, { waitForStage: ACCEPTED });
    await handle.signal(finish, { waitForHandlers: false });
    await handle.result();
    expect(await rejectionOf(update.result())).toMatchObject({
      cause: {
        type: "AcceptedUpdateCompletedWorkflow",
        message: "Workflow Update failed because the Workflow completed before the Update completed.",
      },
    });
  });

  test("a workflow may wait for its handlers", async () => {
    const handle = await idle();
    const update = await handle.startUpdate(waitForRelease, { waitForStage: ACCEPTED });
    await handle.signal(finish, { waitForHandlers: true });
    await handle.signal(release);
    expect(await update.result()).toBe("released");
    expect(await handle.result()).toBe(0);
  });

  test("the outcome of a completed update stays; a new one is refused", async () => {
    const handle = await idle();
    const update = await handle.startUpdate(add, { args: [7], waitForStage: ACCEPTED, updateId: "seven" });
    await handle.signal(finish, { waitForHandlers: true });
    await handle.result();
    expect(await update.result()).toBe(7);
    expect(await handle.executeUpdate(add, { args: [7], updateId: "seven" })).toBe(7);
    const error = await rejectionOf(handle.executeUpdate(add, { args: [1] }));
    expect(error).toBeInstanceOf(WorkflowNotFoundError);
    expect((error as Error).message).toBe("workflow execution already completed");
  });

  test("updates go on in the next run after continue-as-new", async () => {
    const handle = await idle();
    expect(await handle.executeUpdate(add, { args: [4] })).toBe(4);
    const first = (await handle.describe()).runId;
    await handle.signal(startOver);
    const latest = compat.client.workflow.getHandle<typeof counter>(handle.workflowId);
    await until(async () => (await latest.describe()).runId !== first);
    expect(await latest.executeUpdate(add, { args: [1] })).toBe(5);
    await latest.terminate();
    expect(await eventsOf(compat.client.workflow.getHandle(handle.workflowId, first), 10)).toBe(
      `10 WorkflowExecutionSignaled, ${nextTask(11)}, 14 WorkflowExecutionContinuedAsNew`,
    );
  });

  test("an update that meets continue-as-new is carried out in one of the two runs", async () => {
    const handle = await idle();
    const [outcome] = await Promise.all([handle.executeUpdate(add, { args: [1] }), handle.signal(startOver)]);
    expect(outcome).toBe(1);
    await until(async () => (await handle.describe()).raw.workflowExecutionInfo?.firstRunId !== (await handle.describe()).runId);
    expect(await handle.query(total)).toBe(1);
    await handle.terminate();
  });
});

describe("when workers come and go", () => {
  test("an update that finds no worker waits for one", async () => {
    const taskQueue = unique("updates");
    const first = await compat.runWorker({ taskQueue });
    const handle = await compat.start(counter, { taskQueue, args: [0] });
    expect(await handle.executeUpdate(add, { args: [1] })).toBe(1);
    await first.stop();
    const update = handle.executeUpdate(add, { args: [2] });
    const second = await compat.runWorker({ taskQueue });
    expect(await update).toBe(3);
    await handle.terminate();
    await second.stop();
  });

  test("an update that a worker took with it when it died goes to the next", async () => {
    const taskQueue = unique("updates");
    const { workflowService } = compat.client;
    const handle = await compat.start(counter, { taskQueue, args: [0], workflowTaskTimeout: "1s" });
    const update = handle.executeUpdate(add, { args: [5], updateId: "carried" });
    let task = await workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
    if (task.messages?.length === 0) {
      // The start's own workflow task was faster than the update; it went with the next.
      await workflowService.respondWorkflowTaskCompleted({ namespace: "default", taskToken: task.taskToken });
      task = await workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
    }
    expect(task.messages).toMatchObject([{ id: "carried/request", protocolInstanceId: "carried" }]);
    const worker = await compat.runWorker({ taskQueue });
    expect(await update).toBe(5);
    expect(await eventsOf(handle)).toContain("WorkflowTaskTimedOut");
    await handle.terminate();
    await worker.stop();
  });

  test("an update while a run without a cache is replayed for each task", async () => {
    const taskQueue = unique("updates");
    const worker = await compat.runWorker({ taskQueue, maxCachedWorkflows: 0 });
    const handle = await compat.start(counter, { taskQueue, args: [0] });
    await eventNamed(handle, "WorkflowTaskCompleted");
    for (const [amount, sum] of [
      [1, 1],
      [-1, null],
      [2, 3],
      [0, null],
      [3, 6],
    ] as const) {
      const outcome = handle.executeUpdate(add, { args: [amount] });
      if (sum === null) expect(await rejectionOf(outcome)).toBeInstanceOf(WorkflowUpdateFailedError);
      else expect(await outcome).toBe(sum);
    }
    await handle.signal(finish, { waitForHandlers: true });
    expect(await handle.result()).toBe(6);
    await worker.stop();
  });
});

describe("update-with-start", () => {
  const operation = (workflowId: string, options: { from?: number; policy?: "USE_EXISTING" | "FAIL" } = {}) =>
    new WithStartWorkflowOperation(counter, {
      workflowId,
      taskQueue: compat.taskQueue,
      args: [options.from ?? 0],
      workflowIdConflictPolicy: options.policy ?? "USE_EXISTING",
    });
  const executeAdd = (amount: number, startWorkflowOperation: ReturnType<typeof operation>) =>
    compat.client.workflow.executeUpdateWithStart(add, { args: [amount], startWorkflowOperation });

  test("starts the run, and its first workflow task carries the update", async () => {
    const start = operation(unique("basket"), { from: 100 });
    expect(await executeAdd(1, start)).toBe(101);
    const handle: WorkflowHandle = await start.workflowHandle();
    expect(await eventsOf(handle)).toBe(`${firstTask}, 5 WorkflowExecutionUpdateAccepted, 6 WorkflowExecutionUpdateCompleted`);
    await handle.terminate();
  });

  test("uses the run that is there", async () => {
    const handle = await idle();
    const start = operation(handle.workflowId);
    expect(await executeAdd(1, start)).toBe(1);
    expect((await start.workflowHandle()).workflowId).toBe(handle.workflowId);
    expect((await eventsOf(handle)).match(/WorkflowExecutionStarted/g)).toHaveLength(1);
    await handle.terminate();
  });

  test("starts a new run when the old one has ended", async () => {
    const handle = await idle();
    await handle.signal(finish, { waitForHandlers: true });
    await handle.result();
    const start = operation(handle.workflowId, { from: 50 });
    expect(await executeAdd(1, start)).toBe(51);
    await (await start.workflowHandle()).terminate();
  });

  test("is refused as a whole when the conflict policy refuses the start", async () => {
    const handle = await idle();
    const start = operation(handle.workflowId, { policy: "FAIL" });
    const [update, started] = await Promise.all([rejectionOf(executeAdd(1, start)), rejectionOf(start.workflowHandle())]);
    expect([(update as Error).name, (started as Error).name]).toEqual([
      "WorkflowExecutionAlreadyStartedError",
      "WorkflowExecutionAlreadyStartedError",
    ]);
    expect(await handle.query(total)).toBe(0);
    await handle.terminate();
  });

  test("leaves the run running when the update is rejected", async () => {
    const start = operation(unique("basket"));
    expect(await rejectionOf(executeAdd(-1, start))).toBeInstanceOf(WorkflowUpdateFailedError);
    const handle = await start.workflowHandle();
    expect(await eventsOf(handle)).toBe(firstTask);
    await handle.terminate();
  });

  test("may wait for acceptance only", async () => {
    const startWorkflowOperation = operation(unique("basket"));
    const update = await compat.client.workflow.startUpdateWithStart(waitForRelease, { waitForStage: ACCEPTED, startWorkflowOperation });
    const handle = await startWorkflowOperation.workflowHandle();
    await handle.signal(release);
    expect(await update.result()).toBe("released");
    await handle.terminate();
  });

  test("sent again with its update id is the same update", async () => {
    const workflowId = unique("basket");
    const send = () =>
      compat.client.workflow.executeUpdateWithStart(add, {
        args: [1],
        updateId: "first-item",
        startWorkflowOperation: operation(workflowId),
      });
    expect([await send(), await send()]).toEqual([1, 1]);
    const handle = compat.client.workflow.getHandle(workflowId);
    await handle.signal(finish, { waitForHandlers: true });
    await handle.result();
    expect(await send()).toBe(1);
  });
});
