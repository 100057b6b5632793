import { describe, expect, test } from "vitest";
import { ok } from "../base/result.ts";
import { secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { RetryPolicy } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { RetryState, TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  activityTimeouts,
  attemptOf,
  completeActivity,
  confirmActivityCanceled,
  failActivity,
  isDispatchable,
  recordHeartbeat,
  startedActivity,
} from "./activity.ts";
import { applicationFailure, command, payloads, scheduleActivity, startTestRun, type TestRun } from "./execution.test-kit.ts";

const seconds = (count: number) => toProtoTime(count * secondMs);
const retries = (fields: Partial<RetryPolicy>) => ({ retryPolicy: make(RetryPolicy, fields) });

/** A run with one activity, which is event 5. */
function runWith(fields: Parameters<typeof scheduleActivity>[1] = {}, limits = {}): TestRun {
  const run = startTestRun({}, { limits });
  run.step([scheduleActivity("a1", fields)]);
  return run;
}
const started = (fields?: Parameters<typeof scheduleActivity>[1], limits = {}) => {
  const run = runWith(fields, limits);
  run.pollActivity("a1");
  return run;
};
const complete = (run: TestRun, result = "done") =>
  run.do((draft) => completeActivity(draft, run.activity("a1"), { result: payloads(result), identity: "worker" }));
const fail = (run: TestRun, failure: Failure = applicationFailure()) =>
  run.do((draft) => failActivity(draft, run.activity("a1"), { failure, identity: "worker" }));
const heartbeat = (run: TestRun, details = "half") =>
  run.decide((draft) => ok(recordHeartbeat(draft, run.activity("a1"), { details: payloads(details), identity: "worker" })));
const askToCancel = (run: TestRun) => {
  run.signal();
  run.step([command("requestCancelActivityTask", { scheduledEventId: 5 })]);
};
const failureInfo = (failure: Failure | undefined) => failure?.failureInfo?.value;

describe("time-outs: what is left open is filled, nothing is longer than the run", () => {
  test.each([
    // asked (seconds)                                              run   schedule-to-close, to-start, start-to-close, heartbeat
    [{ scheduleToClose: 60 }, 0, [60, 60, 60, 0]],
    [{ scheduleToClose: 60, startToClose: 10 }, 0, [60, 60, 10, 0]],
    [{ scheduleToClose: 60, scheduleToStart: 5 }, 0, [60, 5, 60, 0]],
    [{ scheduleToClose: 60, scheduleToStart: 90, startToClose: 90 }, 0, [60, 60, 60, 0]],
    [{ scheduleToClose: 60 }, 30, [30, 30, 30, 0]],
    [{ startToClose: 10 }, 0, [0, 0, 10, 0]],
    [{ startToClose: 10 }, 30, [30, 30, 10, 0]],
    [{ startToClose: 60, scheduleToStart: 60 }, 30, [30, 30, 30, 0]],
    [{ startToClose: 10, heartbeat: 5 }, 0, [0, 0, 10, 5]],
    [{ startToClose: 10, heartbeat: 20 }, 0, [0, 0, 10, 10]],
    [{}, 0, "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity"],
    [{ scheduleToStart: 5 }, 30, "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity"],
    [{ scheduleToClose: -1 }, 0, "ScheduleToCloseTimeout cannot be negative"],
    [{ startToClose: 10, heartbeat: -1 }, 0, "HeartbeatTimeout cannot be negative"],
  ] as const)("%j in a run of %i s", (asked, runTimeout, outcome) => {
    const given = Object.fromEntries(Object.entries(asked).map(([name, count]) => [`${name}Timeout`, seconds(count)]));
    const resolved = activityTimeouts(given, runTimeout * secondMs);
    if (!resolved.ok) {
      expect(resolved.error).toBe(outcome);
      return;
    }
    const { scheduleToClose, scheduleToStart, startToClose, heartbeat } = resolved.value;
    expect([scheduleToClose, scheduleToStart, startToClose, heartbeat].map((ms) => ms / secondMs)).toEqual(outcome);
  });
});

describe("what history shows", () => {
  test("nothing of an attempt until the activity ends; then its start and its end", () => {
    const run = started();
    expect(run.draw(5)).toBe("5 ActivityTaskScheduled");
    complete(run);
    expect(run.draw(6)).toBe("6 ActivityTaskStarted, 7 ActivityTaskCompleted, 8 WorkflowTaskScheduled");
    expect(run.written("activityTaskCompletedEventAttributes")).toMatchObject({
      scheduledEventId: 5,
      startedEventId: 6,
      identity: "worker",
      result: payloads("done"),
    });
    expect(run.state.activities.size).toBe(0);
  });

  test("of attempts that failed, only their number and the last failure", () => {
    const run = started();
    fail(run);
    run.advance(secondMs);
    run.pollActivity("a1");
    complete(run);
    expect(run.draw(6)).toBe("6 ActivityTaskStarted, 7 ActivityTaskCompleted, 8 WorkflowTaskScheduled");
    expect(run.written("activityTaskStartedEventAttributes")).toMatchObject({ attempt: 2, lastFailure: { message: "no stock" } });
  });
});

describe("a failed attempt", () => {
  test("is followed by another one after the backoff", () => {
    const run = started();
    fail(run);
    expect(run.activity("a1")).toMatchObject({
      attempt: 2,
      stamp: 1,
      startedTime: 0,
      dispatched: false,
      attemptScheduledTime: run.now + secondMs,
    });
    expect(run.last.dueTasks).toEqual([]);
    run.advance(secondMs);
    expect(run.activity("a1").dispatched).toBe(true);
    expect(run.last.dueTasks).toEqual([{ type: "activity", scheduledEventId: 5, eager: false }]);
  });

  test.each([
    ["the last one", retries({ maximumAttempts: 1 }), applicationFailure(), RetryState.MAXIMUM_ATTEMPTS_REACHED],
    ["a final failure", {}, applicationFailure({ nonRetryable: true }), RetryState.NON_RETRYABLE_FAILURE],
    ["no time is left", { scheduleToCloseTimeout: seconds(1) }, applicationFailure(), RetryState.TIMEOUT],
  ] as const)("fails the activity: %s", (_, fields, failure, retryState) => {
    const run = started(fields);
    fail(run, failure);
    expect(run.draw(6)).toBe("6 ActivityTaskStarted, 7 ActivityTaskFailed, 8 WorkflowTaskScheduled");
    expect(run.written("activityTaskFailedEventAttributes")).toMatchObject({ retryState, failure: { message: "no stock" } });
  });

  test("hands the details of its last heartbeat on", () => {
    const run = started();
    heartbeat(run);
    fail(run);
    expect(run.activity("a1").heartbeatDetails).toEqual(payloads("half"));
    run.advance(secondMs);
    expect(run.pollActivity("a1")).toMatchObject({ attempt: 2, heartbeatDetails: payloads("half"), lastHeartbeatTime: 0 });
  });

  test("keeps its failure short until then", () => {
    const run = started({}, { activityFailureBytes: 400 });
    fail(run, applicationFailure({}, "m".repeat(10_000)));
    expect(Failure.encode(run.activity("a1").lastFailure ?? expect.fail()).finish().length).toBeLessThan(500);
  });
});

describe("the four time-outs", () => {
  const timedOut = (run: TestRun) => {
    const { failure, retryState, startedEventId } = run.written("activityTaskTimedOutEventAttributes");
    return { message: failure?.message, timeoutType: failureInfo(failure), retryState, startedEventId, cause: failure?.cause };
  };
  const once = retries({ maximumAttempts: 1 });

  test("start-to-close", () => {
    const run = started({ startToCloseTimeout: seconds(10), ...once });
    run.advance(10 * secondMs);
    expect(run.draw(6)).toBe("6 ActivityTaskStarted, 7 ActivityTaskTimedOut, 8 WorkflowTaskScheduled");
    expect(timedOut(run)).toMatchObject({
      message: "activity StartToClose timeout",
      timeoutType: { timeoutType: TimeoutType.START_TO_CLOSE },
      retryState: RetryState.MAXIMUM_ATTEMPTS_REACHED,
      startedEventId: 6,
    });
  });

  test("start-to-close is tried again as a failure is", () => {
    const run = started({ startToCloseTimeout: seconds(10) });
    run.advance(10 * secondMs);
    expect(run.draw(6)).toBe("");
    expect(run.activity("a1")).toMatchObject({ attempt: 2, lastFailure: { message: "activity StartToClose timeout" } });
  });

  test("heartbeat: from the start, then from the last sign of life", () => {
    const run = started({ heartbeatTimeout: seconds(5), ...once });
    run.advance(4 * secondMs);
    heartbeat(run);
    run.advance(4 * secondMs);
    expect(run.draw(6)).toBe("");
    run.advance(secondMs);
    expect(timedOut(run)).toMatchObject({
      message: "activity Heartbeat timeout",
      timeoutType: { timeoutType: TimeoutType.HEARTBEAT, lastHeartbeatDetails: payloads("half") },
    });
  });

  test("schedule-to-start: never tried again, and nobody had started it", () => {
    const run = runWith({ scheduleToStartTimeout: seconds(5) });
    run.advance(5 * secondMs);
    expect(run.draw(6)).toBe("6 ActivityTaskTimedOut, 7 WorkflowTaskScheduled");
    expect(timedOut(run)).toMatchObject({
      message: "activity ScheduleToStart timeout",
      timeoutType: { timeoutType: TimeoutType.SCHEDULE_TO_START },
      retryState: RetryState.TIMEOUT,
      startedEventId: 0,
    });
  });

  test("schedule-to-start of a later attempt counts from the end of its backoff", () => {
    const run = started({ scheduleToStartTimeout: seconds(5), ...retries({ initialInterval: seconds(60) }) });
    fail(run);
    run.advance(64 * secondMs);
    expect(run.draw(6)).toBe("");
    run.advance(secondMs);
    expect(timedOut(run)).toMatchObject({ message: "activity ScheduleToStart timeout", cause: { message: "no stock" } });
  });

  test.each([
    ["waiting", () => runWith({ scheduleToCloseTimeout: seconds(10) })],
    ["running", () => started({ scheduleToCloseTimeout: seconds(10), startToCloseTimeout: seconds(11) })],
  ] as const)("schedule-to-close, while it is %s: never tried again", (_, open) => {
    const run = open();
    run.advance(10 * secondMs);
    expect(timedOut(run)).toMatchObject({ message: expect.stringMatching(/^activity Schedule/), retryState: RetryState.TIMEOUT });
  });

  test("no time left for another attempt is a schedule-to-close time-out that says so", () => {
    const run = started({ scheduleToCloseTimeout: seconds(12), startToCloseTimeout: seconds(11) });
    run.advance(11 * secondMs);
    expect(timedOut(run)).toMatchObject({
      message: "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying",
      timeoutType: { timeoutType: TimeoutType.SCHEDULE_TO_CLOSE },
      retryState: RetryState.TIMEOUT,
      cause: { message: "activity StartToClose timeout" },
    });
  });
});

describe("asked to cancel", () => {
  test("before a worker took it: canceled at once", () => {
    const run = runWith();
    askToCancel(run);
    expect(run.draw(9)).toBe("9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested, 11 ActivityTaskCanceled, 12 WorkflowTaskScheduled");
    expect(run.written("activityTaskCanceledEventAttributes")).toMatchObject({ startedEventId: 0, latestCancelRequestedEventId: 10 });
    expect(run.state.activities.size).toBe(0);
  });

  test("between two attempts: canceled at once", () => {
    const run = started();
    fail(run);
    askToCancel(run);
    expect(run.draw(10)).toMatch(/^10 ActivityTaskCancelRequested, 11 ActivityTaskCanceled/);
  });

  test("while it runs: its next heartbeat tells the worker, who confirms", () => {
    const run = started();
    expect(heartbeat(run)).toMatchObject({ value: { cancelRequested: false } });
    askToCancel(run);
    expect(run.draw(9)).toBe("9 WorkflowTaskCompleted, 10 ActivityTaskCancelRequested");
    expect(heartbeat(run)).toMatchObject({ value: { cancelRequested: true } });
    run.decide((draft) => confirmActivityCanceled(draft, run.activity("a1"), { details: undefined, identity: "worker" }));
    expect(run.draw(11)).toBe("11 ActivityTaskStarted, 12 ActivityTaskCanceled, 13 WorkflowTaskScheduled");
  });

  test("it may still complete; but a failure is final", () => {
    const completed = started();
    askToCancel(completed);
    complete(completed);
    expect(completed.draw(12)).toMatch(/^12 ActivityTaskCompleted/);
    const failed = started();
    askToCancel(failed);
    fail(failed);
    expect(failed.written("activityTaskFailedEventAttributes").retryState).toBe(RetryState.CANCEL_REQUESTED);
  });

  test("a second time: the command is refused", () => {
    const run = started();
    askToCancel(run);
    run.signal();
    expect(run.step([command("requestCancelActivityTask", { scheduledEventId: 5 })])).toMatchObject({
      message: "BadRequestCancelActivityAttributes: activity `a1` is already asked to cancel",
    });
  });

  test("a worker cannot cancel what nobody asked it to", () => {
    const run = started();
    const confirmed = run.decide((draft) => confirmActivityCanceled(draft, run.activity("a1"), { details: undefined, identity: "worker" }));
    expect(confirmed).toMatchObject({ ok: false, error: { kind: "invalid-argument" } });
  });
});

describe("an answer counts once, and only for the attempt that runs", () => {
  const gone = { ok: false, error: { kind: "not-found" } };
  const attempt = { scheduledEventId: 5, attempt: 1, stamp: 0 };
  const mayAnswer = (run: TestRun) => run.decide((draft) => startedActivity(draft, attempt));

  test.each([
    ["running", () => started(), { ok: true }],
    ["not started", () => runWith(), gone],
    ["answered", () => startedThen(complete), gone],
    ["failed, and waiting for its next attempt", () => startedThen(fail), gone],
    [
      "running again",
      () =>
        startedThen((run) => {
          fail(run);
          run.advance(secondMs);
          run.pollActivity("a1");
        }),
      gone,
    ],
    ["timed out", () => startedThen((run) => run.advance(60 * secondMs)), gone],
    [
      "answered while a worker holds the workflow task",
      () =>
        startedThen((run) => {
          run.signal();
          run.poll();
          complete(run);
        }),
      gone,
    ],
    [
      "part of a run that closed",
      () =>
        startedThen((run) => {
          run.signal();
          run.step([command("completeWorkflowExecution")]);
        }),
      gone,
    ],
  ] as const)("the activity is %s", (_, open, outcome) => {
    expect(mayAnswer(open())).toMatchObject(outcome);
  });
  function startedThen(happen: (run: TestRun) => void): TestRun {
    const run = started();
    happen(run);
    return run;
  }

  test("by its id it can be answered from elsewhere, while it runs", () => {
    const run = runWith();
    expect(run.decide((draft) => attemptOf(draft, "a1"))).toMatchObject({ ok: false });
    run.pollActivity("a1");
    expect(run.decide((draft) => attemptOf(draft, "a1"))).toMatchObject({ ok: true, value: attempt });
    expect(run.decide((draft) => attemptOf(draft, "a2"))).toMatchObject({ ok: false, error: { kind: "not-found" } });
  });

  test("a task of a former attempt is dead", () => {
    const run = runWith();
    const dispatchable = (stamp: number) => run.decide((draft) => ok(isDispatchable(draft, 5, stamp)));
    expect(dispatchable(0)).toEqual(ok(true));
    run.pollActivity("a1");
    expect(dispatchable(0)).toEqual(ok(false));
    fail(run);
    expect(dispatchable(1)).toEqual(ok(false));
    run.advance(secondMs);
    expect([dispatchable(0), dispatchable(1)]).toEqual([ok(false), ok(true)]);
  });
});

describe("what is too large fails the activity, for good", () => {
  const limits = { blobSizeError: 1_000 };
  test.each([
    ["a result", (run: TestRun) => complete(run, "x".repeat(2_000)), "Complete result exceeds size limit."],
    ["heartbeat details", (run) => void heartbeat(run, "x".repeat(2_000)), "Heartbeat details exceed size limit."],
    ["a failure", (run) => fail(run, applicationFailure({}, "x".repeat(2_000))), "Failure exceeds size limit."],
  ] satisfies [string, (run: TestRun) => void, string][])("%s", (_, answer, message) => {
    const run = started({}, limits);
    answer(run);
    expect(run.written("activityTaskFailedEventAttributes")).toMatchObject({
      failure: { message },
      retryState: RetryState.NON_RETRYABLE_FAILURE,
    });
  });
});
