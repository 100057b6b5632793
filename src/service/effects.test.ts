import { describe, expect, test } from "vitest";
import { command, drawHistory, startChild } from "../execution/execution.test-kit.ts";
import { snapshotFrom } from "../governance/policy/policy.test-kit.ts";
import { make } from "../protocol/codec.ts";
import type { Command } from "../protocol/generated/temporal/api/command/v1/message.ts";
import { History } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  DeleteWorkflowExecutionRequest,
  GetWorkflowExecutionHistoryRequest,
  PollWorkflowTaskQueueRequest,
  RespondWorkflowTaskCompletedRequest,
  StartWorkflowExecutionRequest,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, openCore, openTestStore, patient, type TestCore, turn } from "./service.test-kit.ts";

// An effect is committed first and carried out then. Between the two another policy may come into force.

const rules = (decision: string) =>
  snapshotFrom(`
version: v1
default_decision: allow
rules:
  - { id: others, match: { kinds: [child-workflow, external-signal, external-cancellation] }, decision: ${decision}, reason: not today }
`);

const namespace = "default";
const taskQueue = make(TaskQueue, { name: "orders" });
const order = { workflowId: "order-7", runId: "" };

/** Starts a workflow whose first workflow task answers with this. */
async function ask({ services }: TestCore, asked: Command): Promise<void> {
  const start = {
    namespace,
    workflowId: order.workflowId,
    workflowType: { name: "Order" },
    taskQueue,
    requestId: "start",
    identity: "ann",
  };
  accepted(await services.startWorkflowExecution(make(StartWorkflowExecutionRequest, start), patient));
  const { response } = accepted(
    await services.pollWorkflowTaskQueue(make(PollWorkflowTaskQueueRequest, { namespace, taskQueue }), patient),
  );
  const done = make(RespondWorkflowTaskCompletedRequest, { namespace, taskToken: response.taskToken, commands: [asked] });
  accepted(await services.respondWorkflowTaskCompleted(done, patient));
}

async function drawn({ services }: TestCore): Promise<string> {
  const request = make(GetWorkflowExecutionHistoryRequest, { namespace, execution: order });
  const { history } = accepted(await services.getWorkflowExecutionHistory(request, patient));
  return drawHistory(History.decode(history ?? new Uint8Array()).events.filter(({ eventId }) => eventId > 5));
}

const toOther = { execution: { workflowId: "other", runId: "" } };
test.each([
  // what is asked for                                                          what comes of it
  [startChild("other"), "6 ChildWorkflowExecutionStarted, 7 ChildWorkflowExecutionFailed, 8 WorkflowTaskScheduled"],
  [
    command("signalExternalWorkflowExecution", { ...toOther, signalName: "go" }),
    "6 SignalExternalWorkflowExecutionFailed, 7 WorkflowTaskScheduled",
  ],
  [
    command("requestCancelExternalWorkflowExecution", { workflowId: "other" }),
    "6 RequestCancelExternalWorkflowExecutionFailed, 7 WorkflowTaskScheduled",
  ],
])("what was allowed when it was asked for does not leave once the policy denies it: %#", async (asked, refused) => {
  const store = await openTestStore();
  let letGo = () => {};
  const stuck = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const core = await openCore({
    store: {
      ...store,
      // Every effect looks first for the run that it is about.
      currentRunId: async (of) => {
        if (of.workflowId === "other") await stuck;
        return store.currentRunId(of);
      },
    },
  });
  core.kernel.enforce(rules("ALLOW"));
  await ask(core, asked);
  expect(await drawn(core)).toBe("");
  core.kernel.enforce(rules("DENY"));
  letGo();
  for (let turns = 0; turns < 100 && (await drawn(core)) === ""; turns++) await turn();
  expect(await drawn(core)).toBe(refused);
  const read = await core.audit.list({ namespace, since: null, until: null, kinds: ["decision"], runId: null, after: null, limit: 100 });
  const decisions = (read.ok ? read.value.entries : []).map(({ body }) => JSON.parse(Buffer.from(body).toString()));
  expect(decisions.filter(({ rule }) => rule === "others").map(({ effect }) => effect)).toEqual(["ALLOW", "DENY"]);
  await core.stop();
  await store.close();
});

test("whoever started a workflow acts through its children: nobody approves their own request by way of a child", async () => {
  const core = await openCore();
  await ask(core, startChild("other"));
  for (let turns = 0; turns < 100 && (await drawn(core)) === ""; turns++) await turn();
  const request = make(GetWorkflowExecutionHistoryRequest, { namespace, execution: toOther.execution });
  const { history } = accepted(await core.services.getWorkflowExecutionHistory(request, patient));
  const [started] = History.decode(history ?? new Uint8Array()).events;
  expect(started?.attributes).toMatchObject({ value: { identity: "ann", parentWorkflowExecution: { workflowId: order.workflowId } } });
  await core.stop();
});

describe("a run that is deleted while it is open", () => {
  /** A child whose parent hears of its end as soon as `tell` is called. */
  async function openFamily() {
    const store = await openTestStore();
    let tell = () => {};
    const told = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const order: string[] = [];
    const core = await openCore({
      store: {
        ...store,
        commit: async (changes) => {
          const reports = changes.flatMap(({ deleteOutbox }) => deleteOutbox).filter(({ kind }) => kind === reportToParent);
          if (reports.length > 0) await told;
          const outcomes = await store.commit(changes);
          if (reports.length > 0) order.push("the parent is told");
          return outcomes;
        },
        deleteRuns: (keys) => {
          order.push("the run is removed");
          return store.deleteRuns(keys);
        },
      },
    });
    await ask(core, startChild("other"));
    for (let turns = 0; turns < 100 && (await drawn(core)) === ""; turns++) await turn();
    return { core, tell, order };
  }
  const reportToParent = 4;
  const remove = ({ services }: TestCore, workflowId: string) =>
    services.deleteWorkflowExecution(
      make(DeleteWorkflowExecutionRequest, { namespace, workflowExecution: { workflowId, runId: "" } }),
      patient,
    );

  test("goes after its parent was told of its end", async () => {
    const { core, tell, order } = await openFamily();
    const removed = remove(core, "other");
    for (let turns = 0; turns < 50; turns++) await turn();
    expect(order).toEqual([]);
    tell();
    accepted(await removed);
    expect(order).toEqual(["the parent is told", "the run is removed"]);
    expect(await drawn(core)).toBe("6 ChildWorkflowExecutionStarted, 7 WorkflowTaskScheduled, 8 ChildWorkflowExecutionTerminated");
    await core.stop();
  });

  test("goes after its children were closed", async () => {
    const { core, tell } = await openFamily();
    tell();
    accepted(await remove(core, order.workflowId));
    const request = make(GetWorkflowExecutionHistoryRequest, { namespace, execution: toOther.execution });
    const { history } = accepted(await core.services.getWorkflowExecutionHistory(request, patient));
    expect(drawHistory(History.decode(history ?? new Uint8Array()).events)).toMatch(/WorkflowExecutionTerminated$/);
    await core.stop();
  });

  test("stays, closed, while its parent cannot be told", async () => {
    const { core, tell } = await openFamily();
    const removed = remove(core, "other");
    for (let turns = 0; turns < 50; turns++) await turn();
    const recovered = core.store.fail();
    tell();
    expect(await removed).toMatchObject({ error: { kind: "unavailable" } });
    recovered();
    await core.stop();
  });
});
