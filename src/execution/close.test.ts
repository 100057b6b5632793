import { describe, expect, test } from "vitest";
import { dayMs, hourMs, minuteMs, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { RetryPolicy } from "../protocol/generated/temporal/api/common/v1/message.ts";
import {
  ContinueAsNewInitiator,
  ParentClosePolicy,
  RetryState,
  WorkflowExecutionStatus,
} from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { minimalBackoff, terminateRun } from "./close.ts";
import {
  applicationFailure,
  command,
  completeRun,
  payloads,
  scheduleActivity,
  startChild,
  startTestRun,
  startTimer,
  type TestRun,
} from "./execution.test-kit.ts";

const retryPolicy = make(RetryPolicy, { maximumAttempts: 3, initialInterval: toProtoTime(10 * secondMs) });
const hourly = "0 * * * *";
const failure = applicationFailure({ type: "OutOfStock" });
const failRun = command("failWorkflowExecution", { failure });
const complete = command("completeWorkflowExecution", { result: payloads("42") });
const terminate = (run: TestRun) => run.do((draft) => terminateRun(draft, { reason: "enough", identity: "client" }));

/** How the chain goes on: what the next run begins with. */
function next(run: TestRun) {
  if (run.last.successor === null) return "ends";
  const { state } = run.successor();
  const { initiator, attempt, firstWorkflowTaskBackoff } = state.started;
  const names = Object.entries(ContinueAsNewInitiator).find(([, value]) => value === initiator);
  return `${names?.[0]}, attempt ${attempt}, after ${(firstWorkflowTaskBackoff?.seconds ?? 0) / 60} min`;
}

describe("what the chain of runs does when one closes", () => {
  const step = (last: typeof complete) => (run: TestRun) => void run.step([last]);
  const timeOut = (run: TestRun) => run.advance(30 * minuteMs);
  const minute = { retryPolicy: { ...retryPolicy, initialInterval: toProtoTime(minuteMs) } };
  const runTimeout = { workflowRunTimeout: toProtoTime(30 * minuteMs) };
  test.each([
    // the run                          closes by                    the chain
    ["plain", {}, "completion", step(complete), "ends"],
    ["plain", {}, "failure", step(failRun), "ends"],
    ["with retries", minute, "completion", step(complete), "ends"],
    ["with retries", minute, "failure", step(failRun), "RETRY, attempt 2, after 1 min"],
    ["with retries", minute, "cancellation", step(command("cancelWorkflowExecution")), "ends"],
    ["with retries", minute, "termination", terminate, "ends"],
    ["with retries", { ...minute, ...runTimeout }, "its time-out", timeOut, "RETRY, attempt 2, after 1 min"],
    ["with cron", { cronSchedule: hourly }, "completion", step(complete), "CRON_SCHEDULE, attempt 1, after 60 min"],
    ["with cron", { cronSchedule: hourly }, "failure", step(failRun), "CRON_SCHEDULE, attempt 1, after 60 min"],
    ["with cron", { cronSchedule: hourly }, "cancellation", step(command("cancelWorkflowExecution")), "ends"],
    ["with cron", { cronSchedule: hourly }, "termination", terminate, "ends"],
    ["with cron", { cronSchedule: hourly, ...runTimeout }, "its time-out", timeOut, "CRON_SCHEDULE, attempt 1, after 30 min"],
    ["with both", { cronSchedule: hourly, ...minute }, "completion", step(complete), "CRON_SCHEDULE, attempt 1, after 60 min"],
    ["with both", { cronSchedule: hourly, ...minute }, "failure", step(failRun), "RETRY, attempt 2, after 1 min"],
    [
      "with both, at its last attempt",
      { cronSchedule: hourly, retryPolicy: make(RetryPolicy, { maximumAttempts: 1 }) },
      "failure",
      step(failRun),
      "CRON_SCHEDULE, attempt 1, after 60 min",
    ],
  ] as const)("%s %j, closed by %s", (_run, options, _closes, close, chain) => {
    const run = startTestRun(options);
    // The first run of a cron schedule waits for its time, too.
    run.advance(options !== undefined && "cronSchedule" in options ? hourMs : 0);
    close(run);
    expect(next(run)).toBe(chain);
  });

  test("the attempts of a retry chain are counted from run to run", () => {
    let run = startTestRun({ retryPolicy });
    const delays: number[] = [];
    for (;;) {
      run.step([failRun]);
      if (run.last.successor === null) break;
      run = run.successor();
      delays.push(fromSeconds(run));
      run.advance(delays.at(-1) ?? 0);
    }
    expect(delays).toEqual([10 * secondMs, 20 * secondMs]);
    expect(run.written("workflowExecutionFailedEventAttributes")).toMatchObject({
      retryState: RetryState.MAXIMUM_ATTEMPTS_REACHED,
      newExecutionRunId: "",
    });
  });
  const fromSeconds = (run: TestRun) => (run.state.started.firstWorkflowTaskBackoff?.seconds ?? 0) * secondMs;

  test.each([
    ["a retry", { retryPolicy, workflowExecutionTimeout: toProtoTime(10 * secondMs) }, RetryState.TIMEOUT],
    ["a cron time", { cronSchedule: hourly, workflowExecutionTimeout: toProtoTime(30 * minuteMs) }, RetryState.RETRY_POLICY_NOT_SET],
  ] as const)("the execution's time-out ends it: %s would come too late", (_, options, retryState) => {
    const run = startTestRun(options);
    run.advance("cronSchedule" in options ? hourMs : 0);
    run.step([failRun]);
    expect(run.written("workflowExecutionFailedEventAttributes")).toMatchObject({ retryState, newExecutionRunId: "" });
    expect(next(run)).toBe("ends");
  });

  test("the execution's time-out itself is not retried", () => {
    const run = startTestRun({ retryPolicy, workflowExecutionTimeout: toProtoTime(minuteMs) });
    run.advance(minuteMs);
    expect(run.draw(3)).toBe("3 WorkflowExecutionTimedOut");
    expect(run.written("workflowExecutionTimedOutEventAttributes")).toMatchObject({ retryState: RetryState.TIMEOUT });
  });
});

describe("the next run", () => {
  test("is named by the event that closes this one, and begins in the same transition", () => {
    const run = startTestRun({ retryPolicy });
    run.step([failRun]);
    const after = run.successor();
    expect(run.written("workflowExecutionFailedEventAttributes")).toMatchObject({
      retryState: RetryState.IN_PROGRESS,
      newExecutionRunId: after.state.key.runId,
    });
    expect(run.state.core.newExecutionRunId).toBe(after.state.key.runId);
    expect(after.draw()).toBe("1 WorkflowExecutionStarted");
    after.advance(10 * secondMs);
    expect(after.draw(2)).toBe("2 WorkflowTaskScheduled");
  });

  test("keeps what the chain shares and has what is its own", () => {
    const run = startTestRun({ retryPolicy, workflowExecutionTimeout: toProtoTime(dayMs) });
    run.step([failRun]);
    const { started, key } = run.successor().state;
    expect(started).toMatchObject({
      firstExecutionRunId: "run-1",
      continuedExecutionRunId: "run-1",
      originalExecutionRunId: key.runId,
      workflowId: "order-7",
      continuedFailure: { message: "no stock" },
      workflowExecutionExpirationTime: run.state.started.workflowExecutionExpirationTime,
    });
  });

  test("of a cron schedule gets the last result, which a failure in between does not lose", () => {
    const first = startTestRun({ cronSchedule: hourly });
    first.advance(hourMs);
    first.step([complete]);
    const second = first.successor();
    expect(second.state.started).toMatchObject({ lastCompletionResult: payloads("42"), continuedFailure: undefined });
    second.advance(hourMs);
    second.step([failRun]);
    expect(second.successor().state.started).toMatchObject({
      lastCompletionResult: payloads("42"),
      continuedFailure: { message: "no stock" },
    });
  });

  test("after continue-as-new has what the command says, and the rest of the old one", () => {
    const run = startTestRun({ retryPolicy });
    run.advance(minuteMs);
    run.step([command("continueAsNewWorkflowExecution", { workflowType: { name: "Next" }, input: payloads("2") })]);
    expect(run.draw(5)).toBe("5 WorkflowExecutionContinuedAsNew");
    const after = run.successor();
    expect(after.state.started).toMatchObject({
      workflowType: { name: "Next" },
      taskQueue: { name: "orders" },
      input: payloads("2"),
      initiator: ContinueAsNewInitiator.WORKFLOW,
      attempt: 1,
      // The SDK sends it again if it is to go on.
      retryPolicy: undefined,
    });
    expect(after.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled");
  });

  test("does not begin within a second of the one before", () => {
    const run = startTestRun();
    run.advance(300);
    run.step([command("continueAsNewWorkflowExecution")]);
    expect(run.successor().state.started.firstWorkflowTaskBackoff).toEqual(toProtoTime(700));
    expect(minimalBackoff(run.last, 5 * secondMs, secondMs)).toBe(5 * secondMs);
  });
});

describe("a closed run", () => {
  test("has nothing pending and wakes nobody", () => {
    const run = startTestRun();
    run.step([scheduleActivity("a1"), startTimer("1", secondMs), startChild("child-1"), completeRun]);
    expect(run.state).toMatchObject({
      core: { status: WorkflowExecutionStatus.COMPLETED, workflowTask: undefined, closeEventId: 8, closeTime: run.now },
      activities: new Map(),
      timers: new Map(),
      children: new Map(),
    });
    expect(run.last.dueTasks).toEqual([]);
  });

  test.each([
    ["terminated", terminate, "WorkflowExecutionTerminated"],
    ["timed out", (run: TestRun) => run.advance(minuteMs), "WorkflowExecutionTimedOut"],
  ] as const)("was %s while a worker held its task: that failed first", (_, close, event) => {
    const run = startTestRun({ workflowRunTimeout: toProtoTime(5 * secondMs) });
    run.poll();
    close(run);
    expect(run.draw(4)).toBe(`4 WorkflowTaskFailed, 5 ${event}`);
  });

  test("leaves no trace of a speculative task", () => {
    const run = startTestRun();
    run.step();
    run.admitUpdate("u1");
    terminate(run);
    expect(run.draw(5)).toBe("5 WorkflowExecutionTerminated");
  });
});

describe("who hears of it", () => {
  const parent = {
    parentWorkflowNamespace: "default",
    parentWorkflowNamespaceId: "namespace",
    parentWorkflowExecution: { workflowId: "parent", runId: "parent-run" },
    parentInitiatedEventId: 5,
  };
  const childOf = (options: Parameters<typeof startTestRun>[0] = {}) => {
    const run = startTestRun(options);
    run.do((draft) => {
      draft.started = { ...draft.started, ...parent };
    });
    return run;
  };
  const effects = (run: TestRun) =>
    run.last.effects.map((effect) => (effect.kind === "close-child" ? `close ${effect.child.workflowId}` : effect.kind));

  test("its children, whatever their policy says, and its parent", () => {
    const run = childOf();
    run.step([
      startChild("a", { parentClosePolicy: ParentClosePolicy.ABANDON }),
      startChild("b", { parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL }),
      startChild("c"),
    ]);
    run.signal();
    run.step([completeRun]);
    expect(effects(run)).toEqual(["close a", "close b", "close c", "report-to-parent"]);
    expect(run.last.effects.flatMap((effect) => (effect.kind === "close-child" ? [effect.child.parentClosePolicy] : []))).toEqual([
      ParentClosePolicy.ABANDON,
      ParentClosePolicy.REQUEST_CANCEL,
      ParentClosePolicy.TERMINATE,
    ]);
  });

  test("nobody while the chain goes on", () => {
    const run = childOf({ retryPolicy });
    run.step([startChild("a")]);
    run.signal();
    run.step([failRun]);
    expect(effects(run)).toEqual([]);
  });
});
