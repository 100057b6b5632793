import { describe, expect, test } from "vitest";
import { minuteMs, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { SuggestContinueAsNewReason, TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { StickyExecutionAttributes, TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { accepts, cancelTimer, completeRun, drawHistory, place, rejects, startTestRun, startTimer } from "./execution.test-kit.ts";
import { eventsOutsideHistory } from "./workflow-task-events.ts";

/** The worker keeps the run in its cache and wants its next task on a queue of its own. */
const sticky = (name = "sticky-1") => ({
  stickyAttributes: make(StickyExecutionAttributes, {
    workerTaskQueue: make(TaskQueue, { name }),
    scheduleToStartTimeout: toProtoTime(10 * secondMs),
  }),
});
const begun = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";

describe("a normal workflow task is in history step by step", () => {
  test("scheduled with the start, started by a poll, completed by the worker", () => {
    const run = startTestRun();
    expect(run.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled");
    expect(run.last.dueTasks).toEqual([{ type: "workflow" }]);
    run.poll();
    expect(run.draw(3)).toBe("3 WorkflowTaskStarted");
    run.complete([startTimer("1", 5 * secondMs)]);
    expect(run.draw()).toBe(`${begun}, 5 TimerStarted`);
    run.advance(5 * secondMs);
    expect(run.draw(5)).toBe("5 TimerStarted, 6 TimerFired, 7 WorkflowTaskScheduled");
  });

  test("there is never a second one: facts that arrive while one waits only follow it", () => {
    const run = startTestRun();
    run.signal();
    run.signal();
    expect(run.draw(2)).toBe("2 WorkflowTaskScheduled, 3 WorkflowExecutionSignaled, 4 WorkflowExecutionSignaled");
    run.step([completeRun]);
    expect(run.draw(5)).toBe("5 WorkflowTaskStarted, 6 WorkflowTaskCompleted, 7 WorkflowExecutionCompleted");
  });

  test("after a start delay it is scheduled by time; facts that arrive earlier wait for it", () => {
    const run = startTestRun({ workflowStartDelay: toProtoTime(30 * secondMs) });
    run.signal();
    expect(run.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");
    run.advance(30 * secondMs);
    expect(run.draw(3)).toBe("3 WorkflowTaskScheduled");
  });
});

describe("after a failure the task is transient: it stands in history only if it completes", () => {
  test("failed once", () => {
    const run = startTestRun();
    run.poll();
    run.fail();
    expect(run.draw(3)).toBe("3 WorkflowTaskStarted, 4 WorkflowTaskFailed");
    expect(run.state.core.workflowTask).toMatchObject({ attempt: 2, scheduledEventId: 5, startedEventId: 0 });
    run.step();
    expect(run.draw(4)).toBe("4 WorkflowTaskFailed, 5 WorkflowTaskScheduled, 6 WorkflowTaskStarted, 7 WorkflowTaskCompleted");
    expect(run.written("workflowTaskScheduledEventAttributes").attempt).toBe(2);
    run.signal();
    expect(run.state.core.workflowTask?.attempt).toBe(1);
  });

  test("a worker sees the events it would have", () => {
    const run = startTestRun();
    run.poll();
    run.fail();
    run.poll();
    expect(run.draw(5)).toBe("");
    expect(drawHistory(eventsOutsideHistory(run.state))).toBe("5 WorkflowTaskScheduled, 6 WorkflowTaskStarted");
  });

  test("failures after the first leave no trace", () => {
    const run = startTestRun();
    for (let attempt = 1; attempt <= 4; attempt++) {
      run.poll();
      run.fail();
    }
    expect(run.draw(4)).toBe("4 WorkflowTaskFailed");
    expect(run.state.core.workflowTask?.attempt).toBe(5);
  });

  test("a time-out is a failure", () => {
    const run = startTestRun();
    run.poll();
    run.advance(10 * secondMs);
    expect(run.draw(4)).toBe("4 WorkflowTaskTimedOut");
    expect(run.written("workflowTaskTimedOutEventAttributes").timeoutType).toBe(TimeoutType.START_TO_CLOSE);
    run.poll();
    run.advance(10 * secondMs);
    expect(run.draw(5)).toBe("");
    expect(run.state.core.workflowTask?.attempt).toBe(3);
  });

  test("from the fourth attempt on the time-out grows, which slows retries down", () => {
    const run = startTestRun();
    const timeouts: number[] = [];
    for (let attempt = 1; attempt <= 13; attempt++) {
      timeouts.push((run.state.core.workflowTask?.timeout ?? 0) / secondMs);
      run.poll();
      run.fail();
    }
    expect(timeouts).toEqual([10, 10, 10, 15, 20, 30, 50, 90, 170, 330, 610, 610, 610]);
  });

  test("a fact that arrives while it waits makes it a normal one", () => {
    const run = startTestRun();
    run.poll();
    run.fail();
    run.signal();
    run.poll();
    expect(run.draw(4)).toBe("4 WorkflowTaskFailed, 5 WorkflowExecutionSignaled, 6 WorkflowTaskScheduled, 7 WorkflowTaskStarted");
    expect(run.state.core.workflowTask?.attempt).toBe(1);
  });

  test("a fact that arrives while a worker holds it waits; when it fails again, the next one is normal", () => {
    const run = startTestRun();
    run.poll();
    run.fail();
    run.poll();
    run.signal();
    expect(run.draw(5)).toBe("");
    run.fail();
    expect(run.draw(5)).toBe("5 WorkflowExecutionSignaled, 6 WorkflowTaskScheduled");
  });

  test("or when it completes, the fact follows", () => {
    const run = startTestRun();
    run.poll();
    run.fail();
    run.poll();
    run.signal();
    run.complete();
    expect(run.draw(5)).toBe(
      "5 WorkflowTaskScheduled, 6 WorkflowTaskStarted, 7 WorkflowTaskCompleted, 8 WorkflowExecutionSignaled, 9 WorkflowTaskScheduled",
    );
  });
});

describe("the sticky queue of the worker that has the run in its cache", () => {
  test("gets the next task", () => {
    const run = startTestRun();
    run.step([], sticky());
    run.signal();
    expect(run.state.core.workflowTask?.taskQueue).toMatchObject({ name: "sticky-1", normalName: "orders" });
  });

  test("not when its worker has gone", () => {
    const run = startTestRun();
    run.step([], sticky("dead-worker"));
    run.signal();
    expect(run.state.core.workflowTask?.taskQueue?.name).toBe("orders");
    expect(run.state.core.sticky).toBeUndefined();
  });

  test("loses a task that nobody took in time: the same attempt goes to any worker", () => {
    const run = startTestRun();
    run.step([], sticky());
    run.signal();
    run.advance(10 * secondMs);
    expect(run.draw(5)).toBe("5 WorkflowExecutionSignaled, 6 WorkflowTaskScheduled, 7 WorkflowTaskTimedOut, 8 WorkflowTaskScheduled");
    expect(run.written("workflowTaskTimedOutEventAttributes").timeoutType).toBe(TimeoutType.SCHEDULE_TO_START);
    expect(run.state.core.workflowTask).toMatchObject({ attempt: 1, taskQueue: { name: "orders" } });
  });

  test("loses a task that failed there, which does not count: another worker may do better", () => {
    const run = startTestRun();
    run.step([], sticky());
    run.signal();
    run.poll();
    run.fail();
    expect(run.draw(7)).toBe("7 WorkflowTaskStarted, 8 WorkflowTaskFailed, 9 WorkflowTaskScheduled");
    expect(run.state.core.workflowTask).toMatchObject({ attempt: 1, taskQueue: { name: "orders" } });
  });

  test("a completion without it gives it up", () => {
    const run = startTestRun();
    run.step([], { ...sticky(), forceCreateNewWorkflowTask: true });
    run.step();
    expect(run.state.core.sticky).toBeUndefined();
  });
});

describe("a worker that needs more time (local activities) completes and takes the next task at once", () => {
  test("each heartbeat is in history", () => {
    const run = startTestRun();
    run.step([], { forceCreateNewWorkflowTask: true });
    expect(run.draw(4)).toBe("4 WorkflowTaskCompleted, 5 WorkflowTaskScheduled");
  });

  test("for half an hour; then the task times out and the worker learns that it lost it", () => {
    const run = startTestRun({ workflowTaskTimeout: toProtoTime(2 * minuteMs) });
    run.poll();
    for (let minute = 1; minute <= 30; minute++) {
      run.advance(minuteMs);
      expect(run.complete([], { forceCreateNewWorkflowTask: true })).toBeNull();
      run.poll();
    }
    run.advance(minuteMs);
    expect(run.complete([], { forceCreateNewWorkflowTask: true })).toMatchObject({ kind: "not-found" });
    expect(run.draw(run.history.length)).toMatch(/WorkflowTaskTimedOut$/);
    expect(run.state.core.workflowTask).toMatchObject({ startedEventId: 0, attempt: 2 });
  });

  test("new facts begin a new half hour", () => {
    const run = startTestRun();
    run.poll();
    run.signal();
    run.advance(5 * secondMs);
    run.complete([], { forceCreateNewWorkflowTask: true });
    expect(run.state.core.workflowTask?.originalScheduledTime).toBe(run.now);
  });
});

describe("a speculative task is made for an update that may never be", () => {
  const idle = () => {
    const run = startTestRun();
    run.step();
    run.admitUpdate("u1");
    return run;
  };

  test("it waits and is held without a trace", () => {
    const run = idle();
    expect(run.state.core.workflowTask).toMatchObject({ speculative: true, scheduledEventId: 5 });
    run.poll();
    expect(run.draw()).toBe(begun);
    expect(drawHistory(eventsOutsideHistory(run.state))).toBe("5 WorkflowTaskScheduled, 6 WorkflowTaskStarted");
  });

  test("rejected: nothing is ever written", () => {
    const run = idle();
    run.step([], { messages: [rejects("u1")] });
    expect(run.draw()).toBe(begun);
    expect(run.state.core.workflowTask).toBeUndefined();
    expect(run.last.rejections.get("u1")?.message).toBe("not now");
  });

  test("accepted: the task is written with it", () => {
    const run = idle();
    run.step([place(accepts("u1"))], { messages: [accepts("u1")] });
    expect(run.draw(5)).toBe("5 WorkflowTaskScheduled, 6 WorkflowTaskStarted, 7 WorkflowTaskCompleted, 8 WorkflowExecutionUpdateAccepted");
  });

  test("rejected together with commands: the task is written for these", () => {
    const run = idle();
    run.step([startTimer("1", secondMs)], { messages: [rejects("u1")] });
    expect(run.draw(5)).toBe("5 WorkflowTaskScheduled, 6 WorkflowTaskStarted, 7 WorkflowTaskCompleted, 8 TimerStarted");
  });

  test("failed: it is written, and the update goes with the next one", () => {
    const run = idle();
    run.poll();
    run.fail();
    expect(run.draw(5)).toBe("5 WorkflowTaskScheduled, 6 WorkflowTaskStarted, 7 WorkflowTaskFailed");
    expect(run.state.admitted.get("u1")?.sentWith).toBe(0);
    run.poll();
    expect(run.state.admitted.get("u1")?.sentWith).toBe(9);
  });

  test("a fact that arrives while it waits makes it a normal one, which a crash does not lose", () => {
    const run = idle();
    run.signal();
    expect(run.draw(5)).toBe("5 WorkflowTaskScheduled, 6 WorkflowExecutionSignaled");
    expect(run.state.core.workflowTask).toMatchObject({ speculative: false });
    expect(run.last.dueTasks).toEqual([{ type: "workflow" }]);
  });

  test("a fact that arrives while a worker holds it waits for its end", () => {
    const run = idle();
    run.poll();
    run.signal();
    expect(run.draw(5)).toBe("5 WorkflowTaskScheduled, 6 WorkflowTaskStarted");
    expect(run.last.dueTasks).toEqual([]);
    run.complete([], { messages: [rejects("u1")] });
    expect(run.draw(7)).toBe("7 WorkflowTaskCompleted, 8 WorkflowExecutionSignaled, 9 WorkflowTaskScheduled");
  });

  test("when no worker takes it for 5 s it becomes a normal one and waits in the backlog", () => {
    const run = idle();
    run.advance(5 * secondMs);
    expect(run.draw(5)).toBe("5 WorkflowTaskScheduled");
    expect(run.last.dueTasks).toEqual([{ type: "workflow" }]);
  });
});

test.each([
  ["too many events", { suggestContinueAsNewCount: 3 }, [SuggestContinueAsNewReason.TOO_MANY_HISTORY_EVENTS]],
  ["too many bytes", { suggestContinueAsNewSize: 10 }, [SuggestContinueAsNewReason.HISTORY_SIZE_TOO_LARGE]],
  ["too many updates", { updatesPerRun: 0 }, [SuggestContinueAsNewReason.TOO_MANY_UPDATES]],
  ["none", {}, []],
] as const)("a started task says why the workflow should continue as new: %s", (_, limits, reasons) => {
  const run = startTestRun({}, { limits });
  run.signal();
  run.poll();
  expect(run.written("workflowTaskStartedEventAttributes")).toMatchObject({
    suggestContinueAsNew: reasons.length > 0,
    suggestContinueAsNewReasons: reasons,
  });
});

test("a batch of history begins after each WorkflowTaskStarted, where a sticky worker's next history begins", () => {
  const run = startTestRun();
  run.poll();
  run.fail();
  run.step([startTimer("1", secondMs), cancelTimer("1")]);
  expect(run.last.batches.map(drawHistory)).toEqual([
    "5 WorkflowTaskScheduled, 6 WorkflowTaskStarted",
    "7 WorkflowTaskCompleted, 8 TimerStarted, 9 TimerCanceled",
  ]);
});
