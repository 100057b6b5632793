import { activityInfo, CompleteAsyncError, Context, heartbeat } from "@temporalio/activity";
import { ActivityNotFoundError, WorkflowFailedError } from "@temporalio/client";
import { ActivityFailure, ApplicationFailure, type Duration } from "@temporalio/common";
import { describe, expect, test } from "vitest";
import { causesOf, eventNamed, eventsOf, rejectionOf, setup, unique, until } from "./kit.ts";
import { type Activities, callActivity, cancel, cancelActivity, finish, greetAll } from "./workflows/activities.ts";

const attemptTimes = new Map<string, number[]>();
const tokens = new Map<string, Uint8Array>();

const activities: Activities = {
  greet: async (name) => `Hello, ${name}!`,
  hang: async (beats) => {
    if (beats) heartbeat("alive");
    await Context.current().cancelled;
  },
  fail: async ({ message, type, nonRetryable, nextRetryDelay, succeedsOn }) => {
    const { attempt, workflowExecution } = activityInfo();
    const id = workflowExecution?.workflowId ?? "";
    attemptTimes.set(id, [...(attemptTimes.get(id) ?? []), Date.now()]);
    if (succeedsOn !== undefined && attempt >= succeedsOn) return attempt;
    throw ApplicationFailure.create({
      message,
      ...(type === undefined ? {} : { type }),
      ...(nonRetryable === undefined ? {} : { nonRetryable }),
      ...(nextRetryDelay === undefined ? {} : { nextRetryDelay: nextRetryDelay as Duration }),
    });
  },
  inSteps: async (steps) => {
    const from = Number(activityInfo().heartbeatDetails ?? 0);
    if (from === steps) return from;
    heartbeat(from + 1);
    throw new Error(`stopped after step ${from + 1}`);
  },
  hearCancellation: async (answer) => {
    const context = Context.current();
    const beating = setInterval(() => context.heartbeat(), 10);
    try {
      await context.cancelled;
      return "unreachable";
    } catch (error) {
      if (answer === "confirm") throw error;
      if (answer === "fail") throw ApplicationFailure.create({ message: "the clean-up failed" });
      return "finished all the same";
    } finally {
      clearInterval(beating);
    }
  },
  completedElsewhere: async () => {
    const { taskToken, workflowExecution } = activityInfo();
    tokens.set(workflowExecution?.workflowId ?? "", taskToken);
    throw new CompleteAsyncError();
  },
};

const compat = setup({
  workflows: "activities",
  activities,
  worker: { maxHeartbeatThrottleInterval: 10, defaultHeartbeatThrottleInterval: 10 },
});

const scheduledOnce = "5 ActivityTaskScheduled, 6 ActivityTaskStarted";
const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;

test("an activity gives its result", async () => {
  const handle = await compat.start(callActivity, { args: ["greet", ["Ada"], { startToCloseTimeout: "10s" }] });
  expect(await handle.result()).toBe("Hello, Ada!");
  expect(await eventsOf(handle)).toBe(
    "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted, " +
      `${scheduledOnce}, 7 ActivityTaskCompleted, ${nextTask(8)}, 11 WorkflowExecutionCompleted`,
  );
});

test("fifty activities at once", async () => {
  const names = Array.from({ length: 50 }, (_, index) => `guest ${index}`);
  const handle = await compat.start(greetAll, { args: [names] });
  expect(await handle.result()).toEqual(names.map((name) => `Hello, ${name}!`));
});

describe("time-outs", () => {
  const once = { maximumAttempts: 1 };
  test.each([
    ["SCHEDULE_TO_START", { startToCloseTimeout: "10s", scheduleToStartTimeout: 30, taskQueue: "nobody-polls" }, "TIMEOUT", ""],
    ["SCHEDULE_TO_CLOSE", { scheduleToCloseTimeout: 30 }, "TIMEOUT", "ActivityTaskStarted"],
    ["START_TO_CLOSE", { startToCloseTimeout: 30, retry: once }, "MAXIMUM_ATTEMPTS_REACHED", "ActivityTaskStarted"],
    ["HEARTBEAT", { startToCloseTimeout: "10s", heartbeatTimeout: 30, retry: once }, "MAXIMUM_ATTEMPTS_REACHED", "ActivityTaskStarted"],
  ] as const)("%s", async (timeoutType, options, retryState, started) => {
    const handle = await compat.start(callActivity, { args: ["hang", [timeoutType === "HEARTBEAT"], options] });
    const failure = await rejectionOf(handle.result());
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    expect(failure).toMatchObject({ cause: { name: "ActivityFailure", activityType: "hang", activityId: "1", retryState } });
    expect(failure).toMatchObject({ cause: { cause: { name: "TimeoutFailure", timeoutType } } });
    expect(await eventsOf(handle, 5)).toBe(
      started === ""
        ? `5 ActivityTaskScheduled, 6 ActivityTaskTimedOut, ${nextTask(7)}, 10 WorkflowExecutionFailed`
        : `${scheduledOnce}, 7 ActivityTaskTimedOut, ${nextTask(8)}, 11 WorkflowExecutionFailed`,
    );
  });

  test("the last heartbeat's details are in the heartbeat time-out", async () => {
    const options = { startToCloseTimeout: "10s", heartbeatTimeout: 30, retry: once } as const;
    const handle = await compat.start(callActivity, { args: ["hang", [true], options] });
    expect(await rejectionOf(handle.result())).toMatchObject({ cause: { cause: { lastHeartbeatDetails: "alive" } } });
  });

  test("when no retry fits before schedule-to-close, the activity says so and why", async () => {
    const options = { scheduleToCloseTimeout: "200ms", startToCloseTimeout: "20ms", retry: { initialInterval: "1m" } } as const;
    const handle = await compat.start(callActivity, { args: ["hang", [false], options] });
    expect(causesOf(await rejectionOf(handle.result())).slice(2)).toEqual([
      "TimeoutFailure: Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying",
    ]);
    // The SDK drops the cause of a time-out, so history is where to look for it.
    const timedOut = (await eventNamed(handle, "ActivityTaskTimedOut")).activityTaskTimedOutEventAttributes;
    expect(timedOut?.failure?.cause?.message).toBe("activity StartToClose timeout");
    expect(await eventsOf(handle, 5)).toBe(`${scheduledOnce}, 7 ActivityTaskTimedOut, ${nextTask(8)}, 11 WorkflowExecutionFailed`);
  });
});

describe("retries", () => {
  const options = { startToCloseTimeout: "10s", retry: { initialInterval: 20, backoffCoefficient: 2 } } as const;
  const failing = (failure: Parameters<Activities["fail"]>[0], retry: object = {}) =>
    compat.start(callActivity, { args: ["fail", [failure], { ...options, retry: { ...options.retry, ...retry } }] });
  const gapsOf = (workflowId: string) => {
    const times = attemptTimes.get(workflowId) ?? [];
    return times.slice(1).map((time, index) => time - (times[index] ?? 0));
  };

  test("failed attempts leave no event; the last one tells of them", async () => {
    const handle = await failing({ message: "not yet", succeedsOn: 4 });
    expect(await handle.result()).toBe(4);
    expect(await eventsOf(handle, 5)).toBe(`${scheduledOnce}, 7 ActivityTaskCompleted, ${nextTask(8)}, 11 WorkflowExecutionCompleted`);
    const started = (await eventNamed(handle, "ActivityTaskStarted")).activityTaskStartedEventAttributes;
    expect([started?.attempt, started?.lastFailure?.message]).toEqual([4, "not yet"]);
  });

  test("the interval grows by the coefficient up to the maximum", async () => {
    const handle = await failing({ message: "not yet", succeedsOn: 5 }, { maximumInterval: 50 });
    await handle.result();
    const gaps = gapsOf(handle.workflowId);
    for (const [index, atLeast] of [20, 40, 50, 50].entries()) {
      // Node's timers may be early by one millisecond.
      expect(gaps[index]).toBeGreaterThanOrEqual(atLeast - 1);
      expect(gaps[index]).toBeLessThan(atLeast + 200);
    }
  });

  test("a failure may say itself when to try again", async () => {
    const handle = await failing({ message: "not yet", nextRetryDelay: "1ms", succeedsOn: 3 }, { initialInterval: "1m" });
    expect(await handle.result()).toBe(3);
  });

  test.each([
    ["the maximum of attempts", { message: "no" }, { maximumAttempts: 3 }, "MAXIMUM_ATTEMPTS_REACHED", 3],
    ["a failure that is not retryable", { message: "no", nonRetryable: true }, {}, "NON_RETRYABLE_FAILURE", 1],
    [
      "a type that the policy does not retry",
      { message: "no", type: "Fatal" },
      { nonRetryableErrorTypes: ["Fatal"] },
      "NON_RETRYABLE_FAILURE",
      1,
    ],
  ] as const)("%s ends them", async (_name, failure, retry, retryState, attempts) => {
    const handle = await failing(failure, retry);
    const error = await rejectionOf(handle.result());
    expect(causesOf(error)).toEqual([
      "WorkflowFailedError: Workflow execution failed",
      "ActivityFailure: Activity task failed",
      "ApplicationFailure: no",
    ]);
    expect(error).toMatchObject({ cause: { retryState, activityType: "fail" } });
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(ActivityFailure);
    expect(attemptTimes.get(handle.workflowId)).toHaveLength(attempts);
    expect(await eventsOf(handle, 5)).toBe(`${scheduledOnce}, 7 ActivityTaskFailed, ${nextTask(8)}, 11 WorkflowExecutionFailed`);
  });

  test("describe shows a retrying activity with its attempt, its last failure and its next time", async () => {
    const handle = await failing({ message: "still broken" }, { initialInterval: "1h", maximumAttempts: 7 });
    const pending = await until(async () => {
      const { raw } = await handle.describe();
      return raw.pendingActivities?.find((activity) => activity.attempt === 2);
    });
    expect(pending).toMatchObject({
      activityId: "1",
      activityType: { name: "fail" },
      attempt: 2,
      maximumAttempts: 7,
      lastFailure: { message: "still broken", applicationFailureInfo: { nonRetryable: false } },
    });
    const inMs = Number(pending.scheduledTime?.seconds) * 1000 - Date.now();
    expect(inMs).toBeGreaterThan(59 * 60_000);
    await handle.terminate();
  });

  test("heartbeat details of an attempt are there for the next", async () => {
    const handle = await compat.start(callActivity, { args: ["inSteps", [3], { ...options, heartbeatTimeout: "10s" }] });
    expect(await handle.result()).toBe(3);
    const started = (await eventNamed(handle, "ActivityTaskStarted")).activityTaskStartedEventAttributes;
    expect([started?.attempt, started?.lastFailure?.message]).toEqual([4, "stopped after step 3"]);
  });
});

describe("cancellation", () => {
  const options = { startToCloseTimeout: "10s", heartbeatTimeout: "5s", retry: { initialInterval: "1h" } } as const;
  const signalled = "6 WorkflowExecutionSignaled, 7 WorkflowTaskScheduled, 8 WorkflowTaskStarted, 9 WorkflowTaskCompleted";

  test.each([
    // type                          answer     call ends as                       events from the cancellation on
    ["TRY_CANCEL", "confirm", "cancelled", "10 ActivityTaskCancelRequested, 11 ActivityTaskStarted, 12 ActivityTaskCanceled"],
    [
      "WAIT_CANCELLATION_COMPLETED",
      "confirm",
      "cancelled",
      "10 ActivityTaskCancelRequested, 11 ActivityTaskStarted, 12 ActivityTaskCanceled",
    ],
    [
      "WAIT_CANCELLATION_COMPLETED",
      "ignore",
      "completed: finished all the same",
      "10 ActivityTaskCancelRequested, 11 ActivityTaskStarted, 12 ActivityTaskCompleted",
    ],
    [
      "WAIT_CANCELLATION_COMPLETED",
      "fail",
      "failed: ApplicationFailure: the clean-up failed",
      "10 ActivityTaskCancelRequested, 11 ActivityTaskStarted, 12 ActivityTaskFailed",
    ],
  ] as const)("%s, and the activity answers with %s", async (cancellationType, answer, outcome, events) => {
    const handle = await compat.start(cancelActivity, { args: ["hearCancellation", [answer], { ...options, cancellationType }] });
    await until(async () => (await handle.describe()).raw.pendingActivities?.[0]?.lastHeartbeatTime);
    await handle.signal(cancel);
    await eventNamed(handle, events.split(" ").at(-1) ?? "");
    await handle.signal(finish);
    expect(await handle.result()).toBe(outcome);
    expect(await eventsOf(handle, 6)).toContain(`${signalled}, ${events}`);
  });

  test("ABANDON leaves the activity alone", async () => {
    const handle = await compat.start(cancelActivity, { args: ["hang", [false], { ...options, cancellationType: "ABANDON" }] });
    await handle.signal(cancel);
    await handle.signal(finish);
    expect(await handle.result()).toBe("cancelled");
    expect(await eventsOf(handle)).not.toContain("ActivityTaskCancelRequested");
  });

  test("an activity that no worker has taken is canceled at once", async () => {
    const handle = await compat.start(cancelActivity, {
      args: ["greet", ["nobody"], { ...options, taskQueue: unique("nobody-polls"), cancellationType: "WAIT_CANCELLATION_COMPLETED" }],
    });
    await eventNamed(handle, "ActivityTaskScheduled");
    await handle.signal(cancel);
    await eventNamed(handle, "ActivityTaskCanceled");
    await handle.signal(finish);
    expect(await handle.result()).toBe("cancelled");
    expect(await eventsOf(handle, 6)).toContain(
      `${signalled}, 10 ActivityTaskCancelRequested, 11 ActivityTaskCanceled, 12 WorkflowTaskScheduled`,
    );
  });

  test("an activity that waits for its next attempt is canceled at once", async () => {
    const handle = await compat.start(cancelActivity, {
      args: ["fail", [{ message: "broken" }], { ...options, cancellationType: "WAIT_CANCELLATION_COMPLETED" }],
    });
    await until(async () => (await handle.describe()).raw.pendingActivities?.[0]?.attempt === 2);
    await handle.signal(cancel);
    await eventNamed(handle, "ActivityTaskCanceled");
    await handle.signal(finish);
    expect(await handle.result()).toBe("cancelled");
  });
});

describe("completion from elsewhere", () => {
  const options = { startToCloseTimeout: "10s", heartbeatTimeout: "5s", retry: { maximumAttempts: 1 } } as const;
  const startAndWait = async () => {
    const handle = await compat.start(callActivity, { args: ["completedElsewhere", [], options] });
    const token = await until(() => tokens.get(handle.workflowId));
    return { handle, token, byId: { workflowId: handle.workflowId, activityId: "1" } };
  };

  test("by its token", async () => {
    const { handle, token } = await startAndWait();
    await compat.client.activity.complete(token, "from a webhook");
    expect(await handle.result()).toBe("from a webhook");
    await expect(compat.client.activity.complete(token, "again")).rejects.toBeInstanceOf(ActivityNotFoundError);
  });

  test("by its id", async () => {
    const { handle, byId } = await startAndWait();
    await compat.client.activity.heartbeat(byId, "half");
    await compat.client.activity.complete(byId, "from a script");
    expect(await handle.result()).toBe("from a script");
    expect(await eventsOf(handle, 5)).toBe(`${scheduledOnce}, 7 ActivityTaskCompleted, ${nextTask(8)}, 11 WorkflowExecutionCompleted`);
    await expect(compat.client.activity.complete(byId, "again")).rejects.toBeInstanceOf(ActivityNotFoundError);
  });

  test("it fails by its id", async () => {
    const { handle, byId } = await startAndWait();
    await compat.client.activity.fail(byId, ApplicationFailure.create({ message: "the partner said no", type: "Refused" }));
    expect(await rejectionOf(handle.result())).toMatchObject({
      cause: { retryState: "MAXIMUM_ATTEMPTS_REACHED", cause: { message: "the partner said no", type: "Refused" } },
    });
    expect(await eventsOf(handle, 5)).toBe(`${scheduledOnce}, 7 ActivityTaskFailed, ${nextTask(8)}, 11 WorkflowExecutionFailed`);
  });

  test("it hears of a cancellation by its heartbeat and confirms it", async () => {
    const cancellationType = "WAIT_CANCELLATION_COMPLETED";
    const handle = await compat.start(cancelActivity, { args: ["completedElsewhere", [], { ...options, cancellationType }] });
    const token = await until(() => tokens.get(handle.workflowId));
    await compat.client.activity.heartbeat(token, "alive");
    await handle.signal(cancel);
    await eventNamed(handle, "ActivityTaskCancelRequested");
    await expect(compat.client.activity.heartbeat(token, "alive")).rejects.toThrow("cancelled");
    await compat.client.activity.reportCancellation(token, "stopped");
    await handle.signal(finish);
    expect(await handle.result()).toBe("cancelled");
  });

  test("an id that no activity has is not found", async () => {
    const { handle, token } = await startAndWait();
    const stranger = { workflowId: handle.workflowId, activityId: "99" };
    await expect(compat.client.activity.complete(stranger, "x")).rejects.toBeInstanceOf(ActivityNotFoundError);
    await compat.client.activity.complete(token, "done");
    await handle.result();
  });
});

test("a worker that asks for it gets an activity with the answer to its workflow task", async () => {
  const taskQueue = unique("eager");
  const { workflowService } = compat.client;
  await compat.client.workflow.start("byHand", { taskQueue, workflowId: unique("eager") });
  const task = await workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue }, identity: "by hand" });
  const answered = await workflowService.respondWorkflowTaskCompleted({
    namespace: "default",
    taskToken: task.taskToken,
    commands: [
      {
        commandType: 1,
        scheduleActivityTaskCommandAttributes: {
          activityId: "1",
          activityType: { name: "greet" },
          taskQueue: { name: taskQueue },
          startToCloseTimeout: { seconds: 10 as never },
          requestEagerExecution: true,
        },
      },
    ],
  });
  expect(answered.activityTasks).toMatchObject([{ activityId: "1", activityType: { name: "greet" }, attempt: 1 }]);
});
