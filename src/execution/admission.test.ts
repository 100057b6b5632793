import { describe, expect, test } from "vitest";
import { minuteMs, secondMs, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { Hold } from "../protocol/generated/holdfast/state/v1/state.ts";
import { Payload } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { completeActivity } from "./activity.ts";
import type { Admission, Admit } from "./admission.ts";
import { releaseActivity } from "./admitted-activity.ts";
import { command, payloads, scheduleActivity, startTestRun, type TestRun } from "./execution.test-kit.ts";
import { applicationFailure } from "./failures.ts";

const denied = applicationFailure("denied by rule 7", "PolicyDenied");
const refuse: Admission = { effect: "refuse", marks: null, rule: "rule-7", failure: denied, snapshot: "s1" };
const allow: Admission = { effect: "allow", marks: null, caps: null, snapshot: "s1" };
const holdUntil = (expiresAt: number): Admission => ({
  effect: "hold",
  marks: null,
  caps: null,
  snapshot: "s1",
  hold: make(Hold, { approvalId: "ap-1", ruleId: "rule-7", reason: "prod needs a human", since: Date.UTC(2026, 0, 1), expiresAt }),
});

/** What the policy says of each activity by its type; the rest is allowed. */
const by =
  (types: { readonly [type: string]: Admission }): Admit =>
  ({ name }) =>
    types[name] ?? allow;

const typed = (activityId: string, type: string, fields: Parameters<typeof scheduleActivity>[1] = {}) =>
  scheduleActivity(activityId, { ...fields, activityType: { name: type } });

function runUnder(admit: Admit, ...commands: Parameters<TestRun["step"]>[0] & object): TestRun {
  const run = startTestRun({}, { admit });
  run.step(commands);
  return run;
}

describe("a refused activity", () => {
  test("fails after all commands of its task, without a worker, and wakes the workflow", () => {
    const run = runUnder(by({ Wipe: refuse }), typed("a1", "Wipe"), typed("a2", "Read"));
    expect(run.draw(5)).toBe(
      "5 ActivityTaskScheduled, 6 ActivityTaskScheduled, 7 ActivityTaskStarted, 8 ActivityTaskFailed, 9 WorkflowTaskScheduled",
    );
    expect(run.written("activityTaskFailedEventAttributes")).toMatchObject({ scheduledEventId: 5, startedEventId: 7, failure: denied });
    expect(run.last.dueTasks).toEqual([{ type: "activity", scheduledEventId: 6, eager: false }, { type: "workflow" }]);
  });

  test("is of no more account when its own workflow closes in the same task", () => {
    const run = runUnder(by({ Wipe: refuse }), typed("a1", "Wipe"), command("completeWorkflowExecution", {}));
    expect(run.draw(5)).toBe("5 ActivityTaskScheduled, 6 WorkflowExecutionCompleted");
  });
});

describe("a held activity", () => {
  const held = () =>
    runUnder(
      by({ Deploy: holdUntil(0) }),
      typed("a1", "Deploy", { startToCloseTimeout: toProtoTime(10 * secondMs), scheduleToCloseTimeout: toProtoTime(minuteMs) }),
    );

  test("is no task, and nothing times out while it waits", () => {
    const run = held();
    expect(run.last.dueTasks).toEqual([]);
    run.advance(90 * minuteMs);
    expect(run.draw(5)).toBe("5 ActivityTaskScheduled");
    expect(run.activity("a1").hold?.reason).toBe("prod needs a human");
  });

  test("is due when it is released, with all of its time left", () => {
    const run = held();
    run.doAfter(90 * minuteMs, (draft) => releaseActivity(draft, run.activity("a1"), { approvalId: "ap-1", jobHash: "h" }));
    expect(run.last.dueTasks).toEqual([{ type: "activity", scheduledEventId: 5, eager: false }]);
    expect(run.activity("a1")).toMatchObject({ heldFor: 90 * minuteMs, grantedApprovalId: "ap-1", grantedJobHash: "h", hold: undefined });
    run.advance(30 * secondMs);
    run.pollActivity("a1");
    run.do((draft) => completeActivity(draft, run.activity("a1"), { result: payloads("done"), identity: "worker" }));
    expect(run.draw(5)).toBe("5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskCompleted, 8 WorkflowTaskScheduled");
  });

  test("fails when nobody answers in time", () => {
    const run = runUnder(by({ Deploy: holdUntil(Date.UTC(2026, 0, 1) + minuteMs) }), typed("a1", "Deploy"));
    run.advance(2 * minuteMs);
    expect(run.draw(5)).toBe("5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskFailed, 8 WorkflowTaskScheduled");
    expect(run.written("activityTaskFailedEventAttributes").failure?.message).toBe("approval expired: prod needs a human");
  });

  test("is canceled at once when its workflow asks", () => {
    const run = held();
    run.signal();
    run.step([command("requestCancelActivityTask", { scheduledEventId: 5 })]);
    expect(run.draw(10)).toBe("10 ActivityTaskCancelRequested, 11 ActivityTaskCanceled, 12 WorkflowTaskScheduled");
  });
});

test("a delayed activity is due when its time has come", () => {
  const run = runUnder(
    by({ Read: { effect: "delay", marks: null, until: Date.UTC(2026, 0, 1) + minuteMs, snapshot: "s1" } }),
    typed("a1", "Read"),
  );
  expect(run.last.dueTasks).toEqual([]);
  run.advance(minuteMs);
  expect(run.last.dueTasks).toEqual([{ type: "activity", scheduledEventId: 5, eager: false }]);
});

test("what a permission limits and notes stands on the scheduled event", () => {
  const header = { "x-decision": make(Payload, { data: new Uint8Array([1]) }) };
  const run = runUnder(
    by({
      Charge: {
        effect: "allow",
        caps: { startToClose: 2 * secondMs, attempts: 3 },
        marks: { header, userMetadata: undefined },
        snapshot: "s1",
      },
    }),
    typed("a1", "Charge", { startToCloseTimeout: toProtoTime(minuteMs) }),
  );
  const scheduled = run.written("activityTaskScheduledEventAttributes");
  expect(scheduled.header?.fields).toEqual(header);
  expect(scheduled.startToCloseTimeout).toEqual(toProtoTime(2 * secondMs));
  expect(scheduled.retryPolicy?.maximumAttempts).toBe(3);
});
