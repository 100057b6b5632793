import { describe, expect, test } from "vitest";
import { type DurationMs, hourMs, minuteMs, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { Hold } from "../protocol/generated/holdfast/state/v1/state.ts";
import { Payload, RetryPolicy, WorkflowType } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowExecutionStatus } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { StartWorkflowExecutionRequest } from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Admission, Admit, Grant } from "./admission.ts";
import { startAdmitted } from "./admitted-start.ts";
import { terminateRun } from "./close.ts";
import { determinedByHistory } from "./determined.test-kit.ts";
import { fold } from "./evolve.ts";
import { command, completeRun, startTestRun, startTime, type TestRun, testContext } from "./execution.test-kit.ts";
import { denialFailure } from "./failures.ts";
import { pendingAction, unansweredHolds } from "./held-action.ts";
import { requestCancel } from "./signal.ts";
import { type StartOptions, startedAttributes } from "./start.ts";
import { executionExpiresAt, runExpiresAt, waitsToBegin } from "./start-gate.ts";
import { wakeAt } from "./wake.ts";

const header = { decision: make(Payload, { data: new Uint8Array([1]) }) };
const marks = { header, userMetadata: undefined };
const allow: Admission = { effect: "allow", marks, caps: null, snapshot: "s1" };
const refuse: Admission = {
  effect: "refuse",
  marks,
  rule: "no",
  failure: denialFailure({ rule: "no", reason: "not today", snapshot: "s1", remediations: [] }),
  snapshot: "s1",
};
const holdOf = (expiresAt = 0, approvalId = "ap-1") =>
  make(Hold, { approvalId, ruleId: "ask", reason: "ask first", since: startTime, expiresAt });
const hold = (expiresAt = 0): Admission => ({ effect: "hold", marks, caps: null, snapshot: "s1", hold: holdOf(expiresAt) });
const delay = (until: DurationMs): Admission => ({ effect: "delay", marks, until: startTime + until, snapshot: "s1" });

/** Decides the start with each of these in turn, and everything after the last of them like it. */
function deciding(...admissions: readonly Admission[]): Admit & { readonly asked: (Grant | null)[] } {
  const asked: (Grant | null)[] = [];
  return Object.assign((({ grant }) => admissions[Math.min(asked.push(grant), admissions.length) - 1] ?? allow) satisfies Admit, { asked });
}

const start = (admit: Admit, options: Partial<StartOptions> = {}): TestRun => startTestRun(options, { admit });
const begun = "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled";
const settled = ({ last }: TestRun) => unansweredHolds(last);

/** Lets a person's grant take effect. */
const grant = (run: TestRun, after: DurationMs): void =>
  run.doAfter(after, (draft) => pendingAction(draft, 1)?.release({ approvalId: "ap-1", jobHash: "h" }));

test("a refused start writes nothing", () => {
  const context = testContext(startTime, { admit: deciding(refuse) });
  const key = { namespaceId: "namespace", workflowId: "order-7", runId: "run-1" };
  const asked = startedAttributes(
    key,
    make(StartWorkflowExecutionRequest, { workflowType: make(WorkflowType, { name: "Order" }) }),
    context,
  );
  if (!asked.ok) throw new Error("a test starts what may be started");
  const { draft, refused } = startAdmitted(key, asked.value, context, {});
  expect(refused).toBe(refuse);
  expect([draft.batches, draft.dueTasks, draft.effects]).toEqual([[], [], []]);
});

describe("an allowed start", () => {
  test("begins at once; its first event shows the decision beside what the client said", () => {
    const mine = make(Payload, { data: new Uint8Array([2]) });
    const run = start(deciding(allow), { header: { fields: { mine } } });
    expect(run.draw()).toBe(begun);
    expect(run.written("workflowExecutionStartedEventAttributes").header?.fields).toEqual({ mine, ...header });
    expect(run.state.core.startGate).toBeUndefined();
  });

  const second = toProtoTime(secondMs);
  test.each([
    // asked for     permitted                                 written
    [undefined, { startToClose: minuteMs, attempts: null }, toProtoTime(minuteMs)],
    [second, { startToClose: minuteMs, attempts: null }, second],
    [toProtoTime(hourMs), { startToClose: minuteMs, attempts: null }, toProtoTime(minuteMs)],
    [toProtoTime(hourMs), { startToClose: null, attempts: 2 }, toProtoTime(hourMs)],
  ] as const)("has its run time-out capped: %j under %j", (workflowRunTimeout, caps, written) => {
    const run = start(deciding({ ...allow, caps }), { workflowRunTimeout });
    expect(run.written("workflowExecutionStartedEventAttributes").workflowRunTimeout).toEqual(written);
  });

  test("is held to it in all runs of its chain, whatever time-out they give themselves", () => {
    const goOn = command("continueAsNewWorkflowExecution", { workflowRunTimeout: toProtoTime(hourMs) });
    let run = start(deciding({ ...allow, caps: { startToClose: minuteMs, attempts: null } }));
    for (let runs = 1; runs <= 3; runs++) {
      expect(runExpiresAt(run.state.core)).toBe(run.state.core.executionTime + minuteMs);
      run.advance(secondMs);
      run.step([goOn]);
      run = run.successor();
    }
  });

  test("has the attempts of its retry policy capped; without one it is not retried anyway", () => {
    const caps = { startToClose: null, attempts: 2 };
    const retried = start(deciding({ ...allow, caps }), { retryPolicy: make(RetryPolicy, { maximumAttempts: 9 }) });
    expect(retried.written("workflowExecutionStartedEventAttributes").retryPolicy?.maximumAttempts).toBe(2);
    expect(start(deciding({ ...allow, caps })).written("workflowExecutionStartedEventAttributes").retryPolicy).toBeUndefined();
  });
});

describe("a held start", () => {
  const limits = { workflowRunTimeout: toProtoTime(minuteMs), workflowExecutionTimeout: toProtoTime(hourMs) };

  test("is a run without a workflow task, whose signals and updates wait, and nothing times out", () => {
    const run = start(deciding(hold()), limits);
    run.signal();
    run.admitUpdate("u1");
    expect(wakeAt(run.state)).toBe(null);
    run.advance(3 * hourMs);
    expect(run.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");
    expect([run.last.dueTasks, run.state.admitted.size, waitsToBegin(run.state.core)]).toEqual([[], 1, true]);
  });

  test("begins when it is granted, decided with the grant, and with all of its time left", () => {
    const admit = deciding(hold(), allow);
    const run = start(admit, limits);
    run.signal();
    grant(run, 3 * hourMs);
    expect(run.draw(2)).toBe("2 WorkflowExecutionSignaled, 3 WorkflowTaskScheduled");
    expect(admit.asked).toEqual([null, { approvalId: "ap-1", jobHash: "h" }]);
    expect(settled(run)).toEqual([]);
    expect(runExpiresAt(run.state.core)).toBe(startTime + 3 * hourMs + minuteMs);
    expect(executionExpiresAt(run.state.core)).toBe(startTime + 3 * hourMs + hourMs);
    run.advance(2 * minuteMs);
    expect(run.state.core.status).toBe(WorkflowExecutionStatus.TIMED_OUT);
  });

  test("gives the later end to the runs that follow it", () => {
    const run = start(deciding(hold(), allow), { ...limits, cronSchedule: "* * * * *" });
    grant(run, 3 * hourMs);
    run.step([completeRun]);
    expect(run.last.successor?.started.workflowExecutionExpirationTime?.getTime()).toBe(
      startTime + minuteMs + 3 * hourMs - minuteMs + hourMs,
    );
  });

  test("is limited by the decision that lets it begin", () => {
    const run = start(deciding(hold(), { ...allow, caps: { startToClose: secondMs, attempts: null } }), limits);
    grant(run, hourMs);
    expect(runExpiresAt(run.state.core)).toBe(startTime + hourMs + secondMs);
  });

  test("waits for its own start delay as well, which goes by meanwhile", () => {
    const delayed = { workflowStartDelay: toProtoTime(hourMs), ...limits };
    const early = start(deciding(hold(), allow), delayed);
    grant(early, minuteMs);
    expect([early.draw(), wakeAt(early.state)]).toEqual(["1 WorkflowExecutionStarted", startTime + hourMs]);
    expect(runExpiresAt(early.state.core)).toBe(startTime + hourMs + minuteMs);
    early.advance(hourMs - minuteMs);
    expect(early.draw()).toBe(begun);

    const late = start(deciding(hold(), allow), delayed);
    grant(late, 2 * hourMs);
    expect(late.draw()).toBe(begun);
    expect(runExpiresAt(late.state.core)).toBe(startTime + 2 * hourMs + minuteMs);
  });

  const retried = { retryPolicy: make(RetryPolicy, {}), cronSchedule: "* * * * *" };
  test("fails when it is rejected, and neither retry policy nor cron schedule begins instead", () => {
    const run = start(deciding(hold()), retried);
    run.do((draft) => pendingAction(draft, 1)?.refuse(refuse.failure));
    expect(run.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionFailed");
    expect(run.written("workflowExecutionFailedEventAttributes")).toMatchObject({ failure: refuse.failure, newExecutionRunId: "" });
    expect(run.last.successor).toBe(null);
  });

  test("fails when nobody answers in time", () => {
    const run = start(deciding(hold(startTime + minuteMs)), retried);
    run.advance(2 * minuteMs);
    expect(run.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionFailed");
    expect(run.written("workflowExecutionFailedEventAttributes").failure?.message).toBe("approval expired: ask first");
    expect(settled(run)).toMatchObject([{ eventId: 1, hold: { approvalId: "ap-1" } }]);
  });

  test.each([
    ["cancelled", "2 WorkflowExecutionCancelRequested, 3 WorkflowExecutionCanceled", { reason: "", identity: "ann" }],
    ["terminated", "2 WorkflowExecutionTerminated", null],
  ])("is over at once when it is %s, and nobody is asked any more", (_what, events, request) => {
    const run = start(deciding(hold()));
    run.do((draft) => (request === null ? terminateRun(draft, { reason: "", identity: "ann" }) : requestCancel(draft, request)));
    expect(run.draw(2)).toBe(events);
    expect(settled(run)).toMatchObject([{ eventId: 1, hold: { approvalId: "ap-1" } }]);
  });
});

describe("a slowed-down start", () => {
  test("is decided again when its time has come, and begins", () => {
    const admit = deciding(delay(minuteMs), delay(2 * minuteMs), allow);
    const run = start(admit);
    run.signal();
    run.advance(minuteMs);
    expect([run.draw(2), admit.asked.length]).toEqual(["2 WorkflowExecutionSignaled", 2]);
    run.advance(minuteMs);
    expect([run.draw(2), admit.asked.length]).toEqual(["2 WorkflowExecutionSignaled, 3 WorkflowTaskScheduled", 3]);
  });

  test("fails if it is denied by then", () => {
    const run = start(deciding(delay(minuteMs), refuse));
    run.advance(minuteMs);
    expect(run.draw()).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionFailed");
  });

  test("may have to wait for a person by then, and its grant is remembered when it is slowed down once more", () => {
    const admit = deciding(delay(minuteMs), hold(), delay(hourMs), allow);
    const run = start(admit);
    run.advance(minuteMs);
    expect(run.state.core.startGate?.hold?.approvalId).toBe("ap-1");
    grant(run, minuteMs);
    run.advance(hourMs);
    expect(run.draw()).toBe(begun);
    const granted = { approvalId: "ap-1", jobHash: "h" };
    expect(admit.asked).toEqual([null, null, granted, granted]);
    expect(settled(run)).toEqual([]);
  });
});

test("whatever keeps a run back, its history determines the rest of its state", () => {
  for (const admit of [deciding(hold(), allow), deciding(delay(minuteMs), allow), deciding(hold())]) {
    const run = start(admit, { workflowStartDelay: toProtoTime(minuteMs) });
    const holds = () => {
      const folded = fold(run.state.key, run.history, testContext(run.now));
      expect(determinedByHistory(folded)).toEqual(determinedByHistory(run.state));
    };
    holds();
    run.signal();
    run.advance(hourMs);
    holds();
    grant(run, minuteMs);
    holds();
  }
});
