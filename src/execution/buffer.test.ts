import { describe, expect, test } from "vitest";
import { secondMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { HistoryEvent, WorkflowExecutionCompletedEventAttributes } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { completeActivity } from "./activity.ts";
import { childClosed, childStarted } from "./child.ts";
import { terminateRun } from "./close.ts";
import { cancelTimer, completeRun, scheduleActivity, startChild, startTestRun, startTimer, type TestRun } from "./execution.test-kit.ts";
import { requestCancel } from "./signal.ts";

/** Events 5 to 7 are pending, an activity runs, and a worker holds the workflow task 9 to 10. */
function busyRun(): TestRun {
  const run = startTestRun();
  run.step([scheduleActivity("a1"), startTimer("t1", secondMs), startChild("child-1")]);
  run.pollActivity("a1");
  run.signal();
  run.poll();
  return run;
}

const completeActivityOf = (run: TestRun) =>
  run.do((draft) => completeActivity(draft, run.activity("a1"), { result: undefined, identity: "worker" }));
const child = (run: TestRun) => run.state.children.get(7) ?? expect.fail("no child");
const startChildOf = (run: TestRun) => run.do((draft) => childStarted(draft, child(run), { runId: "child-run", header: undefined }));
const closeChildOf = (run: TestRun) =>
  run.do((draft) =>
    childClosed(draft, {
      initiatedEventId: 7,
      workflowId: "child-1",
      closed: make(HistoryEvent, {
        attributes: { $case: "workflowExecutionCompletedEventAttributes", value: make(WorkflowExecutionCompletedEventAttributes) },
      }),
    }),
  );

test("while a worker holds the workflow task, nothing is written that it has not seen", () => {
  const run = busyRun();
  const before = run.draw();
  run.signal();
  completeActivityOf(run);
  startChildOf(run);
  run.advance(secondMs);
  expect(run.draw()).toBe(before);
  expect(run.state.buffered).toHaveLength(5);
  expect(run.last.dueTasks).toEqual([]);
});

test("while the task only waits, facts are written at once", () => {
  const run = startTestRun();
  run.signal();
  expect(run.draw(2)).toBe("2 WorkflowTaskScheduled, 3 WorkflowExecutionSignaled");
});

describe("when the task closes", () => {
  test("facts follow the commands in order of arrival, but what ends something comes last", () => {
    const run = busyRun();
    completeActivityOf(run);
    run.signal("first");
    startChildOf(run);
    closeChildOf(run);
    run.do((draft) => requestCancel(draft, { reason: "", identity: "client" }));
    run.advance(secondMs);
    run.complete([startTimer("t2", secondMs)]);
    expect(run.draw(11)).toBe(
      "11 WorkflowTaskCompleted, 12 TimerStarted, " +
        "13 ActivityTaskStarted, 14 WorkflowExecutionSignaled, 15 ChildWorkflowExecutionStarted, " +
        "16 WorkflowExecutionCancelRequested, 17 TimerFired, " +
        "18 ActivityTaskCompleted, 19 ChildWorkflowExecutionCompleted, 20 WorkflowTaskScheduled",
    );
  });

  test("what ends something learns the id of what started it", () => {
    const run = busyRun();
    completeActivityOf(run);
    startChildOf(run);
    closeChildOf(run);
    run.complete();
    expect(run.written("activityTaskCompletedEventAttributes")).toMatchObject({ scheduledEventId: 5, startedEventId: 12 });
    expect(run.written("childWorkflowExecutionCompletedEventAttributes")).toMatchObject({ initiatedEventId: 7, startedEventId: 13 });
  });

  test("an id that was known before stays", () => {
    const run = startTestRun();
    run.step([startTimer("t", secondMs), startTimer("u", secondMs), startChild("child-1")]);
    startChildOf(run);
    run.poll();
    closeChildOf(run);
    run.complete();
    expect(run.written("childWorkflowExecutionCompletedEventAttributes").startedEventId).toBe(8);
  });

  test("it may also have failed or timed out", () => {
    for (const close of [(run: TestRun) => run.fail(), (run: TestRun) => run.advance(10 * secondMs)]) {
      const run = busyRun();
      run.signal("late");
      close(run);
      expect(run.draw(12)).toMatch(/^12 WorkflowExecutionSignaled/);
      expect(run.state).toMatchObject({ buffered: [], core: { bufferedBytes: 0 } });
    }
  });
});

describe("a buffered fact has happened, though it has no id yet", () => {
  test("an answered activity cannot be answered again, nor does it time out", () => {
    const run = busyRun();
    completeActivityOf(run);
    expect(run.activity("a1").closing).toBe(true);
    run.advance(5 * secondMs);
    run.complete();
    expect(run.draw()).toContain("ActivityTaskCompleted");
    expect(run.draw()).not.toContain("ActivityTaskTimedOut");
  });

  test("a timer fires once", () => {
    const run = busyRun();
    run.advance(secondMs);
    run.advance(secondMs);
    run.complete();
    expect(run.draw().match(/TimerFired/g)).toHaveLength(1);
  });

  test("unless the worker cancels the timer: it did not see it fire, so it never did", () => {
    const run = busyRun();
    run.advance(secondMs);
    run.complete([cancelTimer("t1")]);
    expect(run.draw(11)).toBe("11 WorkflowTaskCompleted, 12 TimerCanceled");
    expect(run.state).toMatchObject({ buffered: [], timers: new Map(), core: { bufferedBytes: 0 } });
  });
});

test("they are written before a run is ended from outside", () => {
  const run = busyRun();
  run.signal();
  run.do((draft) => terminateRun(draft, { reason: "enough", identity: "client" }));
  expect(run.draw(11)).toBe("11 WorkflowTaskFailed, 12 WorkflowExecutionSignaled, 13 WorkflowExecutionTerminated");
  expect(run.state.buffered).toEqual([]);
});

test("a worker cannot close the run over them", () => {
  const run = busyRun();
  run.signal();
  expect(run.complete([completeRun])).toMatchObject({ message: "UnhandledCommand" });
});
