import {
  Client,
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  QueryRejectedError,
  ServiceError,
  WorkflowNotFoundError,
} from "@temporalio/client";
import { Worker } from "@temporalio/worker";
import { describe, expect, test } from "vitest";
import { rejectionOf, setup, unique } from "./kit.ts";
import { ends, state, waits } from "./workflows/visibility.ts";

const compat = setup({ workflows: "visibility" });
const service = () => compat.client.workflowService;
const days = (count: number) => ({ seconds: (count * 86_400) as unknown as Long });
type Long = NonNullable<Parameters<ReturnType<typeof service>["registerNamespace"]>[0]["workflowExecutionRetentionPeriod"]>["seconds"] &
  object;

const register = async (fields: object = {}) => {
  const namespace = unique("namespace");
  await service().registerNamespace({ namespace, workflowExecutionRetentionPeriod: days(3), ...fields });
  return namespace;
};
const clientOf = (namespace: string) => new Client({ connection: compat.client.connection, namespace });

describe("namespaces", () => {
  test("are registered, described and listed", async () => {
    const namespace = await register({ description: "for a test", ownerEmail: "ada@example.com", data: { team: "blue" } });
    const { namespaceInfo, config } = await service().describeNamespace({ namespace });
    expect(namespaceInfo).toMatchObject({
      name: namespace,
      state: 1,
      description: "for a test",
      ownerEmail: "ada@example.com",
      data: { team: "blue" },
    });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(3 * 86_400);
    const byId = await service().describeNamespace({ id: namespaceInfo?.id ?? null });
    expect(byId.namespaceInfo?.name).toBe(namespace);
    const { namespaces } = await service().listNamespaces({});
    expect((namespaces ?? []).map(({ namespaceInfo: info }) => info?.name)).toEqual(expect.arrayContaining(["default", namespace]));
  });

  test("are listed by pages", async () => {
    await register();
    await register();
    const names: string[] = [];
    let nextPageToken: Uint8Array | null = null;
    do {
      const page: Awaited<ReturnType<ReturnType<typeof service>["listNamespaces"]>> = await service().listNamespaces({
        pageSize: 1,
        nextPageToken,
      });
      expect(page.namespaces).toHaveLength(1);
      names.push(page.namespaces?.[0]?.namespaceInfo?.name ?? "");
      nextPageToken = page.nextPageToken?.length ? page.nextPageToken : null;
    } while (nextPageToken !== null);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("default");
  });

  test("change their retention, and keep what is not named", async () => {
    const namespace = await register({ description: "kept" });
    await service().updateNamespace({ namespace, config: { workflowExecutionRetentionTtl: days(7) } });
    const { namespaceInfo, config } = await service().describeNamespace({ namespace });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(7 * 86_400);
    expect(namespaceInfo?.description).toBe("kept");
  });

  test.each([
    ["exists", { namespace: "default" }, 6, 'Namespace "default" already exists'],
    ["has no retention", { workflowExecutionRetentionPeriod: null }, 3, "A valid retention period is not set on request."],
    ["has no name", { namespace: "" }, 3, "Namespace is not set on request."],
  ] as const)("a namespace that %s is refused", async (_name, fields, code, details) => {
    const request = { namespace: unique("refused"), workflowExecutionRetentionPeriod: days(1), ...fields };
    expect(await rejectionOf(service().registerNamespace(request))).toMatchObject({ code, details });
  });

  test("keep their workflows apart", async () => {
    const namespace = await register();
    const elsewhere = clientOf(namespace);
    const workflowId = unique("same");
    const here = await compat.start(waits, { workflowId });
    const there = await elsewhere.workflow.start(waits, { taskQueue: compat.taskQueue, workflowId });
    expect(there.firstExecutionRunId).not.toBe(here.firstExecutionRunId);
    await here.terminate();
    expect((await there.describe()).status.name).toBe("RUNNING");
    // Neither a run id nor a query of one namespace reaches into the other.
    const stranger = elsewhere.workflow.getHandle(workflowId, here.firstExecutionRunId);
    expect(await rejectionOf(stranger.describe())).toBeInstanceOf(WorkflowNotFoundError);
    expect((await elsewhere.workflow.count()).count).toBe(1);
    // The worker of the other namespace never sees it.
    const { pollers } = await service().describeTaskQueue({ namespace, taskQueue: { name: compat.taskQueue }, taskQueueType: 1 });
    expect(pollers).toEqual([]);
    const worker = await compat.runWorker({ namespace });
    await there.signal("finish");
    expect(await there.result()).toBe("finished");
    await worker.stop();
  });

  test("that do not exist are refused to clients and workers", async () => {
    const client = clientOf("oogabooga");
    const missing = { name: "NamespaceNotFoundError", message: "Namespace not found: 'oogabooga'" };
    for (const call of [
      () => client.workflow.start(waits, { taskQueue: "q", workflowId: "w" }),
      () => client.workflow.getHandle("w").describe(),
      () => client.workflow.getHandle("w").signal("finish"),
      () => client.workflow.getHandle("w").query(state),
      () => client.workflow.getHandle("w").terminate(),
      () => client.workflow.getHandle("w").result(),
    ]) {
      const error = await rejectionOf(call());
      expect(error).toBeInstanceOf(NamespaceNotFoundError);
      expect(error).toMatchObject(missing);
    }
    const worker = Worker.create({
      connection: compat.connection,
      namespace: "oogabooga",
      taskQueue: "q",
      activities: { any: async () => {} },
    });
    expect(String(await rejectionOf(worker.then((created) => created.run())))).toMatch(/Namespace oogabooga is not found/);
  });
});

describe("search attributes", () => {
  test("are added, listed and removed", async () => {
    const namespace = await register();
    const { operatorService } = compat.client.connection;
    await operatorService.addSearchAttributes({ namespace, searchAttributes: { Customer: 2, Amount: 3 } });
    await operatorService.addSearchAttributes({ namespace, searchAttributes: { Customer: 2 } });
    const listed = await operatorService.listSearchAttributes({ namespace });
    expect(listed.customAttributes).toEqual({ Customer: 2, Amount: 3 });
    expect(listed.systemAttributes).toMatchObject({ WorkflowId: 2, StartTime: 6, ExecutionDuration: 3 });
    const client = clientOf(namespace);
    const handle = await client.workflow.start(waits, {
      taskQueue: "nobody",
      workflowId: "w",
      searchAttributes: { Customer: ["Ada"], Amount: [1] },
    });
    expect((await client.workflow.count("Customer = 'Ada' AND Amount = 1")).count).toBe(1);
    await operatorService.removeSearchAttributes({ namespace, searchAttributes: ["Amount"] });
    expect((await operatorService.listSearchAttributes({ namespace })).customAttributes).toEqual({ Customer: 2 });
    await handle.terminate();
  });

  test.each([
    ["reserved", { searchAttributes: { RunId: 2 } }, 3, "Search attribute RunId is reserved by system."],
    ["of another type", { searchAttributes: { Taken: 3 } }, 6, /Taken/],
    ["of no type", { searchAttributes: { Typeless: 0 } }, 3, /Typeless|type/],
  ] as const)("that are %s are refused", async (_name, fields, code, details) => {
    const namespace = await register();
    const { operatorService } = compat.client.connection;
    await operatorService.addSearchAttributes({ namespace, searchAttributes: { Taken: 2 } });
    const error = (await rejectionOf(operatorService.addSearchAttributes({ namespace, ...fields }))) as { code: number; details: string };
    expect(error.code).toBe(code);
    expect(error.details).toMatch(details);
  });

  test("that are unknown cannot be removed", async () => {
    const removal = compat.client.connection.operatorService.removeSearchAttributes({
      namespace: "default",
      searchAttributes: ["Unknown"],
    });
    expect(await rejectionOf(removal)).toMatchObject({ code: 5, details: "Search attribute Unknown doesn't exist." });
  });
});

test("system info names a version and keeps its promises modest", async () => {
  const { serverVersion, capabilities } = await service().getSystemInfo({});
  expect(serverVersion).toMatch(/^1\.\d+\.\d+$/);
  expect(capabilities).toMatchObject({ sdkMetadata: true, eagerWorkflowStart: true, upsertMemo: true, countGroupByExecutionStatus: true });
  expect(capabilities?.supportsSchedules).toBe(false);
  expect(capabilities?.nexus).toBe(false);
});

test("what is not implemented is refused by its name", async () => {
  const create = service().createSchedule({ namespace: "default", scheduleId: "s" });
  expect(await rejectionOf(create)).toMatchObject({ code: 12, details: expect.stringMatching(/CreateSchedule/) });
  const schedule = compat.client.schedule.create({
    scheduleId: "s",
    spec: { intervals: [{ every: "1h" }] },
    action: { type: "startWorkflow", workflowType: "waits", taskQueue: "q" },
  });
  expect(await rejectionOf(schedule)).toBeInstanceOf(ServiceError);
});

describe("the client's errors", () => {
  test("of queries", async () => {
    const handle = await compat.start(ends, { args: ["well"] });
    await handle.result();
    const unknown = await rejectionOf(handle.query("unheard-of"));
    expect(unknown).toBeInstanceOf(QueryNotRegisteredError);
    const rejecting = new Client({
      connection: compat.client.connection,
      workflow: { queryRejectCondition: "NOT_OPEN" },
    });
    const rejected = await rejectionOf(rejecting.workflow.getHandle(handle.workflowId).query(state));
    expect(rejected).toBeInstanceOf(QueryRejectedError);
    expect(rejected).toMatchObject({ status: 2 });
  });

  test.each([
    ["describe", (id: string) => compat.client.workflow.getHandle(id).describe()],
    ["result", (id: string) => compat.client.workflow.getHandle(id).result()],
    ["signal", (id: string) => compat.client.workflow.getHandle(id).signal("s")],
    ["query", (id: string) => compat.client.workflow.getHandle(id).query("q")],
    ["cancel", (id: string) => compat.client.workflow.getHandle(id).cancel()],
    ["terminate", (id: string) => compat.client.workflow.getHandle(id).terminate()],
    ["update", (id: string) => compat.client.workflow.getHandle(id).executeUpdate("u")],
  ] as const)("%s of an unknown workflow", async (_name, ask) => {
    const error = await rejectionOf(ask("unheard-of"));
    expect(error).toBeInstanceOf(WorkflowNotFoundError);
    expect(error).toMatchObject({ message: "workflow not found for ID: unheard-of", workflowId: "unheard-of" });
  });
});
