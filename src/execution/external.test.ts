import { describe, expect, test } from "vitest";
import {
  CancelExternalWorkflowExecutionFailedCause,
  SignalExternalWorkflowExecutionFailedCause,
} from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { command, completeRun, startTestRun, type TestRun } from "./execution.test-kit.ts";
import { externalCancelDone, externalSignalDone } from "./external.ts";

/** A run that sent a signal (event 5) and a cancel request (event 6) to another execution. */
function sender(): TestRun {
  const run = startTestRun();
  run.step([
    command("signalExternalWorkflowExecution", { execution: { workflowId: "other", runId: "" }, signalName: "go", control: "c" }),
    command("requestCancelExternalWorkflowExecution", { workflowId: "other", reason: "late" }),
  ]);
  return run;
}
const signaled = (run: TestRun, cause: SignalExternalWorkflowExecutionFailedCause | null = null) =>
  run.do((draft) => externalSignalDone(draft, 5, cause));
const canceled = (run: TestRun, cause: CancelExternalWorkflowExecutionFailedCause | null = null) =>
  run.do((draft) => externalCancelDone(draft, 6, cause));

test("commands ask; the server carries them out after the commit", () => {
  const run = sender();
  expect(run.draw(5)).toBe("5 SignalExternalWorkflowExecutionInitiated, 6 RequestCancelExternalWorkflowExecutionInitiated");
  expect(run.last.effects).toMatchObject([
    { kind: "signal-external", initiated: { eventId: 5 } },
    { kind: "cancel-external", initiated: { eventId: 6 } },
  ]);
});

describe("the sender hears what came of it", () => {
  const { EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND: noSignalTarget } = SignalExternalWorkflowExecutionFailedCause;
  const { EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND: noCancelTarget } = CancelExternalWorkflowExecutionFailedCause;
  test.each([
    ["a signal that arrived", signaled, "ExternalWorkflowExecutionSignaled"],
    ["a signal that did not", (run: TestRun) => signaled(run, noSignalTarget), "SignalExternalWorkflowExecutionFailed"],
    ["a cancel request that arrived", canceled, "ExternalWorkflowExecutionCancelRequested"],
    ["one that did not", (run: TestRun) => canceled(run, noCancelTarget), "RequestCancelExternalWorkflowExecutionFailed"],
  ] as const)("%s", (_, happen, event) => {
    const run = sender();
    happen(run);
    expect(run.draw(7)).toBe(`7 ${event}, 8 WorkflowTaskScheduled`);
    expect(run.state.externalSignals.size + run.state.externalCancels.size).toBe(1);
  });

  test("once, also while the first news waits in the buffer", () => {
    const run = sender();
    run.signal();
    run.poll();
    for (let times = 1; times <= 2; times++) {
      signaled(run);
      canceled(run);
    }
    run.complete();
    signaled(run);
    canceled(run);
    expect(run.draw(10)).toBe(
      "10 WorkflowTaskCompleted, 11 ExternalWorkflowExecutionSignaled, 12 ExternalWorkflowExecutionCancelRequested, 13 WorkflowTaskScheduled",
    );
  });

  test("not when it has closed", () => {
    const run = sender();
    run.signal();
    run.step([completeRun]);
    const before = run.draw();
    signaled(run);
    canceled(run);
    expect(run.draw()).toBe(before);
  });
});
