import type { WorkflowExecutionDescription } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { beforeAll, describe, expect, test } from "vitest";
import { eventNamed, rejectionOf, setup, unique, until } from "./kit.ts";
import { type Activities, ends, hasEverything, waits } from "./workflows/visibility.ts";

let release = () => {};
const activities: Activities = {
  hold: () =>
    new Promise((resolve) => {
      release = resolve;
    }),
};
const compat = setup({
  workflows: "visibility",
  activities,
  server: {
    searchAttributes: {
      Customer: "Keyword",
      Amount: "Int",
      Rating: "Double",
      Vip: "Bool",
      Due: "Datetime",
      Tags: "KeywordList",
      Note: "Text",
    },
  },
});
const key = {
  customer: defineSearchAttributeKey("Customer", SearchAttributeType.KEYWORD),
  amount: defineSearchAttributeKey("Amount", SearchAttributeType.INT),
  rating: defineSearchAttributeKey("Rating", SearchAttributeType.DOUBLE),
  vip: defineSearchAttributeKey("Vip", SearchAttributeType.BOOL),
  due: defineSearchAttributeKey("Due", SearchAttributeType.DATETIME),
  tags: defineSearchAttributeKey("Tags", SearchAttributeType.KEYWORD_LIST),
  note: defineSearchAttributeKey("Note", SearchAttributeType.TEXT),
};

// Every list and count below sees these four, and only these: ada completed, bob failed, cyd runs, dan was terminated.
const shop = unique("shop");
const startedAt = new Date();
const idOf = (name: string) => `${shop}/${name}`;

beforeAll(async () => {
  const start = (name: string, workflow: typeof ends | typeof waits, args: readonly unknown[], attributes: TypedSearchAttributes) =>
    compat.client.workflow.start(workflow.name, {
      taskQueue: compat.taskQueue,
      workflowId: idOf(name),
      args: [...args],
      typedSearchAttributes: attributes,
    });
  const ada = await start(
    "ada",
    ends,
    ["well"],
    new TypedSearchAttributes([
      { key: key.customer, value: "Ada" },
      { key: key.amount, value: 10 },
      { key: key.rating, value: 4.5 },
      { key: key.vip, value: true },
      { key: key.due, value: new Date("2026-01-01T00:00:00Z") },
      { key: key.tags, value: ["new", "red"] },
      { key: key.note, value: "a gift for Grace" },
    ]),
  );
  await ada.result();
  const bob = await start(
    "bob",
    ends,
    ["badly"],
    new TypedSearchAttributes([
      { key: key.customer, value: "Bob" },
      { key: key.amount, value: 20 },
      { key: key.rating, value: 3 },
      { key: key.vip, value: false },
      { key: key.due, value: new Date("2026-02-01T00:00:00Z") },
      { key: key.tags, value: ["red"] },
      { key: key.note, value: "no gift" },
    ]),
  );
  await rejectionOf(bob.result());
  const cyd = await start(
    "cyd",
    waits,
    [],
    new TypedSearchAttributes([
      { key: key.customer, value: "O'Cyd" },
      { key: key.amount, value: -5 },
    ]),
  );
  await eventNamed(cyd, "WorkflowTaskCompleted");
  const dan = await start("dan", waits, [], new TypedSearchAttributes([]));
  await dan.terminate();
});

const found = async (query: string): Promise<readonly string[]> => {
  const names: string[] = [];
  for await (const { workflowId } of compat.client.workflow.list({ query: `WorkflowId STARTS_WITH '${shop}' AND (${query})` })) {
    names.push(workflowId.slice(shop.length + 1));
  }
  return names.sort();
};

describe("list and count", () => {
  test.each([
    [`WorkflowId = '${idOf("ada")}'`, "ada"],
    [`WorkflowId IN ('${idOf("ada")}', "${idOf("cyd")}")`, "ada cyd"],
    ["WorkflowType = 'ends'", "ada bob"],
    ["WorkflowType != 'ends'", "cyd dan"],
    ["WorkflowType STARTS_WITH 'wa'", "cyd dan"],
    ["NOT WorkflowType STARTS_WITH 'wa'", "ada bob"],
    ["ExecutionStatus = 'Completed'", "ada"],
    ["ExecutionStatus = 'Running'", "cyd"],
    ["ExecutionStatus = 1", "cyd"],
    ["ExecutionStatus IN ('Failed', 'Terminated')", "bob dan"],
    ["ExecutionStatus NOT IN ('Failed', 'Terminated')", "ada cyd"],
    ["CloseTime IS NULL", "cyd"],
    ["CloseTime IS NOT NULL", "ada bob dan"],
    [`StartTime >= '${new Date(startedAt.getTime() - 60_000).toISOString()}'`, "ada bob cyd dan"],
    [`StartTime < '${startedAt.toISOString()}'`, ""],
    [`StartTime BETWEEN '${startedAt.toISOString()}' AND '2100-01-01T00:00:00Z'`, "ada bob cyd dan"],
    ["ExecutionTime > 0", "ada bob cyd dan"],
    ["ExecutionDuration < '1h'", "ada bob dan"],
    ["ExecutionDuration < '01:00:00' AND ExecutionDuration >= 0", "ada bob dan"],
    [`TaskQueue = '${compat.taskQueue}'`, "ada bob cyd dan"],
    ["HistoryLength = 5 AND WorkflowType = 'ends'", "ada bob"],
    ["HistorySizeBytes > 10 AND StateTransitionCount > 0", "ada bob dan"],
    ["ParentWorkflowId IS NULL", "ada bob cyd dan"],
    [`RootWorkflowId = '${idOf("ada")}'`, "ada"],
    ["RunId IS NOT NULL", "ada bob cyd dan"],
    ["Customer = 'Ada'", "ada"],
    ['Customer = "O\'Cyd"', "cyd"],
    ["Customer = 'O''Cyd'", "cyd"],
    ["Customer = 'ada'", ""],
    ["Customer > 'Ada' AND Customer < 'C'", "bob"],
    ["Customer IS NULL", "dan"],
    ["`Customer` = 'Ada' or `Customer` = 'Bob'", "ada bob"],
    ["Amount = 10", "ada"],
    ["Amount < 15", "ada cyd"],
    ["Amount BETWEEN 0 AND 20", "ada bob"],
    ["Amount NOT BETWEEN 0 AND 15", "bob cyd"],
    ["Amount IN (10, -5)", "ada cyd"],
    ["Rating >= 4.5", "ada"],
    ["Rating = 3", "bob"],
    ["Vip = true", "ada"],
    ["Vip = false", "bob"],
    ["Vip != true", "bob"],
    ["Due < '2026-01-15T00:00:00Z'", "ada"],
    ["Due = '2026-02-01T01:00:00+01:00'", "bob"],
    ["Tags = 'red'", "ada bob"],
    ["Tags IN ('new', 'blue')", "ada"],
    ["Tags = 'red' AND NOT Tags = 'new'", "bob"],
    ["Note = 'gift'", "ada bob"],
    ["Note = 'GRACE'", "ada"],
    ["(Customer = 'Ada' OR Customer = 'Bob') AND NOT (Amount = 10)", "bob"],
  ])("%s", async (query, names) => {
    expect((await found(query)).join(" ")).toBe(names);
    const { count } = await compat.client.workflow.count(`WorkflowId STARTS_WITH '${shop}' AND (${query})`);
    expect(count).toBe(names === "" ? 0 : names.split(" ").length);
  });

  test.each([
    ["Unknown = 1", /column name 'Unknown' is not a valid search attribute/],
    ["Amount = 'many'", /Amount/],
    ["Customer =", /malformed/],
    ["Customer LIKE 'A%'", /invalid query/],
    ["SELECT 1", /invalid query/],
    ["Amount = 1; DROP TABLE runs", /invalid query/],
    ["Due = 'tomorrow'", /Due/],
    ["ExecutionStatus = 'Sleeping'", /Sleeping/],
    [`${"(".repeat(2_000)}Amount = 1${")".repeat(2_000)}`, /invalid query/],
  ])("%.40s is refused", async (query, message) => {
    const refused = { code: 3, details: expect.stringMatching(message) };
    const { workflowService } = compat.client;
    expect(await rejectionOf(workflowService.listWorkflowExecutions({ namespace: "default", query }))).toMatchObject(refused);
    expect(await rejectionOf(workflowService.countWorkflowExecutions({ namespace: "default", query }))).toMatchObject(refused);
  });

  test("open runs first, then the last closed, unless the query orders them", async () => {
    const names = async (order: string) => {
      const { executions } = await compat.client.workflowService.listWorkflowExecutions({
        namespace: "default",
        query: `WorkflowId STARTS_WITH '${shop}' ${order}`,
      });
      return (executions ?? []).map(({ execution }) => execution?.workflowId?.slice(shop.length + 1)).join(" ");
    };
    expect(await names("")).toBe("cyd dan bob ada");
    expect(await names("ORDER BY WorkflowId")).toBe("ada bob cyd dan");
    expect(await names("ORDER BY WorkflowType DESC, WorkflowId DESC")).toBe("dan cyd bob ada");
    expect(await names("AND Amount IS NOT NULL ORDER BY Amount ASC")).toBe("cyd ada bob");
  });

  test.each([1, 2, 3, 100])("by pages of %i", async (pageSize) => {
    const seen: string[] = [];
    let nextPageToken: Uint8Array | null = null;
    do {
      const page: { executions?: { execution?: { workflowId?: string | null } | null }[] | null; nextPageToken?: Uint8Array | null } =
        await compat.client.workflowService.listWorkflowExecutions({
          namespace: "default",
          query: `WorkflowId STARTS_WITH '${shop}'`,
          pageSize,
          nextPageToken,
        });
      expect(page.executions?.length).toBeLessThanOrEqual(pageSize);
      seen.push(...(page.executions ?? []).map(({ execution }) => execution?.workflowId?.slice(shop.length + 1) ?? ""));
      nextPageToken = page.nextPageToken ?? null;
    } while (nextPageToken !== null && nextPageToken.length > 0);
    expect(seen).toEqual(["cyd", "dan", "bob", "ada"]);
  });

  test("a page token that is none is refused", async () => {
    const call = compat.client.workflowService.listWorkflowExecutions({ namespace: "default", nextPageToken: Buffer.from("none of ours") });
    expect(await rejectionOf(call)).toMatchObject({ code: 3, details: "Invalid NextPageToken." });
  });

  test("counts by status", async () => {
    const { count, groups } = await compat.client.workflow.count(`WorkflowId STARTS_WITH '${shop}' GROUP BY ExecutionStatus`);
    expect(count).toBe(4);
    expect(groups.map((group) => [...group.groupValues.flat(), group.count]).sort()).toEqual([
      ["Completed", 1],
      ["Failed", 1],
      ["Running", 1],
      ["Terminated", 1],
    ]);
  });
});

test("describe tells all that there is to know", async () => {
  const handle = await compat.start(hasEverything, {
    workflowExecutionTimeout: "2 hours",
    workflowRunTimeout: "1 hour",
    workflowTaskTimeout: "7s",
    memo: { note: "mine" },
    staticSummary: "has everything",
  });
  await until(async () => (await handle.describe()).raw.pendingActivities?.[0]?.state === 2);
  const description: WorkflowExecutionDescription = await handle.describe();
  expect(description).toMatchObject({
    type: "hasEverything",
    workflowId: handle.workflowId,
    runId: handle.firstExecutionRunId,
    taskQueue: compat.taskQueue,
    status: { name: "RUNNING", code: 1 },
    memo: { note: "mine" },
    rootExecution: { workflowId: handle.workflowId },
  });
  expect(description.parentExecution).toBeUndefined();
  expect(description.closeTime).toBeUndefined();
  expect(description.historyLength).toBeGreaterThan(8);
  expect(description.historySize).toBeGreaterThan(100);
  expect(await description.staticSummary()).toBe("has everything");
  const { raw } = description;
  expect(Number(raw.executionConfig?.workflowExecutionTimeout?.seconds)).toBe(7_200);
  expect(Number(raw.executionConfig?.workflowRunTimeout?.seconds)).toBe(3_600);
  expect(Number(raw.executionConfig?.defaultWorkflowTaskTimeout?.seconds)).toBe(7);
  expect(Number(raw.workflowExtendedInfo?.runExpirationTime?.seconds) - Math.floor(description.startTime.getTime() / 1000)).toBe(3_600);
  expect(raw.pendingActivities).toMatchObject([
    {
      activityId: "1",
      activityType: { name: "hold" },
      state: 2,
      attempt: 1,
      maximumAttempts: 3,
      lastWorkerIdentity: expect.stringContaining("@"),
    },
  ]);
  expect(raw.pendingChildren).toMatchObject([{ workflowId: "pending-child", workflowTypeName: "waits", parentClosePolicy: 1 }]);
  expect(raw.pendingWorkflowTask ?? null).toBeNull();
  const child = await compat.client.workflow.getHandle("pending-child").describe();
  expect(child.raw.pendingWorkflowTask).toMatchObject({ state: 1, attempt: 1 });
  expect(child.parentExecution?.workflowId).toBe(handle.workflowId);
  await handle.terminate();
  release();
  const closed = await handle.describe();
  expect(closed.status.name).toBe("TERMINATED");
  expect(closed.closeTime).toBeInstanceOf(Date);
  expect([closed.raw.pendingActivities, closed.raw.pendingChildren]).toEqual([[], []]);
});

test("a task queue tells who polls it and what waits there", async () => {
  const { workflowService } = compat.client;
  for (const taskQueueType of [1, 2]) {
    const { pollers } = await workflowService.describeTaskQueue({
      namespace: "default",
      taskQueue: { name: compat.taskQueue },
      taskQueueType,
    });
    expect(pollers).toMatchObject([{ identity: expect.stringContaining("@") }]);
    const seen = Number(pollers?.[0]?.lastAccessTime?.seconds) * 1000;
    expect(Date.now() - seen).toBeLessThan(60_000);
  }
  const taskQueue = unique("backlog");
  for (let count = 0; count < 3; count++) await compat.start(waits, { taskQueue });
  const { pollers, stats } = await workflowService.describeTaskQueue({
    namespace: "default",
    taskQueue: { name: taskQueue },
    taskQueueType: 1,
    reportStats: true,
  });
  expect(pollers).toEqual([]);
  expect(Number(stats?.approximateBacklogCount)).toBe(3);
  for await (const { workflowId } of compat.client.workflow.list({ query: `TaskQueue = '${taskQueue}'` })) {
    await compat.client.workflow.getHandle(workflowId).terminate();
  }
});
