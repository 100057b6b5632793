import { afterEach, describe, expect, test } from "vitest";
import { noQuotas, type QuotaLimits } from "../../access/quota.ts";
import { make } from "../../protocol/codec.ts";
import { Command, ScheduleActivityTaskCommandAttributes } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { CommandType } from "../../protocol/generated/temporal/api/enums/v1/command_type.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  PollWorkflowTaskQueueRequest,
  RegisterNamespaceRequest,
  RespondActivityTaskCompletedRequest,
  RespondWorkflowTaskCompletedRequest,
  SignalWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
  TerminateWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, eventually, openCore, openTestStore, patient, type TestCore, type TestStore, turn } from "../service.test-kit.ts";
import type { QuotaName } from "./quota.ts";

const namespace = "default";
const taskQueue = make(TaskQueue, { name: "orders" });
const workflowType = { name: "Order" };
let core: TestCore;
let store: TestStore;

async function open(limits: Partial<QuotaLimits>, given?: TestStore): Promise<void> {
  store = given ?? (await openTestStore());
  core = await openCore({ store, quotas: { ...noQuotas, namespaces: { default: limits } } });
}
/** Another process on the same database. */
async function restart(limits: Partial<QuotaLimits>): Promise<void> {
  await core.stop();
  await open(limits, store);
}
afterEach(async () => {
  await core.stop();
  await store.close();
});

const start = (workflowId: string, to = namespace) =>
  core.services.startWorkflowExecution(
    make(StartWorkflowExecutionRequest, { namespace: to, workflowId, workflowType, taskQueue }),
    patient,
  );
const terminate = async (workflowId: string) =>
  accepted(
    await core.services.terminateWorkflowExecution(
      make(TerminateWorkflowExecutionRequest, { namespace, workflowExecution: { workflowId, runId: "" } }),
      patient,
    ),
  );
const used = (quota: QuotaName) => core.quotas.usageOf(namespace).find((usage) => usage.quota === quota)?.used;
const { CONCURRENT_LIMIT, RPS_LIMIT, PERSISTENCE_STORAGE_LIMIT } = ResourceExhaustedCause;
const exhausted = (cause: ResourceExhaustedCause, name: QuotaName) => ({
  ok: false,
  error: { kind: "resource-exhausted", cause, scope: ResourceExhaustedScope.NAMESPACE, quota: { name } },
});

const scheduled = (activityId: string) =>
  make(Command, {
    commandType: CommandType.SCHEDULE_ACTIVITY_TASK,
    attributes: {
      $case: "scheduleActivityTaskCommandAttributes",
      value: make(ScheduleActivityTaskCommandAttributes, {
        activityId,
        activityType: { name: "Charge" },
        taskQueue,
        startToCloseTimeout: { seconds: 60, nanos: 0 },
      }),
    },
  });
const completed = make(Command, {
  commandType: CommandType.COMPLETE_WORKFLOW_EXECUTION,
  attributes: { $case: "completeWorkflowExecutionCommandAttributes", value: { result: undefined } },
});
const continued = make(Command, {
  commandType: CommandType.CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
  attributes: {
    $case: "continueAsNewWorkflowExecutionCommandAttributes",
    value: {
      workflowType,
      taskQueue,
      input: undefined,
      workflowRunTimeout: undefined,
      workflowTaskTimeout: undefined,
      backoffStartInterval: undefined,
      retryPolicy: undefined,
      initiator: 0,
      failure: undefined,
      lastCompletionResult: undefined,
      cronSchedule: "",
      header: undefined,
      memo: undefined,
      searchAttributes: undefined,
      inheritBuildId: false,
      initialVersioningBehavior: 0,
    },
  },
});
/** A worker's answer to the next workflow task. */
async function answer(...commands: readonly Command[]): Promise<void> {
  const { response } = accepted(
    await core.services.pollWorkflowTaskQueue(make(PollWorkflowTaskQueueRequest, { namespace, taskQueue }), patient),
  );
  const { taskToken } = response;
  accepted(
    await core.services.respondWorkflowTaskCompleted(
      make(RespondWorkflowTaskCompletedRequest, { namespace, taskToken, commands: [...commands] }),
      patient,
    ),
  );
}
const pollActivity = () =>
  core.services.pollActivityTaskQueue(make(PollActivityTaskQueueRequest, { namespace, taskQueue }), patient).then(accepted);
async function pollInto(received: string[]): ReturnType<typeof pollActivity> {
  const task = await pollActivity();
  received.push(task.activityId);
  return task;
}
const completeActivity = async (taskToken: Uint8Array) =>
  accepted(await core.services.respondActivityTaskCompleted(make(RespondActivityTaskCompletedRequest, { namespace, taskToken }), patient));

describe("open runs", () => {
  test("that come together are never more than may be; one that closes makes room", async () => {
    await open({ openRuns: 2 });
    const started = await Promise.all(["a", "b", "c", "d"].map((id) => start(id)));
    expect(started.filter(({ ok }) => ok)).toHaveLength(2);
    expect(started.filter(({ ok }) => !ok)[0]).toMatchObject(exhausted(CONCURRENT_LIMIT, "open-runs"));
    await answer(completed);
    expect(used("open-runs")).toBe(1);
    expect(await start("e")).toMatchObject({ ok: true });
  });

  test("are counted as one when one continues as new", async () => {
    await open({ openRuns: 1 });
    accepted(await start("a"));
    await answer(continued);
    expect(used("open-runs")).toBe(1);
    await terminate("a");
    expect(used("open-runs")).toBe(0);
  });

  test("are not taken by a start that fails", async () => {
    await open({ openRuns: 1 });
    const repair = store.fail();
    await expect(start("a")).rejects.toThrow("disk full");
    repair();
    expect(used("open-runs")).toBe(0);
  });

  test("are counted after a restart", async () => {
    await open({ openRuns: 2 });
    accepted(await start("a"));
    accepted(await start("b"));
    await terminate("b");
    await restart({ openRuns: 1 });
    expect(used("open-runs")).toBe(1);
    expect(await start("c")).toMatchObject(exhausted(CONCURRENT_LIMIT, "open-runs"));
  });

  test("of one namespace are nothing to the others", async () => {
    await open({ openRuns: 1 });
    const day = { seconds: 86_400, nanos: 0 };
    const other = make(RegisterNamespaceRequest, { namespace: "other", workflowExecutionRetentionPeriod: day });
    accepted(await core.services.registerNamespace(other, patient));
    accepted(await start("a"));
    accepted(await start("a", "other"));
    expect(await start("b", "other")).toMatchObject({ ok: true });
  });
});

describe("activities at once", () => {
  test("wait beyond the quota, in their order, and go on as others are answered", async () => {
    await open({ concurrentActivities: 2 });
    accepted(await start("a"));
    await answer(...["1", "2", "3", "4"].map(scheduled));
    const first = [await pollActivity(), await pollActivity()];
    expect(first.map(({ activityId }) => activityId)).toEqual(["1", "2"]);
    const received: string[] = [];
    const later = [pollInto(received), pollInto(received)];
    await turn();
    expect(received).toEqual([]);
    expect(used("concurrent-activities")).toBe(2);
    await completeActivity(first[1]?.taskToken ?? new Uint8Array(0));
    await eventually(() => received.length === 1);
    await completeActivity(first[0]?.taskToken ?? new Uint8Array(0));
    await Promise.all(later);
    expect(received).toEqual(["3", "4"]);
    expect(used("concurrent-activities")).toBe(2);
  });

  test("whose poll waits already are no more either", async () => {
    await open({ concurrentActivities: 1 });
    const received: string[] = [];
    const polls = [pollInto(received), pollInto(received)];
    accepted(await start("a"));
    await answer(scheduled("1"), scheduled("2"));
    const task = await Promise.race(polls);
    expect(received).toEqual(["1"]);
    await completeActivity(task.taskToken);
    await Promise.all(polls);
    expect(received).toEqual(["1", "2"]);
  });

  test("are counted after a restart, and end with their run", async () => {
    await open({ concurrentActivities: 1 });
    accepted(await start("a"));
    await answer(scheduled("1"), scheduled("2"));
    await pollActivity();
    await restart({ concurrentActivities: 1 });
    expect(used("concurrent-activities")).toBe(1);
    await terminate("a");
    expect(used("concurrent-activities")).toBe(0);
  });
});

describe("what is stored", () => {
  test("keeps new runs and signals out when it is too much, and a worker's answers never", async () => {
    await open({ storedBytes: 1 });
    accepted(await start("a"));
    expect(used("stored-bytes")).toBeGreaterThan(1);
    expect(await start("b")).toMatchObject(exhausted(PERSISTENCE_STORAGE_LIMIT, "stored-bytes"));
    const signal = make(SignalWorkflowExecutionRequest, {
      namespace,
      workflowExecution: { workflowId: "a", runId: "" },
      signalName: "more",
    });
    expect(await core.services.signalWorkflowExecution(signal, patient)).toMatchObject(
      exhausted(PERSISTENCE_STORAGE_LIMIT, "stored-bytes"),
    );
    await answer(completed);
  });

  test("is measured after a restart", async () => {
    await open({ storedBytes: 1 });
    accepted(await start("a"));
    const before = used("stored-bytes");
    await restart({ storedBytes: 1 });
    await eventually(() => used("stored-bytes") === before);
  });
});

test("polls that wait are bounded; one that has gone makes room", async () => {
  await open({ openPolls: 1 });
  const leaving = new AbortController();
  const request = make(PollActivityTaskQueueRequest, { namespace, taskQueue });
  const waiting = core.services.pollActivityTaskQueue(request, { ...patient, signal: leaving.signal });
  expect(await core.services.pollActivityTaskQueue(request, patient)).toMatchObject(exhausted(CONCURRENT_LIMIT, "open-polls"));
  leaving.abort();
  await waiting;
  expect(used("open-polls")).toBe(0);
});

test("requests are bounded, those of workers by an allowance of their own", async () => {
  await open({ requestsPerSecond: 1, requestBurst: 2 });
  const enter = (kind: "request" | "poll" | "answer") => core.admission.enter(namespace, kind);
  expect([await enter("request"), await enter("request")]).toMatchObject([{ ok: true }, { ok: true }]);
  expect(await enter("request")).toMatchObject(exhausted(RPS_LIMIT, "requests"));
  expect(used("requests")).toBe(2);
  const kinds = ["answer", "poll", "answer", "poll", "answer", "poll", "answer", "poll"] as const;
  for (const kind of kinds) expect(await enter(kind)).toMatchObject({ ok: true });
  expect(await enter("answer")).toMatchObject(exhausted(RPS_LIMIT, "worker-requests"));
});

test("without limits nothing is counted", async () => {
  await open({});
  accepted(await start("a"));
  expect(core.quotas.usageOf(namespace).every((usage) => usage.used === null && usage.limit === null)).toBe(true);
  expect(core.quotas.usageOf("nowhere")).toEqual([]);
});
