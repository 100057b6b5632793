import type { WorkflowHandle } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { temporal } from "@temporalio/proto";
import type { ChildWorkflowCancellationType, ParentClosePolicy } from "@temporalio/workflow";
import { describe, expect, test } from "vitest";
import { causesOf, eventNamed, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import {
  cancelsChild,
  cancelsItself,
  cancelsOther,
  chainChild,
  child,
  failingChild,
  informedChild,
  leavesChild,
  patientChild,
  poke,
  retriedChild,
  runsChild,
  signalsChild,
  signalsItself,
  signalsOther,
  stop,
} from "./workflows/children.ts";

const compat = setup({ workflows: "children", server: { searchAttributes: { Customer: "Keyword" } } });
const customer = defineSearchAttributeKey("Customer", SearchAttributeType.KEYWORD);

const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;
const handleOf = (workflowId: string) => compat.client.workflow.getHandle(workflowId);
const statusOf = async (handle: WorkflowHandle) => (await handle.describe()).status.name;
const closed = (handle: WorkflowHandle) => until(async () => ((await statusOf(handle)) === "RUNNING" ? false : statusOf(handle)));

describe("a child", () => {
  test("runs and its result comes back", async () => {
    const workflowId = unique("child");
    const handle = await compat.start(runsChild, { args: [child.name, ["Ada"], { workflowId }] });
    expect(await handle.result()).toBe(`Ada of ${handle.workflowId}`);
    expect(await eventsOf(handle, 5)).toBe(
      `5 StartChildWorkflowExecutionInitiated, 6 ChildWorkflowExecutionStarted, ${nextTask(7)}, ` +
        `10 ChildWorkflowExecutionCompleted, ${nextTask(11)}, 14 WorkflowExecutionCompleted`,
    );
    const description = await handleOf(workflowId).describe();
    expect(description.parentExecution).toMatchObject({ workflowId: handle.workflowId, runId: handle.firstExecutionRunId });
    expect(description.rootExecution).toMatchObject({ workflowId: handle.workflowId, runId: handle.firstExecutionRunId });
    const { workflowExecutionStartedEventAttributes: started } = await eventNamed(handleOf(workflowId), "WorkflowExecutionStarted");
    expect(Number(started?.parentInitiatedEventId)).toBe(5);
    expect(started?.parentWorkflowNamespace).toBe("default");
  });

  test("fails and its whole failure comes back", async () => {
    const handle = await compat.start(runsChild, { args: [failingChild.name, []] });
    const error = await rejectionOf(handle.result());
    expect(causesOf(error)).toEqual([
      "WorkflowFailedError: Workflow execution failed",
      "ChildWorkflowFailure: Child Workflow execution failed",
      "ApplicationFailure: the child cannot",
    ]);
    expect(error).toMatchObject({
      cause: { workflowType: "failingChild", cause: { type: "ChildCannot", nonRetryable: true, details: [{ why: 1 }] } },
    });
    expect(await eventsOf(handle, 10)).toBe(`10 ChildWorkflowExecutionFailed, ${nextTask(11)}, 14 WorkflowExecutionFailed`);
  });

  test.each([
    ["terminated", (handle: WorkflowHandle) => handle.terminate("enough"), "ChildWorkflowExecutionTerminated", "TerminatedFailure: "],
    ["cancelled", (handle: WorkflowHandle) => handle.cancel(), "ChildWorkflowExecutionCanceled", "CancelledFailure: "],
  ] as const)("is %s by somebody else and its parent hears of it", async (_name, end, event, cause) => {
    const workflowId = unique("ended");
    const handle = await compat.start(runsChild, { args: [patientChild.name, [0], { workflowId }] });
    await eventNamed(handle, "ChildWorkflowExecutionStarted");
    await end(handleOf(workflowId));
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toContain(cause);
    expect(await eventsOf(handle, 10)).toContain(`10 ${event}, ${nextTask(11)}`);
  });

  test("times out and its parent hears of it", async () => {
    const handle = await compat.start(runsChild, { args: [patientChild.name, [0], { workflowRunTimeout: "200ms" }] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toMatch(/^TimeoutFailure/);
    expect(await eventsOf(handle, 10)).toBe(`10 ChildWorkflowExecutionTimedOut, ${nextTask(11)}, 14 WorkflowExecutionFailed`);
  });

  test("that retries reports once, when its chain is over", async () => {
    const retry = { initialInterval: "10ms", maximumAttempts: 5 };
    const handle = await compat.start(runsChild, { args: [retriedChild.name, [], { retry }] });
    expect(await handle.result()).toBe(3);
    expect(await eventsOf(handle, 10)).toBe(`10 ChildWorkflowExecutionCompleted, ${nextTask(11)}, 14 WorkflowExecutionCompleted`);
  });

  test("that continues as new reports once, when its chain is over", async () => {
    const handle = await compat.start(runsChild, { args: [chainChild.name, [1]] });
    expect(await handle.result()).toBe("end of the chain");
    expect(await eventsOf(handle, 10)).toBe(`10 ChildWorkflowExecutionCompleted, ${nextTask(11)}, 14 WorkflowExecutionCompleted`);
  });

  test("has a queue, time-outs, a retry policy, a memo and search attributes of its own", async () => {
    const taskQueue = unique("children-only");
    await compat.runWorker({ taskQueue });
    const workflowId = unique("informed");
    const handle = await compat.start(runsChild, {
      args: [
        informedChild.name,
        [],
        {
          workflowId,
          taskQueue,
          workflowExecutionTimeout: "1 hour",
          workflowRunTimeout: "10 minutes",
          workflowTaskTimeout: "7s",
          retry: { maximumAttempts: 4, initialInterval: "2s" },
          memo: { note: "mine" },
          searchAttributes: { Customer: ["Ada"] },
          staticSummary: "a child",
        },
      ],
    });
    expect(await handle.result()).toMatchObject({
      taskQueue,
      executionTimeoutMs: 3_600_000,
      runTimeoutMs: 600_000,
      taskTimeoutMs: 7_000,
      retryPolicy: { maximumAttempts: 4 },
      memo: { note: "mine" },
      keywords: [{ key: { name: "Customer" }, value: "Ada" }],
      parent: { workflowId: handle.workflowId, namespace: "default" },
      root: { workflowId: handle.workflowId },
    });
    const description = await handleOf(workflowId).describe();
    expect(description.memo).toEqual({ note: "mine" });
    expect(description.typedSearchAttributes).toEqual(new TypedSearchAttributes([{ key: customer, value: "Ada" }]));
    expect(await description.staticSummary()).toBe("a child");
  });

  test.each([
    ["is running", patientChild.name, [0], "ALLOW_DUPLICATE"],
    ["has run and may not again", child.name, ["Ada"], "REJECT_DUPLICATE"],
    ["succeeded and may only run again after a failure", child.name, ["Ada"], "ALLOW_DUPLICATE_FAILED_ONLY"],
  ] as const)("whose id %s is refused", async (name, type, args, workflowIdReusePolicy) => {
    const workflowId = unique("taken");
    const first = await compat.client.workflow.start(type, { taskQueue: compat.taskQueue, workflowId, args: [...args] });
    if (name !== "is running") await first.result();
    const handle = await compat.start(runsChild, { args: [child.name, ["Ada"], { workflowId, workflowIdReusePolicy }] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toBe("TemporalFailure: Workflow execution already started");
    expect(await eventsOf(handle, 5)).toBe(
      `5 StartChildWorkflowExecutionInitiated, 6 StartChildWorkflowExecutionFailed, ${nextTask(7)}, 10 WorkflowExecutionFailed`,
    );
    if (name === "is running") await first.terminate();
  });

  test("takes over the id of a closed execution", async () => {
    const workflowId = unique("again");
    for (const name of ["Ada", "Bob"]) {
      const handle = await compat.start(runsChild, { args: [child.name, [name], { workflowId }] });
      expect(await handle.result()).toBe(`${name} of ${handle.workflowId}`);
    }
  });
});

describe("when the parent closes", () => {
  test.each([
    ["TERMINATE", "TERMINATED", "WorkflowExecutionTerminated"],
    ["REQUEST_CANCEL", "CANCELLED", "WorkflowExecutionCanceled"],
    ["ABANDON", "RUNNING", ""],
  ] as const satisfies readonly (readonly [ParentClosePolicy, string, string])[])(
    "a child of policy %s is %s",
    async (policy, status, last) => {
      const workflowId = unique("left");
      await (await compat.start(leavesChild, { args: [workflowId, policy, true] })).result();
      const left = handleOf(workflowId);
      if (status === "RUNNING") {
        expect(await statusOf(left)).toBe(status);
        await left.signal(poke, "a passer-by");
        expect(await left.result()).toBe("poked by a passer-by");
        return;
      }
      expect(await closed(left)).toBe(status);
      expect(await eventsOf(left)).toContain(last);
      if (policy === "TERMINATE") {
        const { workflowExecutionTerminatedEventAttributes: terminated } = await eventNamed(left, last);
        expect(terminated?.reason).toBe("by parent close policy");
      }
    },
  );

  test.each([
    ["ABANDON", "is started all the same"],
    ["TERMINATE", "does not live on"],
    ["REQUEST_CANCEL", "does not live on"],
  ] as const satisfies readonly (readonly [ParentClosePolicy, string])[])("in the same breath, a child of policy %s %s", async (policy) => {
    const workflowId = unique("breath");
    const handle = await compat.start(leavesChild, { args: [workflowId, policy, false] });
    await handle.result();
    expect(await eventsOf(handle, 4)).toBe("4 WorkflowTaskCompleted, 5 StartChildWorkflowExecutionInitiated, 6 WorkflowExecutionCompleted");
    const left = handleOf(workflowId);
    if (policy === "ABANDON") {
      await until(() =>
        left.signal(poke, "a passer-by").then(
          () => true,
          () => false,
        ),
      );
      expect(await left.result()).toBe("poked by a passer-by");
      return;
    }
    // Nothing else is to happen to this id: whoever asks for it later gets it.
    const later = await compat.client.workflow.start(child, {
      taskQueue: compat.taskQueue,
      workflowId,
      workflowIdConflictPolicy: "TERMINATE_EXISTING",
      args: ["Ada"],
    });
    expect(await later.result()).toBe("Ada of undefined");
  });
});

describe("while the parent is in a workflow task", () => {
  /** A parent that has asked for a child and is at its next workflow task already, held as a worker would. */
  const parentInTask = async () => {
    const taskQueue = unique("parents");
    const parent = await compat.start(runsChild, { taskQueue, args: ["any", []] });
    const { workflowService } = compat.client;
    const { taskToken } = await workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
    const childId = unique("in-task");
    const answer = await workflowService.respondWorkflowTaskCompleted({
      namespace: "default",
      taskToken,
      returnNewWorkflowTask: true,
      forceCreateNewWorkflowTask: true,
      commands: [
        {
          commandType: temporal.api.enums.v1.CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
          startChildWorkflowExecutionCommandAttributes: {
            workflowId: childId,
            workflowType: { name: patientChild.name },
            taskQueue: { name: "nobody" },
          },
        },
      ],
    });
    await until(() =>
      handleOf(childId)
        .describe()
        .catch(() => false),
    );
    return { parent, childId, taskToken: answer.workflowTask?.taskToken ?? null };
  };
  const held = "5 StartChildWorkflowExecutionInitiated, 6 WorkflowTaskScheduled, 7 WorkflowTaskStarted";

  test("the start and the end of its child wait for their ids, and name each other", async () => {
    const { parent, childId, taskToken } = await parentInTask();
    await handleOf(childId).terminate();
    expect(await eventsOf(parent, 5)).toBe(held);
    await until(async () => (await parent.describe()).raw.pendingChildren?.length);
    await compat.client.workflowService.respondWorkflowTaskCompleted({ namespace: "default", taskToken });
    await eventNamed(parent, "ChildWorkflowExecutionTerminated");
    expect(await eventsOf(parent, 8)).toMatch(
      /^8 WorkflowTaskCompleted, 9 ChildWorkflowExecutionStarted, (10 WorkflowTaskScheduled, 11|10) ChildWorkflowExecutionTerminated/,
    );
    const { childWorkflowExecutionTerminatedEventAttributes: terminated } = await eventNamed(parent, "ChildWorkflowExecutionTerminated");
    expect(terminated).toMatchObject({ workflowExecution: { workflowId: childId } });
    expect([Number(terminated?.initiatedEventId), Number(terminated?.startedEventId)]).toEqual([5, 9]);
    await parent.terminate();
  });

  test("its end also ends a child whose start is not yet in its history", async () => {
    const { parent, childId } = await parentInTask();
    await parent.terminate();
    expect(await eventsOf(parent, 8)).toBe("8 WorkflowTaskFailed, 9 ChildWorkflowExecutionStarted, 10 WorkflowExecutionTerminated");
    expect(await closed(handleOf(childId))).toBe("TERMINATED");
  });
});

describe("a cancelled wait for a child", () => {
  const requested = "14 RequestCancelExternalWorkflowExecutionInitiated";
  const heardOut =
    `${requested}, 15 ExternalWorkflowExecutionCancelRequested, ${nextTask(16)}, ` +
    `19 ChildWorkflowExecutionCanceled, ${nextTask(20)}, 23 WorkflowExecutionCompleted`;

  test.each([
    // type                         the child then, and at last    what the parent did
    ["ABANDON", "RUNNING", "RUNNING", "14 WorkflowExecutionCompleted"],
    ["TRY_CANCEL", "RUNNING", "CANCELLED", `${requested}, 15 WorkflowExecutionCompleted`],
    // The Rust core, too, ends this wait only when the child is closed.
    ["WAIT_CANCELLATION_REQUESTED", "CANCELLED", "CANCELLED", heardOut],
    ["WAIT_CANCELLATION_COMPLETED", "CANCELLED", "CANCELLED", heardOut],
  ] as const satisfies readonly (readonly [ChildWorkflowCancellationType, ...string[]])[])(
    "of type %s ends with the child %s, later %s",
    async (type, then, last, events) => {
      const workflowId = unique("cancelled");
      const handle = await compat.start(cancelsChild, { args: [workflowId, type, "200ms"] });
      await eventNamed(handle, "ChildWorkflowExecutionStarted");
      const left = handleOf(workflowId);
      await eventNamed(left, "WorkflowTaskCompleted");
      await until(async () => (await eventsOf(handle)).includes("9 WorkflowTaskCompleted"));
      await handle.signal(stop);
      expect(await handle.result()).toBe("ChildWorkflowFailure: Child Workflow execution failed");
      expect(await statusOf(left)).toBe(then);
      expect(await eventsOf(handle, 14)).toBe(events);
      if (last === "CANCELLED") expect(await closed(left)).toBe(last);
      else await left.terminate();
    },
  );
});

describe("signals and cancellations between executions", () => {
  test("a parent signals its child", async () => {
    const workflowId = unique("signalled");
    const handle = await compat.start(signalsChild, { args: [workflowId] });
    expect(await handle.result()).toBe(`poked by ${handle.workflowId}`);
    expect(await eventsOf(handle, 10)).toMatch(
      /^10 SignalExternalWorkflowExecutionInitiated, 11 ExternalWorkflowExecutionSignaled, 12 WorkflowTaskScheduled/,
    );
    const { workflowExecutionSignaledEventAttributes: signaled } = await eventNamed(handleOf(workflowId), "WorkflowExecutionSignaled");
    expect(signaled?.externalWorkflowExecution?.workflowId).toBe(handle.workflowId);
  });

  test("a stranger is signalled", async () => {
    const other = await compat.start(patientChild, { args: [0] });
    const handle = await compat.start(signalsOther, { args: [other.workflowId] });
    await handle.result();
    expect(await other.result()).toBe(`poked by ${handle.workflowId}`);
    expect(await eventsOf(handle, 5)).toBe(
      `5 SignalExternalWorkflowExecutionInitiated, 6 ExternalWorkflowExecutionSignaled, ${nextTask(7)}, 10 WorkflowExecutionCompleted`,
    );
  });

  test("a run signals itself", async () => {
    const handle = await compat.start(signalsItself);
    expect(await handle.result()).toBe("poked by itself");
    expect(await eventsOf(handle, 5)).toBe(
      `5 SignalExternalWorkflowExecutionInitiated, 6 WorkflowExecutionSignaled, 7 WorkflowTaskScheduled, 8 ExternalWorkflowExecutionSignaled, 9 WorkflowTaskStarted, 10 WorkflowTaskCompleted, 11 WorkflowExecutionCompleted`,
    );
  });

  test.each(["unknown", "closed"] as const)("a signal to an execution that is %s fails", async (which) => {
    const workflowId = unique(which);
    if (which === "closed") await (await compat.start(child, { workflowId, args: ["Ada"] })).result();
    const handle = await compat.start(signalsOther, { args: [workflowId] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toMatch(/Unable to signal external workflow because it was not found/);
    expect(await eventsOf(handle, 5)).toBe(
      `5 SignalExternalWorkflowExecutionInitiated, 6 SignalExternalWorkflowExecutionFailed, ${nextTask(7)}, 10 WorkflowExecutionFailed`,
    );
  });

  test("a stranger is cancelled", async () => {
    const other = await compat.start(patientChild, { args: [0] });
    await eventNamed(other, "WorkflowTaskCompleted");
    const handle = await compat.start(cancelsOther, { args: [other.workflowId] });
    await handle.result();
    expect(await closed(other)).toBe("CANCELLED");
    expect(await eventsOf(handle, 5)).toBe(
      `5 RequestCancelExternalWorkflowExecutionInitiated, 6 ExternalWorkflowExecutionCancelRequested, ${nextTask(7)}, 10 WorkflowExecutionCompleted`,
    );
    expect(await eventsOf(other, 5)).toBe(`5 WorkflowExecutionCancelRequested, ${nextTask(6)}, 9 WorkflowExecutionCanceled`);
  });

  test("a closed stranger is cancelled without effect", async () => {
    const other = await compat.start(child, { args: ["Ada"] });
    await other.result();
    const events = await eventsOf(other);
    await (await compat.start(cancelsOther, { args: [other.workflowId] })).result();
    expect(await eventsOf(other)).toBe(events);
  });

  test("an unknown stranger cannot be cancelled", async () => {
    const handle = await compat.start(cancelsOther, { args: [unique("unknown")] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toMatch(/Unable to cancel external workflow because not found/);
    expect(await eventsOf(handle, 5)).toBe(
      `5 RequestCancelExternalWorkflowExecutionInitiated, 6 RequestCancelExternalWorkflowExecutionFailed, ${nextTask(7)}, 10 WorkflowExecutionFailed`,
    );
  });

  test("a run cancels itself", async () => {
    const handle = await compat.start(cancelsItself);
    expect(causesOf(await rejectionOf(handle.result()))[0]).toMatch(/^WorkflowFailedError: Workflow execution cancelled/);
    expect(await eventsOf(handle, 5)).toBe(
      `5 RequestCancelExternalWorkflowExecutionInitiated, 6 WorkflowExecutionCancelRequested, 7 WorkflowTaskScheduled, 8 ExternalWorkflowExecutionCancelRequested, 9 WorkflowTaskStarted, 10 WorkflowTaskCompleted, 11 WorkflowExecutionCanceled`,
    );
  });
});
