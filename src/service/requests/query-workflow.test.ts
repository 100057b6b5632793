import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { secondMs } from "../../base/time.ts";
import { completeRun, payloads } from "../../execution/execution.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { QueryRejectCondition, QueryResultType } from "../../protocol/generated/temporal/api/enums/v1/query.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { WorkflowQuery, WorkflowQueryResult } from "../../protocol/generated/temporal/api/query/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollWorkflowTaskQueueRequest,
  QueryWorkflowRequest,
  RespondQueryTaskCompletedRequest,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskFailedRequest,
  SignalWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
  TerminateWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, openCore, patient, type TestCore, turn } from "../service.test-kit.ts";
import type { Caller } from "../services.ts";

const namespace = "default";
const taskQueue = make(TaskQueue, { name: "orders" });
const execution = { workflowId: "order-7", runId: "" };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
});
let core: TestCore;
afterEach(async () => {
  vi.useRealTimers();
  await core.stop();
  await core.store.close();
});

/** A core with one workflow, whose first workflow task waits. */
async function start(): Promise<void> {
  core = await openCore();
  const workflowType = { name: "Order" };
  const request = make(StartWorkflowExecutionRequest, { namespace, workflowId: "order-7", workflowType, taskQueue, requestId: "start" });
  accepted(await core.services.startWorkflowExecution(request, patient));
}
const query = (fields: Partial<QueryWorkflowRequest> = {}, caller: Caller = patient) => {
  const asked = make(WorkflowQuery, { queryType: "status" });
  return core.services.queryWorkflow(make(QueryWorkflowRequest, { namespace, execution, query: asked, ...fields }), caller);
};
const poll = async (caller: Caller = patient) =>
  accepted(await core.services.pollWorkflowTaskQueue(make(PollWorkflowTaskQueueRequest, { namespace, taskQueue }), caller)).response;
async function step(fields: Partial<RespondWorkflowTaskCompletedRequest> = {}): Promise<void> {
  const { taskToken } = await poll();
  accepted(await core.services.respondWorkflowTaskCompleted(make(RespondWorkflowTaskCompletedRequest, { taskToken, ...fields }), patient));
}
const signal = async () =>
  accepted(
    await core.services.signalWorkflowExecution(
      make(SignalWorkflowExecutionRequest, { namespace, workflowExecution: execution, signalName: "go" }),
      patient,
    ),
  );
/** Lets time pass outside, which is what those who wait for an answer measure. */
async function pass(seconds: number): Promise<void> {
  for (let second = 1; second <= seconds; second++) {
    await turn();
    core.clock.advance(secondMs);
    vi.advanceTimersByTime(secondMs);
  }
  await turn();
}
const settled = async <T>(promise: Promise<T>): Promise<T | "waiting"> => {
  for (let turns = 0; turns < 20; turns++) await turn();
  return Promise.race([promise, Promise.resolve("waiting" as const)]);
};
const answered = { resultType: QueryResultType.ANSWERED, answer: payloads("shipped") };

describe("a query is answered by a worker", () => {
  test("as a task of its own, when the workflow has nothing else to do", async () => {
    await start();
    await step();
    const asked = query();
    const task = await poll();
    expect(task).toMatchObject({ query: { queryType: "status" }, startedEventId: 0, previousStartedEventId: 3, attempt: 1 });
    const { taskToken } = task;
    const answer = make(RespondQueryTaskCompletedRequest, {
      taskToken,
      completedType: QueryResultType.ANSWERED,
      queryResult: payloads("shipped"),
    });
    accepted(await core.services.respondQueryTaskCompleted(answer, patient));
    expect(await asked).toMatchObject({ ok: true, value: { queryResult: payloads("shipped") } });
    // It counts once.
    expect(await core.services.respondQueryTaskCompleted(answer, patient)).toMatchObject({ ok: false, error: { kind: "not-found" } });
  });

  test("with the workflow task, when facts wait that the answer must reflect", async () => {
    await start();
    await step();
    await signal();
    const asked = query();
    await turn();
    const { taskToken, queries } = await poll();
    const [id = ""] = Object.keys(queries);
    const queryResults = { [id]: make(WorkflowQueryResult, answered) };
    accepted(
      await core.services.respondWorkflowTaskCompleted(make(RespondWorkflowTaskCompletedRequest, { taskToken, queryResults }), patient),
    );
    expect(await asked).toMatchObject({ ok: true, value: { queryResult: payloads("shipped") } });
  });

  test("who may say that it failed", async () => {
    await start();
    await step();
    const asked = query();
    const { taskToken } = await poll();
    const answer = make(RespondQueryTaskCompletedRequest, {
      taskToken,
      completedType: QueryResultType.FAILED,
      errorMessage: "no such query",
    });
    accepted(await core.services.respondQueryTaskCompleted(answer, patient));
    expect(await asked).toMatchObject({ ok: false, error: { kind: "query-failed", message: "no such query" } });
  });

  test("also after the run has closed", async () => {
    await start();
    await step({ commands: [completeRun] });
    const asked = query();
    expect((await poll()).query?.queryType).toBe("status");
    core.drain();
    await pass(60);
    await asked;
  });
});

describe("it is refused", () => {
  test("when no worker polls the queue for 20 s", async () => {
    await start();
    await step();
    const asked = query();
    expect(await settled(asked)).toBe("waiting");
    await pass(25);
    expect(await asked).toEqual({
      ok: false,
      error: { kind: "failed-precondition", message: "no poller seen for task queue recently, worker may be down" },
    });
  });

  test("when its caller's time is over before a worker answered", async () => {
    await start();
    await step();
    const asked = query({}, { ...patient, deadline: Date.now() + 3 * secondMs });
    await poll();
    await pass(3);
    expect(await asked).toEqual({
      ok: false,
      error: { kind: "deadline-exceeded", message: "query timed out before a worker could process it" },
    });
  });

  test("when its caller goes away", async () => {
    await start();
    await step();
    const caller = new AbortController();
    const asked = query({}, { ...patient, signal: caller.signal });
    await turn();
    caller.abort();
    expect(await asked).toMatchObject({ ok: false, error: { kind: "deadline-exceeded" } });
  });

  test("when the run closed before a worker ever saw it", async () => {
    await start();
    const request = make(TerminateWorkflowExecutionRequest, { namespace, workflowExecution: execution });
    accepted(await core.services.terminateWorkflowExecution(request, patient));
    expect(await query()).toMatchObject({ ok: false, error: { kind: "workflow-not-ready" } });
  });

  test("while the workflow task keeps failing", async () => {
    await start();
    for (let attempt = 1; attempt <= 2; attempt++) {
      const { taskToken } = await poll();
      accepted(await core.services.respondWorkflowTaskFailed(make(RespondWorkflowTaskFailedRequest, { taskToken }), patient));
    }
    expect(await query()).toMatchObject({
      error: { kind: "failed-precondition", message: "Unable to query workflow due to Workflow Task in failed state." },
    });
  });

  test.each([
    ["open", QueryRejectCondition.NOT_OPEN, "waiting"],
    ["completed", QueryRejectCondition.NOT_OPEN, WorkflowExecutionStatus.COMPLETED],
    ["completed", QueryRejectCondition.NOT_COMPLETED_CLEANLY, "waiting"],
    ["completed", QueryRejectCondition.NONE, "waiting"],
  ] as const)("if its caller wants it so: of a run that is %s, condition %i", async (state, queryRejectCondition, outcome) => {
    await start();
    await step(state === "open" ? {} : { commands: [completeRun] });
    const asked = query({ queryRejectCondition });
    const found = await settled(asked);
    expect(found === "waiting" ? found : accepted(found).queryRejected?.status).toBe(outcome);
    await pass(25);
    await asked;
  });

  test("of a workflow that is not there", async () => {
    await start();
    expect(await query({ execution: { workflowId: "another", runId: "" } })).toMatchObject({ error: { kind: "not-found" } });
    expect(await query({ namespace: "nowhere" })).toMatchObject({ error: { kind: "namespace-not-found" } });
  });
});
