import { err, ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import { parseVisibilityQuery } from "../../execution/visibility/query.ts";
import { jobTaskQueue } from "../built-in/server-task-queue.ts";
import type { Engine } from "../engine.ts";
import { traceAttribute } from "../traces/trace-id.ts";
import { type Job, listedJob } from "./job.ts";
import { type JobState, stateAttribute } from "./job-record.ts";

/** Which jobs; null for any. */
export type JobFilter = {
  readonly topic: string | null;
  readonly states: readonly JobState[] | null;
  readonly teamId: string | null;
  readonly traceId: string | null;
  /** With what the id of the job or its topic begins. */
  readonly text?: string | null;
  /** Inclusive, of the end of a closed job and of the submission of an open one. */
  readonly updatedAfter: EpochMs | null;
  /** Exclusive. */
  readonly updatedBefore: EpochMs | null;
};

export type JobPage = { readonly jobs: readonly Job[]; readonly next: string | null };

/** Executions read for one page: what the store cannot look for is looked for here. */
const pagesReadMax = 10;

/**
 * Jobs, the newest first, at most `limit`; fewer although more follow when many were passed over. Rejects with PageTokenError when `after` is
 * no `next`.
 */
export async function listJobs(
  engine: Pick<Engine, "namespaces" | "runs" | "store">,
  asked: {
    readonly namespace: string;
    readonly filter: JobFilter;
    readonly limit: number;
    readonly after: string | null;
    /** Passes over others before more is read of them. */
    readonly isWanted?: (jobId: string) => Promise<boolean>;
  },
): Promise<Result<JobPage, "no-such-namespace">> {
  const { namespace, filter, limit, isWanted } = asked;
  const found = engine.namespaces.get(namespace);
  if (!found.ok) return err("no-such-namespace");
  const query = parseVisibilityQuery(conditionsOf(filter).join(" AND "), found.value.attributeTypes);
  if (!query.ok) throw new Error(`assertion failed: a query of the server's own cannot be read: ${JSON.stringify(query.error)}`);
  const jobs: Job[] = [];
  let after = asked.after;
  for (let pages = 0; pages < pagesReadMax && jobs.length < limit; pages++) {
    const page = await engine.store.listExecutions({
      namespaceId: found.value.id,
      query: query.value,
      limit: limit - jobs.length,
      after,
    });
    for (const execution of page.executions) {
      if (isWanted !== undefined && !(await isWanted(execution.key.workflowId))) continue;
      const job = await listedJob(engine, execution);
      if (job !== null && fits(job, filter)) jobs.push(job);
    }
    after = page.next;
    if (after === null) break;
  }
  return ok({ jobs, next: after });
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const time = (at: EpochMs): string => quoted(new Date(at).toISOString());

/** What is open goes by its status alone; its state is looked at afterwards. */
const open = "ExecutionStatus = 'Running'";
const failedAs = (state: JobState): string => `(ExecutionStatus = 'Failed' AND ${stateAttribute} = '${state}')`;
const conditionsByState: { readonly [S in JobState]: string } = {
  PENDING: open,
  APPROVAL_REQUIRED: open,
  SCHEDULED: open,
  DISPATCHED: open,
  RUNNING: open,
  SUCCEEDED: "ExecutionStatus = 'Completed'",
  FAILED: `(ExecutionStatus = 'Failed' AND (${stateAttribute} = 'FAILED' OR ${stateAttribute} IS NULL))`,
  CANCELLED: "(ExecutionStatus = 'Canceled' OR ExecutionStatus = 'Terminated')",
  TIMEOUT: `(ExecutionStatus = 'TimedOut' OR ${failedAs("TIMEOUT")})`,
  DENIED: failedAs("DENIED"),
};

function conditionsOf({ topic, states, traceId, text = null, updatedAfter, updatedBefore }: JobFilter): readonly string[] {
  const updated = (comparison: string, at: EpochMs): string =>
    `(CloseTime ${comparison} ${time(at)} OR (${open} AND StartTime ${comparison} ${time(at)}))`;
  return [
    `TaskQueue = '${jobTaskQueue}'`,
    ...(topic === null ? [] : [`WorkflowType = ${quoted(topic)}`]),
    ...(states === null ? [] : [`(${[...new Set(states.map((state) => conditionsByState[state]))].join(" OR ")})`]),
    ...(traceId === null ? [] : [`${traceAttribute} = ${quoted(traceId)}`]),
    ...(text === null ? [] : [`(WorkflowId STARTS_WITH ${quoted(text)} OR WorkflowType STARTS_WITH ${quoted(text)})`]),
    ...(updatedAfter === null ? [] : [updated(">=", updatedAfter)]),
    ...(updatedBefore === null ? [] : [updated("<", updatedBefore)]),
  ];
}

const fits = ({ state, record }: Job, { states, teamId }: JobFilter): boolean =>
  (states === null || states.includes(state)) && (teamId === null || record.teamId === teamId);
