import { describe, expect, test } from "vitest";
import { secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { Memo, type RetryPolicy, SearchAttributes } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowTaskFailedCause as Cause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { UserMetadata } from "../protocol/generated/temporal/api/sdk/v1/user_metadata.ts";
import {
  accepts,
  applicationFailure,
  cancelTimer,
  command,
  completeRun,
  payloads,
  place,
  rejects,
  responds,
  scheduleActivity,
  startChild,
  startTestRun,
  startTimer,
} from "./execution.test-kit.ts";

const begun = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";
const minute = toProtoTime(60 * secondMs);
const negative = toProtoTime(-secondMs);
const badPolicy = { maximumAttempts: -1 } as RetryPolicy;
const unknownAttributes = make(SearchAttributes, { indexedFields: { Unknown: payloads("1").payloads[0] ?? expect.fail() } });
const memoOf = (bytes: number) => make(Memo, { fields: { note: payloads(bytes).payloads[0] ?? expect.fail() } });

describe("a completion happens in order", () => {
  test("each command writes its event; what it says of itself goes along", () => {
    const run = startTestRun();
    const userMetadata = make(UserMetadata, { summary: payloads("charge the card").payloads[0] });
    run.step([
      { ...scheduleActivity("a1"), userMetadata },
      startTimer("t1", secondMs),
      command("recordMarker", { markerName: "core_patch" }),
      startChild("child-1"),
      command("signalExternalWorkflowExecution", { execution: { workflowId: "other", runId: "" }, signalName: "go" }),
      command("requestCancelExternalWorkflowExecution", { workflowId: "other" }),
      command("modifyWorkflowProperties", { upsertedMemo: memoOf(1) }),
      command("upsertWorkflowSearchAttributes", { searchAttributes: make(SearchAttributes) }),
      cancelTimer("t1"),
      completeRun,
    ]);
    expect(run.draw()).toBe(
      `${begun}, 5 ActivityTaskScheduled, 6 TimerStarted, 7 MarkerRecorded, 8 StartChildWorkflowExecutionInitiated, ` +
        "9 SignalExternalWorkflowExecutionInitiated, 10 RequestCancelExternalWorkflowExecutionInitiated, " +
        "11 WorkflowPropertiesModified, 12 UpsertWorkflowSearchAttributes, 13 TimerCanceled, 14 WorkflowExecutionCompleted",
    );
    expect(run.history[4]?.userMetadata).toEqual(userMetadata);
    expect(run.written("activityTaskScheduledEventAttributes").workflowTaskCompletedEventId).toBe(4);
  });

  test("messages have their place among the commands, others follow them", () => {
    const run = startTestRun();
    for (const id of ["u1", "u2", "u3"]) run.admitUpdate(id);
    run.step([place(accepts("u1")), startTimer("1", secondMs), place(responds("u1"))], {
      messages: [accepts("u3"), responds("u1"), accepts("u1"), rejects("u2")],
    });
    expect(run.draw(5)).toBe(
      "5 WorkflowExecutionUpdateAccepted, 6 TimerStarted, 7 WorkflowExecutionUpdateCompleted, 8 WorkflowExecutionUpdateAccepted",
    );
    expect([...run.state.updates.keys()]).toEqual(["u1", "u3"]);
    expect([...run.last.rejections.keys()]).toEqual(["u2"]);
  });

  test("but come before the command that closes the run", () => {
    const run = startTestRun();
    run.admitUpdate("u1");
    run.step([completeRun], { messages: [accepts("u1"), responds("u1")] });
    expect(run.draw(5)).toBe("5 WorkflowExecutionUpdateAccepted, 6 WorkflowExecutionUpdateCompleted, 7 WorkflowExecutionCompleted");
  });

  test("then the facts that arrived meanwhile, which want another task", () => {
    const run = startTestRun();
    run.poll();
    run.signal();
    run.complete([startTimer("1", secondMs)]);
    expect(run.draw(4)).toBe("4 WorkflowTaskCompleted, 5 TimerStarted, 6 WorkflowExecutionSignaled, 7 WorkflowTaskScheduled");
  });

  test("a command of a newer protocol is passed over", () => {
    const run = startTestRun();
    run.step([{ ...completeRun, attributes: undefined }, completeRun]);
    expect(run.draw(5)).toBe("5 WorkflowExecutionCompleted");
  });
});

describe("another task follows when there is news", () => {
  const next = (run: ReturnType<typeof startTestRun>) => {
    const task = run.state.core.workflowTask;
    return task === undefined ? "none" : task.speculative ? "speculative" : "normal";
  };
  test.each([
    ["nothing", "none", (run: ReturnType<typeof startTestRun>) => run.complete([startTimer("1", secondMs)])],
    ["the worker asks for it", "normal", (run) => run.complete([], { forceCreateNewWorkflowTask: true })],
    [
      "a fact arrived",
      "normal",
      (run) => {
        run.signal();
        run.complete();
      },
    ],
    [
      "an update arrived",
      "speculative",
      (run) => {
        run.admitUpdate("u1");
        run.complete();
      },
    ],
    [
      "an activity was canceled before a worker took it",
      "normal",
      (run) => {
        run.complete([scheduleActivity("a1"), command("requestCancelActivityTask", { scheduledEventId: 5 })]);
      },
    ],
  ] satisfies [string, string, (run: ReturnType<typeof startTestRun>) => unknown][])("%s: %s", (_, kind, complete) => {
    const run = startTestRun();
    run.poll();
    complete(run);
    expect(next(run)).toBe(kind);
  });
});

describe("all or nothing", () => {
  test("the first command that cannot be carried out undoes the others and fails the task", () => {
    const run = startTestRun();
    const refusal = run.step([startTimer("1", secondMs), scheduleActivity("a1"), startTimer("1", secondMs)]);
    expect(refusal).toEqual({
      kind: "invalid-argument",
      message: "StartTimerDuplicateId: timer id `1` is already in use",
    });
    expect(run.draw(3)).toBe("3 WorkflowTaskStarted, 4 WorkflowTaskFailed");
    expect(run.written("workflowTaskFailedEventAttributes")).toMatchObject({
      cause: Cause.START_TIMER_DUPLICATE_ID,
      identity: "history-service",
      failure: { message: "timer id `1` is already in use", failureInfo: { $case: "serverFailureInfo" } },
    });
    expect(run.state).toMatchObject({ timers: new Map(), activities: new Map() });
    expect(run.last.dueTasks).toEqual([{ type: "workflow" }]);
  });

  test("a second time the worker is told, but the task waits for its time-out: that slows it down", () => {
    const run = startTestRun();
    run.step([cancelTimer("none")]);
    const refusal = run.step([cancelTimer("none")]);
    expect(refusal).toMatchObject({ message: "BadCancelTimerAttributes: no timer `none` is pending" });
    expect(run.state.core.workflowTask).toMatchObject({ attempt: 2, startedEventId: 6 });
    run.advance(10 * secondMs);
    expect(run.state.core.workflowTask).toMatchObject({ attempt: 3, startedEventId: 0 });
  });

  test("what follows a command that closes the run is refused at once; the worker keeps its task until it times out", () => {
    const run = startTestRun();
    expect(run.step([completeRun, startTimer("1", secondMs)])).toEqual({
      kind: "invalid-argument",
      message: "invalid command sequence: a command follows the one that closes the workflow",
    });
    expect(run.draw(3)).toBe("3 WorkflowTaskStarted");
  });
});

describe("a run does not close over facts that its worker has not seen", () => {
  test.each([
    ["a signal", (run: ReturnType<typeof startTestRun>) => run.signal(), "5 WorkflowExecutionSignaled, 6 WorkflowTaskScheduled"],
    ["an update", (run) => void run.admitUpdate("u1"), ""],
  ] satisfies [string, (run: ReturnType<typeof startTestRun>) => void, string][])("%s", (_, arrive, written) => {
    const run = startTestRun();
    run.poll();
    arrive(run);
    // The Rust core knows this race by exactly this text.
    expect(run.complete([completeRun])).toEqual({ kind: "invalid-argument", message: "UnhandledCommand" });
    expect(run.written("workflowTaskFailedEventAttributes").cause).toBe(Cause.UNHANDLED_COMMAND);
    expect(run.draw(5)).toBe(written === "" ? "5 WorkflowTaskScheduled" : written);
    expect(run.state.core.workflowTask).toMatchObject({ attempt: 1 });
  });
});

describe("why a command is refused", () => {
  const refusedBy = (cause: number) => Object.entries(Cause).find(([, value]) => value === cause)?.[0];
  const long = "x".repeat(1_001);
  const external = { execution: { workflowId: "other", runId: "" }, signalName: "go" };
  test.each([
    // cause                                           commands; the last one is the culprit
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", [scheduleActivity("")]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", [scheduleActivity(long)]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", [scheduleActivity("a", { activityType: { name: "" } })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", [scheduleActivity("a", { startToCloseTimeout: undefined })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", [scheduleActivity("a", { heartbeatTimeout: negative })]],
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", [scheduleActivity("a", { retryPolicy: badPolicy })]],
    ["SCHEDULE_ACTIVITY_DUPLICATE_ID", [scheduleActivity("a"), scheduleActivity("a")]],
    ["PENDING_ACTIVITIES_LIMIT_EXCEEDED", [scheduleActivity("a"), scheduleActivity("b")]],
    ["BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES", [command("requestCancelActivityTask", { scheduledEventId: 99 })]],
    ["BAD_START_TIMER_ATTRIBUTES", [startTimer("", secondMs)]],
    ["BAD_START_TIMER_ATTRIBUTES", [startTimer("1", 0)]],
    ["START_TIMER_DUPLICATE_ID", [startTimer("1", secondMs), startTimer("1", secondMs)]],
    ["BAD_CANCEL_TIMER_ATTRIBUTES", [cancelTimer("1")]],
    ["BAD_CANCEL_TIMER_ATTRIBUTES", [startTimer("1", secondMs), cancelTimer("1"), cancelTimer("1")]],
    ["BAD_RECORD_MARKER_ATTRIBUTES", [command("recordMarker")]],
    ["BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES", [command("failWorkflowExecution")]],
    ["BAD_CONTINUE_AS_NEW_ATTRIBUTES", [command("continueAsNewWorkflowExecution", { workflowRunTimeout: negative })]],
    ["BAD_CONTINUE_AS_NEW_ATTRIBUTES", [command("continueAsNewWorkflowExecution", { retryPolicy: badPolicy })]],
    ["BAD_CONTINUE_AS_NEW_ATTRIBUTES", [command("continueAsNewWorkflowExecution", { searchAttributes: unknownAttributes })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", [startChild("")]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", [startChild("c", { workflowType: undefined })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", [startChild("c", { namespace: "nowhere" })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", [startChild("c", { cronSchedule: "never" })]],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", [startChild("c", { workflowRunTimeout: negative })]],
    ["PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED", [startChild("c"), startChild("d")]],
    ["BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES", [command("signalExternalWorkflowExecution", { ...external, signalName: "" })]],
    ["BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES", [command("signalExternalWorkflowExecution", { signalName: "go" })]],
    [
      "PENDING_SIGNALS_LIMIT_EXCEEDED",
      [command("signalExternalWorkflowExecution", external), command("signalExternalWorkflowExecution", external)],
    ],
    ["BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES", [command("requestCancelExternalWorkflowExecution")]],
    [
      "PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED",
      [
        command("requestCancelExternalWorkflowExecution", { workflowId: "other" }),
        command("requestCancelExternalWorkflowExecution", { workflowId: "other" }),
      ],
    ],
    ["BAD_SEARCH_ATTRIBUTES", [command("upsertWorkflowSearchAttributes")]],
    ["BAD_SEARCH_ATTRIBUTES", [command("upsertWorkflowSearchAttributes", { searchAttributes: unknownAttributes })]],
    ["BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES", [command("modifyWorkflowProperties")]],
    ["BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE", [place(accepts("u1"))]],
    ["FEATURE_DISABLED", [command("scheduleNexusOperation")]],
    ["FEATURE_DISABLED", [command("requestCancelNexusOperation")]],
  ] as const)("%s", (cause, commands) => {
    const one = { pendingActivities: 1, pendingChildren: 1, pendingSignals: 1, pendingCancels: 1 };
    const run = startTestRun({}, { limits: cause.endsWith("LIMIT_EXCEEDED") ? one : {} });
    expect(run.step(commands)).toMatchObject({ kind: "invalid-argument" });
    expect(run.draw(4)).toBe("4 WorkflowTaskFailed");
    expect(refusedBy(run.written("workflowTaskFailedEventAttributes").cause)).toBe(cause);
  });

  test("an activity without time-outs is named", () => {
    const run = startTestRun();
    expect(run.step([scheduleActivity("a1", { startToCloseTimeout: undefined })])).toMatchObject({
      message:
        "BadScheduleActivityAttributes: a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a1 ActivityType=Charge",
    });
  });

  test("an update that nobody sent cannot be completed", () => {
    const run = startTestRun();
    expect(run.step([], { messages: [responds("u1")] })).toMatchObject({
      message: "BadUpdateWorkflowExecutionMessage: update `u1` is not running",
    });
  });
});

describe("what is too large will be too large again: the run is terminated", () => {
  const large = payloads(2_000);
  const cases = [
    ["BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", scheduleActivity("a", { input: large })],
    ["BAD_RECORD_MARKER_ATTRIBUTES", command("recordMarker", { markerName: "m", details: { data: large } })],
    ["BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES", command("completeWorkflowExecution", { result: large })],
    ["BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES", command("failWorkflowExecution", { failure: applicationFailure({ details: large }) })],
    ["BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES", command("cancelWorkflowExecution", { details: large })],
    ["BAD_CONTINUE_AS_NEW_ATTRIBUTES", command("continueAsNewWorkflowExecution", { input: large })],
    ["BAD_CONTINUE_AS_NEW_ATTRIBUTES", command("continueAsNewWorkflowExecution", { memo: memoOf(2_000) })],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", startChild("c", { input: large })],
    ["BAD_START_CHILD_EXECUTION_ATTRIBUTES", startChild("c", { memo: memoOf(2_000) })],
    [
      "BAD_SIGNAL_INPUT_SIZE",
      command("signalExternalWorkflowExecution", { execution: { workflowId: "o", runId: "" }, signalName: "s", input: large }),
    ],
    ["BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES", command("modifyWorkflowProperties", { upsertedMemo: memoOf(2_000) })],
  ] as const;
  test.each(cases)("%s", (cause, tooLarge) => {
    const run = startTestRun({}, { limits: { blobSizeError: 1_000, memoSizeError: 1_000 } });
    expect(run.step([startTimer("1", secondMs), tooLarge])).toMatchObject({ kind: "invalid-argument" });
    expect(run.draw(4)).toBe("4 WorkflowTaskFailed, 5 WorkflowExecutionTerminated");
    expect(run.written("workflowTaskFailedEventAttributes").cause).toBe(Cause[cause]);
    expect(run.written("workflowExecutionTerminatedEventAttributes")).toMatchObject({
      identity: "history-service",
      reason: expect.stringContaining("exceeds size limit"),
    });
  });
});

describe("a token names one task of one worker", () => {
  test.each([
    ["the task was completed", (run: ReturnType<typeof startTestRun>) => void run.complete()],
    ["it timed out", (run) => run.advance(10 * secondMs)],
    [
      "it timed out and another worker holds the next one",
      (run) => {
        run.advance(10 * secondMs);
        run.poll();
      },
    ],
    ["the run closed", (run) => void run.complete([completeRun])],
  ] satisfies [string, (run: ReturnType<typeof startTestRun>) => void][])("late: %s", (_, happen) => {
    const run = startTestRun();
    run.poll();
    const token = run.token();
    happen(run);
    const before = run.draw();
    expect(run.completeWith(token, [startTimer("late", secondMs)])).toEqual({ kind: "not-found", message: "Workflow task not found." });
    expect(run.draw()).toBe(before);
  });

  test("a transient task that was handed out twice is told apart by when it started", () => {
    const run = startTestRun();
    run.poll();
    run.fail();
    run.poll();
    const token = run.token();
    run.advance(10 * secondMs);
    run.poll();
    expect(run.token()).toMatchObject({ scheduledEventId: token.scheduledEventId, startedEventId: token.startedEventId });
    expect(run.completeWith(token)).toMatchObject({ kind: "not-found" });
  });
});

describe("a run that outgrows its bounds", () => {
  test("is ended when its history has too many events", () => {
    const run = startTestRun({}, { limits: { historyCountError: 5 } });
    run.step([startTimer("1", secondMs), startTimer("2", secondMs)]);
    expect(run.draw(6)).toBe("6 TimerStarted, 7 WorkflowExecutionTerminated");
    expect(run.written("workflowExecutionTerminatedEventAttributes").reason).toBe("Workflow history count exceeds limit.");
  });

  test("or too many bytes", () => {
    const run = startTestRun({}, { limits: { historySizeError: 400 } });
    run.step([command("recordMarker", { markerName: "m", details: { data: payloads(500) } })]);
    run.signal();
    expect(run.written("workflowExecutionTerminatedEventAttributes").reason).toBe("Workflow history size exceeds limit.");
  });

  test("has its buffer flushed when too many facts wait for a worker", () => {
    const run = startTestRun({}, { limits: { bufferedEvents: 2 } });
    run.poll();
    for (let count = 1; count <= 3; count++) run.signal();
    expect(run.draw(4)).toBe(
      "4 WorkflowTaskFailed, 5 WorkflowExecutionSignaled, 6 WorkflowExecutionSignaled, 7 WorkflowExecutionSignaled, 8 WorkflowTaskScheduled",
    );
    expect(run.written("workflowTaskFailedEventAttributes").cause).toBe(Cause.FORCE_CLOSE_COMMAND);
  });
});

test("a worker that could not process its task says why", () => {
  const run = startTestRun();
  run.poll();
  run.fail(Cause.UNSPECIFIED);
  expect(run.written("workflowTaskFailedEventAttributes")).toMatchObject({
    cause: Cause.WORKFLOW_WORKER_UNHANDLED_FAILURE,
    identity: "worker",
    scheduledEventId: 2,
    startedEventId: 3,
  });
});

test("an activity inherits what its command leaves open", () => {
  const run = startTestRun({ workflowRunTimeout: minute });
  run.step([scheduleActivity("a1", { startToCloseTimeout: toProtoTime(5 * secondMs) })]);
  expect(run.written("activityTaskScheduledEventAttributes")).toMatchObject({
    taskQueue: { name: "orders" },
    scheduleToCloseTimeout: minute,
    retryPolicy: { initialInterval: toProtoTime(secondMs), backoffCoefficient: 2, maximumAttempts: 0 },
  });
});
