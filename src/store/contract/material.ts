import { expect } from "vitest";
import type { VisibilityFilter, VisibilityQuery } from "../../execution/visibility/filter.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { BacklogTask, Change, HistoryBatch, OutboxEntry, RunKey, RunWrite, Store, VisibilityRecord } from "../store.ts";

export const bytes = (of: string): Uint8Array => new TextEncoder().encode(of);
export const text = (of: Uint8Array): string => new TextDecoder().decode(of);

export const runKey = (number: number, workflowId = `workflow-${number}`): RunKey => ({
  namespaceId: "namespace",
  workflowId,
  runId: `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`,
});

export const change = (given: Partial<Change>): Change => ({
  runs: [],
  putTasks: [],
  deleteTasks: [],
  putOutbox: [],
  deleteOutbox: [],
  putApprovals: [],
  putDocuments: [],
  ledger: [],
  ...given,
});

export const update = (key: RunKey, expectedVersion: number, given: Partial<RunWrite> = {}): RunWrite => ({
  key,
  expectedVersion,
  core: bytes("core"),
  putItems: [],
  deleteItems: [],
  history: [],
  wakeAt: null,
  visibility: null,
  becomeCurrent: null,
  ...given,
});
export const creation = (key: RunKey, given: Partial<RunWrite> = {}): RunWrite => update(key, 0, given);

export const item = (kind: number, id: string, value = "value") => ({ kind, id, value: bytes(value) });
export const batch = (firstEventId: number, eventCount: number, content = "events"): HistoryBatch => ({
  firstEventId,
  eventCount,
  bytes: bytes(content),
});

export const task = (run: RunKey, given: Partial<BacklogTask>): BacklogTask => ({
  run,
  type: "activity",
  scheduledEventId: 5,
  namespaceId: run.namespaceId,
  taskQueue: "queue",
  stamp: 1,
  priority: 3,
  order: 1,
  enqueuedAt: 100,
  ...given,
});

export const entry = (run: RunKey, given: Partial<OutboxEntry>): OutboxEntry => ({
  run,
  kind: 1,
  id: 1,
  order: 1,
  body: bytes("body"),
  ...given,
});

export const visibility = (given: Partial<VisibilityRecord>): VisibilityRecord => ({
  workflowType: "Type",
  taskQueue: "queue",
  status: WorkflowExecutionStatus.RUNNING,
  startTime: 1_000,
  executionTime: 1_000,
  closeTime: null,
  historyLength: null,
  historySizeBytes: null,
  stateTransitionCount: null,
  executionDurationNs: null,
  parentWorkflowId: null,
  parentRunId: null,
  rootWorkflowId: "root",
  rootRunId: "root run",
  attributes: {},
  info: bytes("info"),
  ...given,
});

export const query = (given: Partial<VisibilityQuery>): VisibilityQuery => ({ filter: null, orderBy: [], groupBy: null, ...given });

export async function committed(store: Store, given: Partial<Change>): Promise<void> {
  expect(await store.commit([change(given)])).toEqual(["committed"]);
}

export async function loaded(store: Store, key: RunKey) {
  const run = await store.loadRun(key);
  return run === null
    ? null
    : {
        version: run.version,
        core: text(run.core),
        items: run.items.map(({ kind, id, value }) => `${kind}/${id}=${text(value)}`).toSorted(),
      };
}

export async function listed(store: Store, filter: VisibilityFilter | null): Promise<readonly string[]> {
  const { executions } = await store.listExecutions({ namespaceId: "namespace", query: query({ filter }), limit: 1_000, after: null });
  return executions.map(({ key }) => key.workflowId);
}

export async function allPages(store: Store, of: VisibilityQuery, limit: number): Promise<readonly (readonly string[])[]> {
  const pages: string[][] = [];
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<Store["listExecutions"]>> = await store.listExecutions({
      namespaceId: "namespace",
      query: of,
      limit,
      after,
    });
    pages.push(page.executions.map(({ key }) => key.workflowId));
    after = page.next;
  } while (after !== null && pages.length < 100);
  return pages;
}

/** All that the port lets a reader see, in a form that compares. */
export async function everythingOf(store: Store) {
  const runs = await Promise.all(
    (await store.readRuns("", 10_000)).map(async (key) => ({
      key,
      state: await loaded(store, key),
      isCurrent: (await store.currentRunId(key)) === key.runId,
      history: (await store.readHistory(key, { fromEventId: 1, toEventId: 100_000, eventsMax: 100_000 })).map(
        ({ firstEventId, eventCount, bytes: content }) => `${firstEventId}+${eventCount}: ${text(content)}`,
      ),
    })),
  );
  const queues = await store.readQueues();
  const ledgers = await Promise.all(
    ["namespace", "other"].map((namespaceId) => store.readLedger({ namespaceId, after: null, limit: 10_000 })),
  );
  const { approvals } = await store.listApprovals({ namespaceId: "namespace", after: null, limit: 10_000 });
  const tasks = (await Promise.all(queues.map((queue) => store.readTasks(queue, null, 10_000)))).flat();
  return {
    runs,
    tasks: tasks.toSorted((a, b) => a.order - b.order || (a.run.runId < b.run.runId ? -1 : 1)),
    wakes: await store.readWakes(Number.MAX_SAFE_INTEGER, null, 10_000),
    outbox: (await store.readOutbox(0, 10_000)).map(({ body, ...rest }) => ({ ...rest, body: text(body) })),
    listed: await listed(store, null),
    approvals: approvals.map(({ body, ...rest }) => ({ ...rest, body: text(body) })),
    documents: (await store.listDocuments("bundle", "", 10_000)).map(({ body, ...rest }) => ({ ...rest, body: text(body) })),
    holdings: (await store.readHoldings(null, 10_000)).map(({ body, ...rest }) => ({ ...rest, body: text(body) })),
    budgets: await store.readBudgets("", 10_000),
    ledger: ledgers.flatMap(({ entries }) => entries.map(({ body, hash, ...rest }) => ({ ...rest, body: text(body), hash: [...hash] }))),
    namespaces: (await store.readNamespaces()).map(({ body, ...rest }) => ({ ...rest, body: text(body) })),
  };
}
