import { describe, expect, test } from "vitest";
import { minuteMs, secondMs } from "../../base/time.ts";
import { command, startChild } from "../../execution/execution.test-kit.ts";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { Approval, ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  DescribeWorkflowExecutionRequest,
  PollWorkflowTaskQueueRequest,
  RespondWorkflowTaskCompletedRequest,
  StartWorkflowExecutionRequest,
  TerminateWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { change } from "../../store/contract/material.ts";
import type { BacklogTask, RunKey } from "../../store/store.ts";
import { holdActivity, pollActivity } from "../approvals/approvals.test-kit.ts";
import { fail, poll, schedule } from "../limits/limits.test-kit.ts";
import { accepted, openCore, openTestStore, patient, type TestCore, turn } from "../service.test-kit.ts";

// Each kind of damage is done to the store by hand, between two lives of the server, and seen to be repaired or reported.

const namespace = "default";
const taskQueue = make(TaskQueue, { name: "orders" });

/** The server of tomorrow over the store of today, with what a test does to it in between. */
async function afterDamage(core: TestCore, damage: (store: TestCore["store"]) => Promise<unknown>): Promise<TestCore> {
  const snapshot = core.kernel.snapshot();
  await core.stop();
  await damage(core.store);
  core.clock.jump(2 * minuteMs);
  const next = await openCore({ store: core.store, clock: core.clock });
  next.kernel.enforce(snapshot);
  return next;
}

const look = async ({ reconciler }: TestCore) => (await reconciler.look()).map(({ kind, outcome }) => `${kind} ${outcome}`);

async function close(core: TestCore): Promise<void> {
  await core.stop();
  await core.store.close();
}

async function start({ services }: TestCore, workflowId: string): Promise<string> {
  const request = make(StartWorkflowExecutionRequest, {
    namespace,
    workflowId,
    workflowType: { name: "Order" },
    taskQueue,
    requestId: workflowId,
  });
  return accepted(await services.startWorkflowExecution(request, patient)).runId;
}

async function answer({ services }: TestCore, ...commands: Command[]): Promise<void> {
  const { response } = accepted(
    await services.pollWorkflowTaskQueue(make(PollWorkflowTaskQueueRequest, { namespace, taskQueue }), patient),
  );
  const done = make(RespondWorkflowTaskCompletedRequest, { namespace, taskToken: response.taskToken, commands });
  accepted(await services.respondWorkflowTaskCompleted(done, patient));
}

async function keyOf({ store }: TestCore, runId: string): Promise<RunKey> {
  const key = (await store.readRuns("", 1_000)).find((one) => one.runId === runId);
  if (key === undefined) throw new Error("there is no such run");
  return key;
}

async function backlogOf({ store }: TestCore): Promise<readonly BacklogTask[]> {
  const queues = await store.readQueues();
  return (await Promise.all(queues.map((queue) => store.readTasks(queue, null, 100)))).flat();
}

const describeRun = async ({ services }: TestCore, workflowId: string) =>
  accepted(
    await services.describeWorkflowExecution(
      make(DescribeWorkflowExecutionRequest, { namespace, execution: { workflowId, runId: "" } }),
      patient,
    ),
  );

const deny = snapshotFrom(`
version: v1
default_decision: allow
rules:
  - { id: no, match: { names: [Pack] }, decision: DENY, reason: not today }
`);
const refundsAsk = snapshotFrom(`
version: v1
default_decision: allow
rules:
  - { id: refunds, match: { names: [Refund] }, decision: REQUIRE_APPROVAL, reason: money leaves }
`);

describe("what waits as it should is left alone", () => {
  test("tasks with workers, timers, held activities and room that is in use", async () => {
    const core = await openCore();
    core.kernel.enforce(refundsAsk);
    await holdActivity(core);
    await schedule(core, { workflowId: "order-1", types: ["Pack"] });
    expect(await poll(core)).not.toBeNull();
    await start(core, "order-2");
    await answer(core, command("startTimer", { timerId: "1", startToFireTimeout: { seconds: 3_600, nanos: 0 } }));
    core.clock.jump(2 * minuteMs);
    expect(await look(core)).toEqual([]);
    expect(core.reconciler.recent()).toEqual([]);
    await close(core);
  });
});

describe("tasks", () => {
  test("one whose row is gone is due again, and a worker gets it", async () => {
    const first = await openCore();
    await schedule(first, { workflowId: "order-1", types: ["Pack", "Ship"] });
    const core = await afterDamage(first, async (store) => store.commit([change({ deleteTasks: await backlogOf(first) })]));
    expect(await look(core)).toEqual(["lost-task repaired", "lost-task repaired"]);
    expect((await poll(core))?.activityType?.name).toBe("Pack");
    expect((await poll(core))?.activityType?.name).toBe("Ship");
    expect(await look(core)).toEqual([]);
    await close(core);
  });

  test("a workflow task as well", async () => {
    const first = await openCore();
    await start(first, "order-1");
    const core = await afterDamage(first, async (store) => store.commit([change({ deleteTasks: await backlogOf(first) })]));
    expect(await look(core)).toEqual(["lost-task repaired"]);
    await answer(core);
    await close(core);
  });

  test("what is due again is decided by the policy that is in force by then", async () => {
    const first = await openCore();
    await schedule(first, { workflowId: "order-1", types: ["Pack"] });
    const core = await afterDamage(first, async (store) => store.commit([change({ deleteTasks: await backlogOf(first) })]));
    core.kernel.enforce(deny);
    expect(await look(core)).toEqual(["lost-task repaired"]);
    expect(await poll(core)).toBeNull();
    expect((await describeRun(core, "order-1")).pendingActivities).toEqual([]);
    await close(core);
  });

  test("a row that no run wants is removed", async () => {
    const first = await openCore();
    const runId = await start(first, "order-1");
    const [row] = await backlogOf(first);
    const core = await afterDamage(first, async (store) =>
      store.commit([
        change({ putTasks: [{ ...(row as BacklogTask), run: await keyOf(first, runId), type: "activity", scheduledEventId: 77 }] }),
      ]),
    );
    expect((await look(core)).sort()).toEqual(["dead-task repaired", "unpolled-queue reported"]);
    expect((await backlogOf(core)).map(({ scheduledEventId }) => scheduledEventId)).toEqual([2]);
    await close(core);
  });

  test("the row of a later attempt is not taken for the former", async () => {
    const inner = await openTestStore();
    let rows: readonly BacklogTask[] = [];
    const core = await openCore({
      store: {
        ...inner,
        readTasks: async (...page: Parameters<typeof inner.readTasks>) => (rows.length > 0 ? rows : inner.readTasks(...page)),
      },
    });
    await schedule(core, { workflowId: "order-1", types: ["Pack"], attempts: 2 });
    rows = await backlogOf(core);
    const task = await poll(core);
    await fail(core, task?.taskToken ?? new Uint8Array());
    core.clock.advance(2 * minuteMs);
    for (let turns = 0; turns < 20; turns++) await turn();
    // The look still sees the row of the first attempt.
    expect((await look(core)).filter((finding) => finding.startsWith("dead"))).toEqual([]);
    rows = [];
    expect((await poll(core))?.attempt).toBe(2);
    await close(core);
  });

  test("a queue that nobody polls is named, once in the log and until somebody comes", async () => {
    const core = await openCore();
    await start(core, "order-1");
    expect(await look(core)).toEqual([]);
    core.clock.jump(2 * minuteMs);
    expect(await look(core)).toEqual(["unpolled-queue reported"]);
    expect(await look(core)).toEqual(["unpolled-queue reported"]);
    expect(core.reconciler.recent()).toHaveLength(1);
    await answer(core);
    expect(await look(core)).toEqual([]);
    await close(core);
  });

  test("rows that waiting workers were not told of are read", async () => {
    const inner = await openTestStore();
    const first = await openCore({ store: { ...inner, readQueues: async () => [] } });
    await schedule(first, { workflowId: "order-1", types: ["Pack"] });
    const core = await afterDamage(first, async () => {});
    expect(await poll(core)).toBeNull();
    expect(await look(core)).toEqual(["forgotten-backlog repaired"]);
    expect((await poll(core))?.activityType?.name).toBe("Pack");
    expect(await look(core)).toEqual([]);
    await close(core);
  });
});

test("a run whose wake-up was missed is woken", async () => {
  const first = await openCore();
  const runId = await start(first, "order-1");
  await answer(first, command("startTimer", { timerId: "1", startToFireTimeout: { seconds: 1, nanos: 0 } }));
  // Nothing in the store says that it wants to be woken.
  const core = await afterDamage(first, async (store) => {
    const key = await keyOf(first, runId);
    const stored = await store.loadRun(key);
    if (stored === null) throw new Error("there is no such run");
    const { version: expectedVersion, core: body } = stored;
    const write = {
      key,
      expectedVersion,
      core: body,
      putItems: [],
      deleteItems: [],
      history: [],
      wakeAt: null,
      visibility: null,
      becomeCurrent: null,
    };
    return store.commit([change({ runs: [write] })]);
  });
  expect(await look(core)).toEqual(["overdue-run repaired"]);
  await answer(core);
  expect(await look(core)).toEqual([]);
  await close(core);
});

describe("effects", () => {
  const toOther = { execution: { workflowId: "other", runId: "" }, signalName: "go" };
  test.each([
    ["a child", startChild("child-1")],
    ["a signal", command("signalExternalWorkflowExecution", toOther)],
    ["a cancellation", command("requestCancelExternalWorkflowExecution", { workflowId: "other" })],
  ])("%s that has lost its row leaves again", async (_, asked) => {
    const inner = await openTestStore();
    let isStuck = true;
    const store = {
      ...inner,
      currentRunId: async (of: Parameters<typeof inner.currentRunId>[0]) => {
        if (isStuck && of.workflowId !== "order-1") throw new Error("disk on fire");
        return inner.currentRunId(of);
      },
    };
    const first = await openCore({ store });
    await start(first, "order-1");
    await answer(first, asked);
    const core = await afterDamage(first, async () => store.commit([change({ deleteOutbox: await store.readOutbox(0, 10) })]));
    isStuck = false;
    expect(await look(core)).toEqual(["lost-departure repaired"]);
    for (let turns = 0; turns < 100 && (await store.readOutbox(0, 1)).length > 0; turns++) await turn();
    core.clock.jump(2 * minuteMs);
    // Whatever came of it, the parent has been told.
    expect((await look(core)).filter((finding) => finding.startsWith("lost"))).toEqual([]);
    await answer(core);
    await close(core);
  });

  test("a row that nobody was going to look at is carried out, and one that fails again and again is named", async () => {
    const inner = await openTestStore();
    let isStuck = true;
    const store = {
      ...inner,
      readOutbox: async (after: number, limit: number) => (isStuck ? [] : inner.readOutbox(after, limit)),
      currentRunId: async (of: Parameters<typeof inner.currentRunId>[0]) => {
        if (of.workflowId === "child-1") throw new Error("disk on fire");
        return inner.currentRunId(of);
      },
    };
    const first = await openCore({ store });
    await start(first, "order-1");
    await answer(first, startChild("child-1"));
    const core = await afterDamage(first, async () => {});
    isStuck = false;
    expect(await look(core)).toEqual(["lost-effect repaired"]);
    await turn();
    await turn();
    expect(await look(core)).toEqual(["failing-effect reported"]);
    expect(core.reconciler.recent()[0]?.detail).toMatch(/^`start-child` failed \d+ times: disk on fire$/);
    await close(core);
  });
});

describe("approvals", () => {
  const pending = async ({ approvals }: TestCore) => {
    const listed = await approvals.list({ namespace, all: false, after: null, limit: 100 });
    return listed.ok ? listed.value.approvals.map(({ id }) => id) : [];
  };

  async function endInStore(core: TestCore, id: string, status: ApprovalStatus): Promise<void> {
    const stored = await core.store.readApproval(id);
    if (stored === null) throw new Error("there is no such approval");
    const body = Approval.encode({ ...Approval.decode(stored.body), status, closeReason: "rejected by ada" }).finish();
    const { version: expectedVersion, ...rest } = stored;
    await core.store.commit([change({ putApprovals: [{ ...rest, status, body, expectedVersion }] })]);
  }

  test("an activity that waits for a grant that is there already is decided again, and people are asked again", async () => {
    const first = await openCore();
    first.kernel.enforce(refundsAsk);
    const id = await holdActivity(first, { workflowId: "order-1" });
    const core = await afterDamage(first, () => endInStore(first, id, ApprovalStatus.GRANTED));
    expect(await look(core)).toEqual(["lost-approval repaired"]);
    expect(await pollActivity(core)).toBeNull();
    const asked = await pending(core);
    expect(asked).toHaveLength(1);
    expect(asked).not.toContain(id);
    await close(core);
  });

  test("an activity whose approval was rejected fails", async () => {
    const first = await openCore();
    first.kernel.enforce(refundsAsk);
    const id = await holdActivity(first, { workflowId: "order-1" });
    const core = await afterDamage(first, () => endInStore(first, id, ApprovalStatus.REJECTED));
    expect(await look(core)).toEqual(["lost-approval repaired"]);
    expect((await describeRun(core, "order-1")).pendingActivities).toEqual([]);
    expect(await pollActivity(core)).toBeNull();
    await close(core);
  });

  test("people are not asked any more for what is over", async () => {
    const first = await openCore();
    first.kernel.enforce(refundsAsk);
    const id = await holdActivity(first, { workflowId: "order-1" });
    await first.services.terminateWorkflowExecution(
      make(TerminateWorkflowExecutionRequest, { namespace, workflowExecution: { workflowId: "order-1", runId: "" } }),
      patient,
    );
    for (let turns = 0; turns < 100 && (await pending(first)).length > 0; turns++) await turn();
    const core = await afterDamage(first, () => endInStore(first, id, ApprovalStatus.PENDING));
    expect(await pending(core)).toHaveLength(1);
    expect(await look(core)).toEqual(["orphaned-approval repaired"]);
    expect(await pending(core)).toEqual([]);
    await close(core);
  });
});

test("room that an attempt took is given back although its end forgot to", async () => {
  const policy = snapshotFrom(`
version: v1
default_decision: allow
tenants: { default: { max_concurrent_jobs: 1 } }
rules: []
`);
  const first = await openCore();
  first.kernel.enforce(policy);
  await schedule(first, { workflowId: "order-1", types: ["Pack"] });
  expect(await poll(first)).not.toBeNull();
  const holdings = await first.store.readHoldings(null, 10);
  expect(holdings).toHaveLength(1);
  await first.services.terminateWorkflowExecution(
    make(TerminateWorkflowExecutionRequest, { namespace, workflowExecution: { workflowId: "order-1", runId: "" } }),
    patient,
  );
  const limits = { putHoldings: holdings, deleteHoldings: [], spend: [], forgetBudgets: [] };
  const core = await afterDamage(first, (store) => store.commit([change({ limits })]));
  await schedule(core, { workflowId: "order-2", types: ["Pack"] });
  expect(await poll(core)).toBeNull();
  expect(await look(core)).toEqual(["leaked-room repaired"]);
  core.clock.advance(6 * secondMs);
  expect(await poll(core)).not.toBeNull();
  await close(core);
});
