import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hourMs, minuteMs, secondMs } from "../../base/time.ts";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { unpublished } from "../../governance/policy/snapshot.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollWorkflowTaskQueueRequest,
  RespondWorkflowTaskFailedRequest,
  StartWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { change } from "../../store/contract/material.ts";
import { holdActivity } from "../approvals/approvals.test-kit.ts";
import { serverNamespaceId } from "../ledger/audit.ts";
import { fail, poll, schedule } from "../limits/limits.test-kit.ts";
import { accepted, openCore, openTestStore, patient, type TestCore, turn } from "../service.test-kit.ts";
import { hostCheckup } from "./host.ts";

// What the doctor says, and of what it says nothing.

const namespace = "default";
const taskQueue = make(TaskQueue, { name: "orders" });

const findings = async ({ doctor }: TestCore) => (await doctor.examine()).symptoms;
const kinds = async (core: TestCore) => (await findings(core)).map(({ kind }) => kind);

async function close(core: TestCore): Promise<void> {
  await core.stop();
  await core.store.close();
}

async function start({ services }: TestCore, workflowId: string): Promise<void> {
  const request = make(StartWorkflowExecutionRequest, {
    namespace,
    workflowId,
    workflowType: { name: "Order" },
    taskQueue,
    requestId: workflowId,
  });
  accepted(await services.startWorkflowExecution(request, patient));
}

test("nothing is wrong with a server that has nothing to do", async () => {
  const core = await openCore();
  expect(await core.doctor.examine()).toEqual({ at: core.clock.now(), symptoms: [], runs: { lookedAt: 0, isAll: true }, failed: [] });
  await close(core);
});

describe("task queues", () => {
  test("a worker that is missing is named, once it has had time to come back", async () => {
    const core = await openCore();
    await start(core, "order-1");
    await start(core, "order-2");
    expect(await kinds(core)).toEqual([]);
    const since = core.clock.now();
    core.clock.jump(11 * secondMs);
    expect(await findings(core)).toEqual([
      expect.objectContaining({
        kind: "no-worker",
        severity: "critical",
        namespace,
        what: "no worker polls the workflow task queue `orders`, where 2 tasks wait",
        since,
        count: 2,
        safe: "start a worker for this task queue: what waits goes on by itself, and nothing has to be started again",
        examples: [expect.objectContaining({ namespace, workflowId: "order-1" }), expect.objectContaining({ workflowId: "order-2" })],
      }),
    ]);
    await close(core);
  });

  test("workers that come, but not often enough, are another matter", async () => {
    const core = await openCore();
    await start(core, "order-1");
    await start(core, "order-2");
    core.clock.jump(6 * minuteMs);
    accepted(
      await core.services.pollWorkflowTaskQueue(make(PollWorkflowTaskQueueRequest, { namespace, taskQueue, identity: "w1" }), patient),
    );
    const found = (await findings(core)).filter(({ kind }) => kind === "slow-workers");
    expect(found.map(({ what }) => what)).toEqual(["1 task in the workflow task queue `orders` for up to 6m"]);
    await close(core);
  });
});

test("what waits for approval is named, with who may decide and how", async () => {
  const core = await openCore();
  core.kernel.enforce(
    snapshotFrom(`
version: v1
default_decision: allow
rules:
  - id: refunds
    match: { names: [Refund] }
    decision: require_approval
    reason: money leaves
    approval: { roles: [finance], principals: [ada] }
`),
  );
  const id = await holdActivity(core, { workflowId: "order-1" });
  const [found] = await findings(core);
  expect(found).toMatchObject({
    kind: "approval-pending",
    what: "1 action waits for approval, the oldest being `Refund` of workflow `order-1`",
    since: core.clock.now(),
    count: 1,
  });
  expect(found?.why).toMatch(/^rule `refunds` asks for it \(money leaves\); may be decided by role `finance`, `ada`; /);
  expect(found?.safe).toContain(`holdfast approval show ${id} --namespace default`);
  await close(core);
});

test("limits under which something waits, and breakers that are open", async () => {
  const core = await openCore();
  core.kernel.enforce(
    snapshotFrom("{ version: v1, default_decision: allow, tenants: { default: { max_concurrent_jobs: 1 } }, rules: [] }"),
  );
  await schedule(core, { workflowId: "order-1", types: ["Pack", "Ship"] });
  expect(await poll(core)).not.toBeNull();
  expect(await poll(core)).toBeNull();
  expect(await findings(core)).toEqual([
    expect.objectContaining({
      kind: "limited",
      what: "1 activity attempt waits for room under a limit for tenant",
      why: "at most 1 at once (tenant default)",
      count: 1,
    }),
  ]);
  await close(core);
});

describe("runs that do not get on", () => {
  test("a workflow task that fails again and again, with its failure; nobody is told to start anything again", async () => {
    const core = await openCore();
    await start(core, "order-1");
    for (let attempt = 1; attempt <= 4; attempt++) {
      const request = make(PollWorkflowTaskQueueRequest, { namespace, taskQueue });
      const { response } = accepted(await core.services.pollWorkflowTaskQueue(request, patient));
      const failed = make(RespondWorkflowTaskFailedRequest, {
        namespace,
        taskToken: response.taskToken,
        identity: "worker-7",
        cause: WorkflowTaskFailedCause.NON_DETERMINISTIC_ERROR,
        failure: make(Failure, { message: "no such timer" }),
      });
      accepted(await core.services.respondWorkflowTaskFailed(failed, patient));
      core.clock.advance(minuteMs);
      await turn();
    }
    const found = (await findings(core)).find(({ kind }) => kind === "workflow-task-failing");
    expect(found).toMatchObject({
      severity: "critical",
      what: "workflow tasks of workflow `Order` (task queue `orders`) fail again and again in 1 run, now at attempt 5",
      why: "its last failure: NON_DETERMINISTIC_ERROR, no such timer (worker `worker-7`)",
      examples: [{ namespace, workflowId: "order-1" }],
    });
    expect(found?.safe).toContain("Do not start the workflows again");
    await close(core);
  });

  test("an activity at its sixth attempt, with its last failure", async () => {
    const core = await openCore();
    await schedule(core, { workflowId: "order-1", types: ["Pack"], attempts: 0 });
    for (let attempt = 1; attempt <= 5; attempt++) {
      const task = await poll(core);
      if (task === null) throw new Error("there is nothing to do");
      await fail(core, task.taskToken);
      core.clock.advance(5 * minuteMs);
      for (let turns = 0; turns < 20; turns++) await turn();
    }
    expect((await findings(core)).find(({ kind }) => kind === "activity-failing")).toMatchObject({
      severity: "warning",
      what: "activity `Pack` (task queue `activities`) fails again and again in 1 run, now at attempt 6",
      why: "its last failure: no message",
      executed: "each attempt may have done something before it failed; the activity itself knows",
    });
    await close(core);
  });
});

test("what the server repaired is said for an hour", async () => {
  const store = await openTestStore();
  const first = await openCore({ store });
  await schedule(first, { workflowId: "order-1", types: ["Pack"] });
  await first.stop();
  const [queue] = await store.readQueues();
  if (queue === undefined) throw new Error("there is no backlog");
  await store.commit([change({ deleteTasks: await store.readTasks(queue, null, 10) })]);
  first.clock.jump(2 * minuteMs);
  const core = await openCore({ store, clock: first.clock });
  await core.reconciler.look();
  expect((await findings(core)).find(({ kind }) => kind === "repaired")).toMatchObject({
    what: "the server repaired `lost-task` 1 time within the last hour",
    examples: [{ workflowId: "order-1" }],
  });
  core.clock.jump(hourMs + 1);
  expect(await kinds(core)).not.toContain("repaired");
  await close(core);
});

test("timers that are overdue", async () => {
  const store = await openTestStore();
  const core = await openCore({ store });
  await start(core, "order-1");
  const [key] = await store.readRuns("", 1);
  if (key === undefined) throw new Error("there is no run");
  const stored = await store.loadRun(key);
  const write = {
    key,
    expectedVersion: stored?.version ?? 0,
    core: stored?.core ?? new Uint8Array(),
    putItems: [],
    deleteItems: [],
    history: [],
  };
  const wakeAt = core.clock.now();
  await store.commit([change({ runs: [{ ...write, wakeAt, visibility: null, becomeCurrent: null }] })]);
  core.clock.jump(2 * minuteMs);
  expect((await findings(core)).find(({ kind }) => kind === "overdue-run")).toMatchObject({
    what: "timers, time-outs or retries of 1 run are overdue",
    since: wakeAt,
  });
  await close(core);
});

test("a policy that is required and missing", async () => {
  const core = await openCore();
  core.kernel.enforce(unpublished({ requirePolicy: true }));
  expect(await kinds(core)).toEqual(["everything-denied"]);
  expect((await core.doctor.status()).policy.unpublished).toBe("DENY");
  await close(core);
});

test("a ledger whose end is not sealed as often as it should be", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const core = await openCore({ checkpoints: { privateKey, interval: hourMs, file: null } });
  await core.record({ namespaceId: serverNamespaceId, at: core.clock.now(), kind: "decision", runId: null, body: new Uint8Array([1]) });
  core.kernel.enforce(snapshotFrom("{ version: v1, default_decision: allow }"));
  expect(await kinds(core)).toEqual([]);
  expect((await core.doctor.status()).checkpoint).toBeNull();
  core.clock.jump(4 * hourMs);
  const before = await kinds(core);
  await core.checkpoints.make();
  expect(await kinds(core)).toEqual([]);
  expect((await core.doctor.status()).checkpoint).toMatchObject({ number: 1 });
  expect(before).toEqual(["ledger-unsealed"]);
  await close(core);
});

const gib = 2 ** 30;
test.each([
  // free         size          clock step      found
  [50 * gib, 100 * gib, 0, []],
  [0.5 * gib, 4 * gib, 0, ["512 MiB of 4 GiB are free where the database is"]],
  [30 * gib, 1_000 * gib, 0, ["30 GiB of 1000 GiB are free where the database is"]],
  [50 * gib, 100 * gib, 4_000, []],
  [50 * gib, 100 * gib, 3_900_000, ["the host's clock was set forward by 1h 5m since the server started"]],
  [50 * gib, 100 * gib, -90_000, ["the host's clock was set back by 1m 30s since the server started"]],
])("with %d of %d bytes free and a clock that was set by %d ms", async (freeBytes, sizeBytes, step, found) => {
  const checkup = hostCheckup({ disk: async () => ({ freeBytes, sizeBytes }), clockStep: () => step });
  expect((await checkup(0)).map(({ what }) => what)).toEqual(found);
});
