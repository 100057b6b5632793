import { describe, expect, test } from "vitest";
import { make } from "../protocol/codec.ts";
import { Payload, Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { Admission, Admit, WantedAction } from "./admission.ts";
import { command, completeRun, startTestRun } from "./execution.test-kit.ts";
import { denialFailure } from "./failures.ts";

const allow: Admission = { effect: "allow", marks: null, caps: null, snapshot: "s1" };
const refuse: Admission = {
  effect: "refuse",
  marks: null,
  rule: "no-local-charges",
  failure: denialFailure({ rule: "no-local-charges", reason: "charge as an activity", snapshot: "s1", remediations: [] }),
  snapshot: "s1",
};

const payloads = (value: unknown, encoding = "json/plain"): Payloads =>
  make(Payloads, {
    payloads: [make(Payload, { metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(JSON.stringify(value)) })],
  });
const marker = (markerName: string, details: { readonly [key: string]: Payloads }) => command("recordMarker", { markerName, details });
const core = (type: string, encoding?: string) =>
  marker("core_local_activity", { data: payloads({ seq: 1, attempt: 2, activity_id: "1", activity_type: type }, encoding) });

/** Decides as told, and notes what it was asked. */
function noting(admission: Admission): Admit & { readonly asked: WantedAction[] } {
  const asked: WantedAction[] = [];
  const admit: Admit = (wanted) => {
    if (wanted.kind !== "local-activity") return allow;
    asked.push(wanted);
    return admission;
  };
  return Object.assign(admit, { asked });
}

const input = payloads({ amount: 5 });
test.each([
  // SDKs                         marker                                                                                     what is decided
  ["TypeScript, Python, .NET, Ruby", core("Charge"), { name: "Charge", id: "1", attempt: 2 }],
  [
    "Go, PHP",
    marker("LocalActivity", { data: payloads({ ActivityID: "1", ActivityType: "Charge", Attempt: 2 }), result: payloads("ok") }),
    { name: "Charge", id: "1", attempt: 2 },
  ],
  [
    "Java",
    marker("LocalActivity", { type: payloads("Charge"), activityId: payloads("1"), input, result: payloads("ok") }),
    { name: "Charge", id: "1", attempt: 1, input },
  ],
  [
    "Java, formerly",
    marker("LocalActivity", { type: payloads("Charge"), data: payloads({ ActivityType: "Read" }) }),
    { name: "Charge", id: "" },
  ],
  ["any, encrypted", core("Charge", "binary/encrypted"), { name: "", id: "", attempt: 1 }],
  ["any, without details", marker("core_local_activity", {}), { name: "", id: "", attempt: 1 }],
])("a local activity of %s is decided by its marker", (_sdk, command, wanted) => {
  const admit = noting(allow);
  const run = startTestRun({}, { admit });
  expect(run.step([command])).toBe(null);
  expect(run.draw(4)).toBe("4 WorkflowTaskCompleted, 5 MarkerRecorded");
  expect(admit.asked).toMatchObject([{ kind: "local-activity", taskQueue: "orders", ...wanted }]);
});

test.each(["core_patch", "Version", "SideEffect", "MutableSideEffect", "mine"])("a marker `%s` is none", (name) => {
  const admit = noting(refuse);
  const run = startTestRun({}, { admit });
  expect(run.step([marker(name, {})])).toBe(null);
  expect(admit.asked).toEqual([]);
});

test("a local activity that its worker has refused itself is not decided again", () => {
  const admit = noting(refuse);
  const run = startTestRun({}, { admit });
  const failure = denialFailure({ rule: "no-charges", reason: "no charges", snapshot: "s1", remediations: [] });
  const details = { data: payloads({ activity_type: "Charge" }) };
  expect(run.step([command("recordMarker", { markerName: "core_local_activity", details, failure })])).toBe(null);
  expect(admit.asked).toEqual([]);
});

describe("a refused local activity", () => {
  const refusal = {
    kind: "invalid-argument",
    message:
      "BadRecordMarkerAttributes: local activity `Charge` is denied by rule `no-local-charges`: charge as an activity (policy snapshot s1)",
  };

  test("fails the workflow task, and nothing else of the completion happens", () => {
    const run = startTestRun({}, { admit: noting(refuse) });
    expect(run.step([command("startTimer", { timerId: "t" }), core("Charge"), completeRun])).toEqual(refusal);
    expect(run.draw(3)).toBe("3 WorkflowTaskStarted, 4 WorkflowTaskFailed");
    expect(run.written("workflowTaskFailedEventAttributes").failure?.message).toBe(refusal.message.split("Attributes: ")[1]);
    expect(run.state.timers.size).toBe(0);
  });

  test("again: the task waits for its time-out, so that nothing runs in circles", () => {
    const admit = noting(refuse);
    const run = startTestRun({}, { admit });
    run.step([core("Charge")]);
    run.poll();
    expect(run.complete([core("Charge")])).toEqual(refusal);
    expect(run.last.dueTasks).toEqual([]);
    expect(run.state.core.workflowTask?.attempt).toBe(2);
    expect(admit.asked.length).toBe(2);
    run.advance(10_000);
    expect(run.state.core.workflowTask?.attempt).toBe(3);
  });
});
