import { err, ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import { parseVisibilityQuery } from "../../execution/visibility/query.ts";
import { statusWords } from "../../governance/approval/approval-entry.ts";
import type { ChainedEntry } from "../../governance/ledger/ledger.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { History } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { WorkflowExecutionInfo } from "../../protocol/generated/temporal/api/workflow/v1/message.ts";
import type { ListedExecution, RunKey } from "../../store/store.ts";
import { decodeApproval } from "../approvals/approval-record.ts";
import { dagTaskQueue, jobTaskQueue } from "../built-in/server-task-queue.ts";
import { listedRun } from "../dag/listed-runs.ts";
import type { Engine } from "../engine.ts";
import { listedJob } from "../jobs/job.ts";
import { type ActivitySeen, activitiesIn } from "./activities-in.ts";
import { traceAttribute } from "./trace-id.ts";

/** Something that one request has brought about. `run` is the workflow id of the execution that it is of: of a run, or of a job. */
export type TraceItem = { readonly at: EpochMs; readonly run: string } & (
  | { readonly kind: "run" | "job" | "workflow"; readonly type: string; readonly status: string; readonly endedAt: EpochMs | null }
  | ({ readonly kind: "activity" } & ActivitySeen)
  | { readonly kind: "approval"; readonly id: string; readonly of: string; readonly status: string; readonly endedAt: EpochMs | null }
  | { readonly kind: "ledger"; readonly entry: ChainedEntry }
);

export type Trace = {
  /** In the order of their times. */
  readonly items: readonly TraceItem[];
  /** There is more than fits: some of its executions, or the end of some of them, are left out. */
  readonly isCut: boolean;
};

/** All that one request has brought about: jobs, runs and other workflows that have its trace id, and what has become of each. */
export type Traces = {
  /** Refused when nothing has this id. The first `executionsMax` (200) executions, of each `perExecutionMax` (1,000) things of a kind at most. */
  get(namespace: string, traceId: string): Promise<Result<Trace, "no-such-namespace" | "no-such-trace">>;
};

const executionsMax = 200;
const perExecutionMax = 1_000;
/** Of one history. */
const eventsMax = 10_000;
const eventsPageMax = 1_000;

export const createTraces = (engine: Pick<Engine, "namespaces" | "runs" | "store">): Traces => ({
  get: async (namespace, traceId) => {
    const found = engine.namespaces.get(namespace);
    if (!found.ok) return err("no-such-namespace");
    const { id: namespaceId, attributeTypes } = found.value;
    const query = parseVisibilityQuery(`${traceAttribute} = '${traceId.replaceAll("'", "''")}' ORDER BY StartTime ASC`, attributeTypes);
    // A query of the server's own: what cannot be read in it is the id.
    if (!query.ok) return err("no-such-trace");
    const { executions, next } = await engine.store.listExecutions({ namespaceId, query: query.value, limit: executionsMax, after: null });
    if (executions.length === 0) return err("no-such-trace");
    const items: TraceItem[] = [];
    let isCut = next !== null;
    for (const execution of executions) {
      const seen = await itemsOf(engine, execution);
      items.push(...seen.items);
      isCut ||= seen.isCut;
    }
    return ok({ items: items.sort((a, b) => a.at - b.at), isCut });
  },
});

async function itemsOf(engine: Pick<Engine, "runs" | "store">, execution: ListedExecution): Promise<Trace> {
  const { store } = engine;
  const { key, info } = execution;
  const { namespaceId, workflowId: run, runId } = key;
  const shown = WorkflowExecutionInfo.decode(info);
  const history = await eventsOf(store, key);
  const activities = activitiesIn(history.events);
  const { approvals, next: moreApprovals } = await store.listApprovals({ namespaceId, runId, after: null, limit: perExecutionMax });
  const { entries, next: moreEntries } = await store.readLedger({ namespaceId, runId, after: null, limit: perExecutionMax });
  const items: TraceItem[] = [
    {
      kind: kinds[shown.taskQueue] ?? "workflow",
      at: shown.startTime?.getTime() ?? 0,
      run,
      type: shown.type?.name ?? "",
      status:
        (await listedJob(engine, execution))?.state ?? listedRun(shown)[0]?.status ?? statusNames.get(shown.status)?.toLowerCase() ?? "",
      endedAt: shown.closeTime?.getTime() ?? null,
    },
    ...activities.slice(0, perExecutionMax).map((activity): TraceItem => ({ kind: "activity", run, ...activity })),
    ...approvals.map((stored): TraceItem => {
      const { id, activityId, activityType, status, createdAt, closedAt } = decodeApproval(stored);
      const words: { readonly [status: number]: string } = statusWords;
      return {
        kind: "approval",
        at: createdAt,
        run,
        id,
        of: activityId || activityType,
        status: words[status] ?? "",
        endedAt: closedAt || null,
      };
    }),
    ...entries.map((entry): TraceItem => ({ kind: "ledger", at: entry.at, run, entry })),
  ];
  return { items, isCut: history.isCut || activities.length > perExecutionMax || moreApprovals !== null || moreEntries !== null };
}

const kinds: { readonly [taskQueue: string]: "run" | "job" } = { [dagTaskQueue]: "run", [jobTaskQueue]: "job" };

const statusNames = new Map<number, string>(Object.entries(WorkflowExecutionStatus).map(([name, value]) => [value, name]));

async function eventsOf(store: Pick<Engine["store"], "readHistory">, key: RunKey) {
  const events: History["events"] = [];
  for (let next = 1; next <= eventsMax; ) {
    const batches = await store.readHistory(key, { fromEventId: next, toEventId: Number.MAX_SAFE_INTEGER, eventsMax: eventsPageMax });
    for (const { bytes } of batches) events.push(...History.decode(bytes).events);
    const last = batches.at(-1);
    if (last === undefined) return { events, isCut: false };
    next = last.firstEventId + last.eventCount;
  }
  return { events, isCut: true };
}
