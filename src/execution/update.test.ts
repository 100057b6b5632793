import { describe, expect, test } from "vitest";
import { make } from "../protocol/codec.ts";
import { ResourceExhaustedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { Message } from "../protocol/generated/temporal/api/protocol/v1/message.ts";
import { Acceptance } from "../protocol/generated/temporal/api/update/v1/message.ts";
import {
  accepts,
  command,
  completeRun,
  payloads,
  place,
  rejects,
  responds,
  startTestRun,
  type TestRun,
  updateRequest,
  type World,
} from "./execution.test-kit.ts";
import { admitUpdate, sendUpdates, updateStatus } from "./update.ts";

/** A run that has nothing to do. */
function idle(world: World = {}): TestRun {
  const run = startTestRun({}, world);
  run.step();
  return run;
}
const stage = (run: TestRun, updateId: string) => updateStatus(run.state, updateId)?.stage ?? null;
const accept = (run: TestRun, ...ids: string[]) =>
  run.step(
    ids.map((id) => place(accepts(id))),
    { messages: ids.map(accepts) },
  );

test("an update is admitted, accepted by the workflow, and completed, in one workflow task or in several", () => {
  const run = idle();
  expect(stage(run, "u1")).toBeNull();
  run.admitUpdate("u1");
  expect(stage(run, "u1")).toBe("admitted");
  accept(run, "u1");
  expect(stage(run, "u1")).toBe("accepted");
  run.signal();
  run.step([place(responds("u1"))], { messages: [responds("u1")] });
  expect(stage(run, "u1")).toBe("completed");
  expect(run.draw(8)).toBe(
    "8 WorkflowExecutionUpdateAccepted, 9 WorkflowExecutionSignaled, 10 WorkflowTaskScheduled, 11 WorkflowTaskStarted, " +
      "12 WorkflowTaskCompleted, 13 WorkflowExecutionUpdateCompleted",
  );
  expect(run.written("workflowExecutionUpdateCompletedEventAttributes")).toMatchObject({
    acceptedEventId: 8,
    outcome: { value: { $case: "success", value: payloads("done") } },
  });
});

test("a workflow task carries those that wait, each once", () => {
  const run = idle();
  run.admitUpdate("u1");
  run.admitUpdate("u2");
  expect(run.state.core.workflowTask).toMatchObject({ speculative: true });
  run.poll();
  run.do((draft) => {
    expect(sendUpdates(draft)).toEqual([]);
  });
  expect([...run.state.admitted.values()].map(({ updateId, sentWith }) => [updateId, sentWith])).toEqual([
    ["u1", 6],
    ["u2", 6],
  ]);
});

test("its message names the request and the event before the task's start", () => {
  const run = idle();
  run.admitUpdate("u1");
  let messages: Message[] = [];
  run.do((draft) => {
    draft.core.workflowTask = { ...(draft.core.workflowTask ?? expect.fail()), startedEventId: 6 };
    messages = sendUpdates(draft);
  });
  expect(messages).toMatchObject([
    { id: "u1/request", protocolInstanceId: "u1", sequencingId: { value: 5 }, body: { typeUrl: expect.stringMatching(/v1\.Request$/) } },
  ]);
});

test("one that arrives while a worker holds a task waits for the next", () => {
  const run = startTestRun();
  run.poll();
  run.admitUpdate("u1");
  run.complete();
  expect(stage(run, "u1")).toBe("admitted");
  expect(run.state.core.workflowTask).toMatchObject({ speculative: true });
});

describe("what a worker may answer", () => {
  test("a rejection leaves no trace in the run; its caller gets the failure", () => {
    const run = idle();
    run.admitUpdate("u1");
    run.step([], { messages: [rejects("u1")] });
    expect(stage(run, "u1")).toBeNull();
    expect(run.last.rejections.get("u1")).toMatchObject({ message: "not now" });
    expect(run.state.core.updateCount).toBe(0);
  });

  test("nothing at all rejects it: the worker does not know updates", () => {
    const run = idle();
    run.admitUpdate("u1");
    run.step();
    expect(run.last.rejections.get("u1")).toMatchObject({
      message: expect.stringContaining("wasn't processed by worker"),
      failureInfo: { value: { type: "UnprocessedUpdate", nonRetryable: true } },
    });
    expect(run.history).toHaveLength(4);
  });

  test("an acceptance carries the request, for a server that restarted meanwhile", () => {
    const run = idle();
    run.signal();
    accept(run, "u1");
    expect(run.written("workflowExecutionUpdateAcceptedEventAttributes")).toMatchObject({ acceptedRequest: updateRequest("u1") });
  });

  test.each([
    ["accepted twice", [accepts("u1"), accepts("u1")], "update `u1` cannot be accepted now"],
    ["rejected after it was accepted", [accepts("u1"), rejects("u1")], "update `u1` is accepted already"],
    ["completed before it was accepted", [responds("u1")], "update `u1` is not running"],
    ["completed twice", [accepts("u1"), responds("u1"), responds("u1")], "update `u1` is not running"],
    ["answered by an unknown message", [make(Message, { id: "m", protocolInstanceId: "u1" })], "unknown message type ``"],
  ])("%s: the task fails", (_, messages, problem) => {
    const run = idle();
    run.admitUpdate("u1");
    const numbered = messages.map((message, index) => ({ ...message, id: `${index}` }));
    const refusal = run.step([command("recordMarker", { markerName: "m" })], { messages: numbered });
    expect(refusal).toMatchObject({ message: `BadUpdateWorkflowExecutionMessage: ${problem}` });
    expect(stage(run, "u1")).toBe("admitted");
  });

  test("nor is one accepted whose request nobody knows", () => {
    const run = idle();
    run.signal();
    const message = accepts("u1");
    const unknown = { ...message, body: { typeUrl: message.body?.typeUrl ?? "", value: Acceptance.encode(make(Acceptance)).finish() } };
    expect(run.step([], { messages: [unknown] })).toMatchObject({ kind: "invalid-argument" });
  });
});

describe("bounds", () => {
  const exhausted = { kind: "resource-exhausted", cause: ResourceExhaustedCause.CONCURRENT_LIMIT };
  test("so many at one time; one that completed makes room", () => {
    const run = idle({ limits: { updatesInFlight: 2 } });
    run.admitUpdate("u1");
    accept(run, "u1");
    run.admitUpdate("u2");
    expect(run.admitUpdate("u3")).toMatchObject({ ok: false, error: exhausted });
    run.step([], { messages: [accepts("u2"), responds("u1")] });
    expect(run.admitUpdate("u3")).toMatchObject({ ok: true });
  });

  test("so many bytes at one time", () => {
    const run = idle({ limits: { updatesInFlightBytes: 30 } });
    run.admitUpdate("u1");
    expect(run.admitUpdate("u2")).toMatchObject({
      error: { ...exhausted, message: "limit on total payload size of in-flight updates has been reached (30 bytes)" },
    });
  });

  test("so many in one run", () => {
    const run = idle({ limits: { updatesPerRun: 1 } });
    run.admitUpdate("u1");
    run.step([], { messages: [accepts("u1"), responds("u1")] });
    expect(run.admitUpdate("u2")).toMatchObject({
      error: { kind: "failed-precondition", message: expect.stringContaining("has been reached (1)") },
    });
  });

  test("an input that is too large", () => {
    const run = idle({ limits: { blobSizeError: 10 } });
    const request = updateRequest("u1");
    const large = { ...request, input: { ...(request.input ?? expect.fail()), args: payloads(100) } };
    expect(run.decide((draft) => admitUpdate(draft, "u1", large))).toMatchObject({ error: { message: "Blob data size exceeds limit." } });
  });

  test("none while the workflow task keeps failing", () => {
    const run = startTestRun();
    for (let attempt = 1; attempt <= 3; attempt++) {
      run.poll();
      run.fail();
    }
    expect(run.admitUpdate("u1")).toMatchObject({
      error: {
        kind: "workflow-not-ready",
        message: "Unable to perform workflow execution update due to Workflow Task in failed state.",
      },
    });
  });
});

describe("when the run closes", () => {
  test("those that nobody accepted are gone; what was accepted stays known", () => {
    const run = idle();
    run.admitUpdate("u1");
    run.admitUpdate("u2");
    run.step([completeRun], { messages: [accepts("u1")] });
    expect([stage(run, "u1"), stage(run, "u2")]).toEqual(["accepted", null]);
  });

  test("there are no new ones", () => {
    const run = idle();
    run.signal();
    run.step([completeRun]);
    expect(run.admitUpdate("u1")).toEqual({
      ok: false,
      error: { kind: "not-found", message: "workflow execution already completed" },
    });
  });
});
