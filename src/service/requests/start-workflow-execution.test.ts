import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { make } from "../../protocol/codec.ts";
import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  DescribeWorkflowExecutionRequest,
  SignalWithStartWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
  TerminateWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, openCore, patient, type TestCore, turn } from "../service.test-kit.ts";

const namespace = "default";
const workflowType = { name: "Order" };
const taskQueue = make(TaskQueue, { name: "orders" });
let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(async () => {
  await core.stop();
  await core.store.close();
});

const start = (fields: Partial<StartWorkflowExecutionRequest> = {}) =>
  core.services.startWorkflowExecution(
    make(StartWorkflowExecutionRequest, { namespace, workflowId: "order-7", workflowType, taskQueue, ...fields }),
    patient,
  );
const terminate = () =>
  core.services.terminateWorkflowExecution(
    make(TerminateWorkflowExecutionRequest, { namespace, workflowExecution: { workflowId: "order-7", runId: "" } }),
    patient,
  );
const statusOf = async (runId: string) => {
  const request = make(DescribeWorkflowExecutionRequest, { namespace, execution: { workflowId: "order-7", runId } });
  return accepted(await core.services.describeWorkflowExecution(request, patient)).workflowExecutionInfo?.status;
};

describe("a workflow is started once", () => {
  test("by requests that arrive together: one starts it, the others are refused", async () => {
    const started = await Promise.all(["a", "b", "c"].map((requestId) => start({ requestId })));
    expect(started.filter(({ ok }) => ok)).toHaveLength(1);
    expect(started.filter(({ ok }) => !ok)).toMatchObject([
      { error: { kind: "workflow-already-started" } },
      { error: { kind: "workflow-already-started" } },
    ]);
  });

  test("by one request that is repeated", async () => {
    const [first, second] = await Promise.all([start({ requestId: "a" }), start({ requestId: "a" })]);
    expect(accepted(second)).toMatchObject({ runId: accepted(first).runId, started: true });
  });

  test("or found running", async () => {
    const { runId } = accepted(await start({ requestId: "a" }));
    const found = await start({ requestId: "b", workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING });
    expect(accepted(found)).toMatchObject({ runId, started: false });
  });
});

test("in place of a running one, both happen in one commit", async () => {
  const old = accepted(await start());
  const conflict = { workflowIdReusePolicy: WorkflowIdReusePolicy.TERMINATE_IF_RUNNING };
  const repair = core.store.fail();
  await expect(start(conflict)).rejects.toThrow("disk full");
  repair();
  expect(await statusOf("")).toBe(1);
  const { runId } = accepted(await start(conflict));
  expect(runId).not.toBe(old.runId);
  expect([await statusOf(old.runId), await statusOf(runId)]).toEqual([5, 1]);
});

test("not after one whose closing was lost: that one still runs", async () => {
  const { runId } = accepted(await start());
  const release = core.store.hold();
  const repair = core.store.fail();
  const closing = terminate().catch(() => "lost");
  await turn();
  const starting = start();
  await turn();
  release();
  expect(await closing).toBe("lost");
  repair();
  expect(await starting).toMatchObject({ ok: false, error: { kind: "workflow-already-started", runId } });
  expect(await statusOf("")).toBe(1);
});

describe("signal with start", () => {
  const signal = (fields: Partial<SignalWithStartWorkflowExecutionRequest> = {}) =>
    core.services.signalWithStartWorkflowExecution(
      make(SignalWithStartWorkflowExecutionRequest, {
        namespace,
        workflowId: "order-7",
        workflowType,
        taskQueue,
        signalName: "go",
        ...fields,
      }),
      patient,
    );

  test("starts, then only signals", async () => {
    const first = accepted(await signal());
    expect(first.started).toBe(true);
    expect(accepted(await signal())).toMatchObject({ runId: first.runId, started: false });
  });

  test("cannot be told to fail over a running workflow", async () => {
    expect(await signal({ workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL })).toMatchObject({
      error: { kind: "invalid-argument", message: expect.stringContaining("is not supported for this operation") },
    });
  });
});
