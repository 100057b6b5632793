import { describe, expect, test } from "vitest";
import { secondMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { StartChildWorkflowExecutionFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { ParentClosePolicy } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { childClosed, childStarted, childStartFailed, childToStart } from "./child.ts";
import { terminateRun } from "./close.ts";
import { applicationFailure, command, completeRun, startChild, startTestRun, type TestRun } from "./execution.test-kit.ts";

/** A run that asked for a child, which is event 5. */
function parent(): TestRun {
  const run = startTestRun();
  run.step([startChild("child-1")]);
  return run;
}
const pending = (run: TestRun) => run.state.children.get(5) ?? expect.fail("no pending child");
const start = (run: TestRun) => run.do((draft) => childStarted(draft, pending(run), { runId: "child-run", header: undefined }));
const report = (run: TestRun, closed: HistoryEvent, workflowId = "child-1") =>
  run.do((draft) => childClosed(draft, { initiatedEventId: 5, workflowId, closed }));
const wanted = (run: TestRun) => {
  let child: unknown = null;
  run.do((draft) => {
    child = childToStart(draft, 5);
  });
  return child !== null;
};

/** The last event of a run that a worker ended so. */
function closedBy(...commands: Parameters<TestRun["step"]>[0] & object): HistoryEvent {
  const run = startTestRun();
  run.step(commands);
  return run.history.at(-1) ?? expect.fail();
}
const completed = closedBy(completeRun);

test("a command asks for the child; the server starts it after the commit", () => {
  const run = parent();
  expect(run.draw(5)).toBe("5 StartChildWorkflowExecutionInitiated");
  expect(run.last.effects).toMatchObject([{ kind: "start-child", initiated: { eventId: 5 } }]);
  expect(run.written("startChildWorkflowExecutionInitiatedEventAttributes")).toMatchObject({
    namespace: "default",
    namespaceId: "namespace",
    taskQueue: { name: "orders" },
    parentClosePolicy: ParentClosePolicy.TERMINATE,
  });
});

test("it started, it closed: the parent hears of both", () => {
  const run = parent();
  start(run);
  expect(run.draw(6)).toBe("6 ChildWorkflowExecutionStarted, 7 WorkflowTaskScheduled");
  report(run, completed);
  expect(run.draw(8)).toBe("8 ChildWorkflowExecutionCompleted");
  expect(run.written("childWorkflowExecutionCompletedEventAttributes")).toMatchObject({
    initiatedEventId: 5,
    startedEventId: 6,
    workflowExecution: { workflowId: "child-1", runId: "child-run" },
    workflowType: { name: "Child" },
  });
  expect(run.state.children.size).toBe(0);
});

test.each([
  ["completed", completed, "ChildWorkflowExecutionCompleted"],
  ["failed", closedBy(command("failWorkflowExecution", { failure: applicationFailure() })), "ChildWorkflowExecutionFailed"],
  ["canceled", closedBy(command("cancelWorkflowExecution")), "ChildWorkflowExecutionCanceled"],
  ["timed out", timedOut(), "ChildWorkflowExecutionTimedOut"],
  ["terminated", terminated(), "ChildWorkflowExecutionTerminated"],
])("a child that %s", (_, closed, event) => {
  const run = parent();
  start(run);
  report(run, closed);
  expect(run.draw(8)).toBe(`8 ${event}`);
});
function timedOut(): HistoryEvent {
  const run = startTestRun({ workflowRunTimeout: { seconds: 1, nanos: 0 } });
  run.advance(secondMs);
  return run.history.at(-1) ?? expect.fail();
}
function terminated(): HistoryEvent {
  const run = startTestRun();
  run.do((draft) => terminateRun(draft, { reason: "", identity: "" }));
  return run.history.at(-1) ?? expect.fail();
}

test("it could not be started", () => {
  const run = parent();
  run.do((draft) =>
    childStartFailed(draft, pending(run), {
      cause: StartChildWorkflowExecutionFailedCause.WORKFLOW_ALREADY_EXISTS,
      workflowTaskCompletedEventId: 4,
      control: "",
    }),
  );
  expect(run.draw(6)).toBe("6 StartChildWorkflowExecutionFailed, 7 WorkflowTaskScheduled");
  expect(run.state.children.size).toBe(0);
});

describe("a report that is late, repeated or about another changes nothing", () => {
  test.each([
    [
      "repeated",
      (run: TestRun) => {
        report(run, completed);
        report(run, completed);
      },
      1,
    ],
    [
      "repeated while the first waits in the buffer",
      (run) => {
        run.poll();
        report(run, completed);
        report(run, completed);
        run.complete();
      },
      1,
    ],
    ["about another workflow id", (run) => report(run, completed, "child-2"), 0],
    ["about a run that has not closed", (run) => report(run, make(HistoryEvent)), 0],
    [
      "to a closed parent",
      (run) => {
        run.step([completeRun]);
        report(run, completed);
      },
      0,
    ],
  ] satisfies [string, (run: TestRun) => void, number][])("%s", (_, act, count) => {
    const run = parent();
    start(run);
    act(run);
    expect(run.draw().match(/ChildWorkflowExecutionCompleted/g) ?? []).toHaveLength(count);
  });
});

describe("whether a child is still to be started", () => {
  test.each([
    ["asked for", () => {}, true],
    ["started", start, false],
    [
      "started, which waits in the buffer",
      (run: TestRun) => {
        run.signal();
        run.poll();
        start(run);
      },
      false,
    ],
    [
      "its parent closed",
      (run: TestRun) => {
        run.signal();
        run.step([completeRun]);
      },
      false,
    ],
  ] as const)("%s", (_, act, expected) => {
    const run = parent();
    act(run);
    expect(wanted(run)).toBe(expected);
  });
});
