import type { EpochMs } from "../../base/time.ts";
import type { RunStatus } from "../../dag/projection/run.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { WorkflowExecutionInfo } from "../../protocol/generated/temporal/api/workflow/v1/message.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import { type RunRecord, readRunRecord, readShown, readStatus, recordAttributes, updatedAttribute } from "./run-record.ts";

export type ListedRun = {
  readonly runId: string;
  readonly workflowId: string;
  readonly status: RunStatus;
  readonly startedAt: EpochMs;
  readonly closedAt: EpochMs | null;
  /** When the status changed last. */
  readonly updatedAt: EpochMs;
  /** In US dollars, as of then. */
  readonly cost: number;
  readonly record: RunRecord;
};

/** Which runs; what is undefined is any. Times `After` are inclusive, `Before` exclusive. */
export type RunFilter = {
  readonly workflowId?: string | undefined;
  readonly statuses?: readonly RunStatus[] | undefined;
  readonly startedAfter?: EpochMs | undefined;
  readonly startedBefore?: EpochMs | undefined;
  /** When the status changed last. */
  readonly updatedAfter?: EpochMs | undefined;
  readonly updatedBefore?: EpochMs | undefined;
  readonly orgId?: string | undefined;
  readonly teamId?: string | undefined;
  readonly traceId?: string | undefined;
  /** With what the id of the run or of the workflow begins. */
  readonly text?: string | undefined;
};

export type ListRuns = RunFilter & { readonly limit: number; readonly after: string | null };

type Conditions = { readonly [F in keyof Required<RunFilter>]: (value: NonNullable<RunFilter[F]>) => string };
const conditions: Conditions = {
  workflowId: (id) => `WorkflowType = ${quoted(id)}`,
  statuses: (statuses) => `(${statuses.map((status) => `(${statusCondition[status]})`).join(" OR ")})`,
  startedAfter: (at) => `StartTime >= ${time(at)}`,
  startedBefore: (at) => `StartTime < ${time(at)}`,
  // A run that was ended by force could not say so.
  updatedAfter: (at) => `(${updatedAttribute} >= ${time(at)} OR CloseTime >= ${time(at)})`,
  updatedBefore: (at) => `(${updatedAttribute} < ${time(at)} AND (ExecutionStatus = 'Running' OR CloseTime < ${time(at)}))`,
  orgId: (id) => `${recordAttributes.orgId} = ${quoted(id)}`,
  teamId: (id) => `${recordAttributes.teamId} = ${quoted(id)}`,
  traceId: (id) => `${recordAttributes.traceId} = ${quoted(id)}`,
  text: (beginning) => `(WorkflowId STARTS_WITH ${quoted(beginning)} OR WorkflowType STARTS_WITH ${quoted(beginning)})`,
};

/** As a query of visibility. */
export function queryOf(filter: RunFilter): string {
  const asked = (Object.keys(conditions) as (keyof RunFilter)[]).flatMap((field) => {
    const value = filter[field];
    // One function for each field, which TypeScript cannot see through the table.
    return value === undefined ? [] : [(conditions[field] as (value: unknown) => string)(value)];
  });
  return [`TaskQueue = '${dagTaskQueue}'`, ...asked].join(" AND ");
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const time = (at: EpochMs): string => `'${new Date(at).toISOString()}'`;

/** The status as far as the execution knows it, and then what the run says of itself. */
const statusCondition: { readonly [S in RunStatus]: string } = {
  pending: "ExecutionStatus = 'Running' AND HoldfastRunStatus = 'pending'",
  running: "ExecutionStatus = 'Running' AND HoldfastRunStatus = 'running'",
  waiting: "ExecutionStatus = 'Running' AND HoldfastRunStatus = 'waiting'",
  succeeded: "ExecutionStatus = 'Completed'",
  failed: "ExecutionStatus = 'Failed' AND HoldfastRunStatus != 'denied' AND HoldfastRunStatus != 'timed_out'",
  denied: "ExecutionStatus = 'Failed' AND HoldfastRunStatus = 'denied'",
  timed_out: "(ExecutionStatus = 'TimedOut' OR (ExecutionStatus = 'Failed' AND HoldfastRunStatus = 'timed_out'))",
  cancelled: "(ExecutionStatus = 'Canceled' OR ExecutionStatus = 'Terminated')",
};

/** None for an execution that is no run of a workflow. */
export function listedRun({
  execution,
  type,
  status,
  startTime,
  closeTime,
  memo,
  searchAttributes,
}: WorkflowExecutionInfo): readonly ListedRun[] {
  const record = readRunRecord(memo);
  if (record === null) return [];
  const { cost, updatedAt } = readShown(searchAttributes);
  const startedAt = startTime?.getTime() ?? 0;
  return [
    {
      runId: execution?.workflowId ?? "",
      workflowId: type?.name ?? "",
      status: statusOf(status, readStatus(searchAttributes)),
      startedAt,
      closedAt: closeTime?.getTime() ?? null,
      updatedAt: Math.max(closeTime?.getTime() ?? 0, updatedAt ?? startedAt),
      cost,
      record,
    },
  ];
}

function statusOf(status: WorkflowExecutionStatus, said: string | null): RunStatus {
  switch (status) {
    case WorkflowExecutionStatus.RUNNING:
      return said === "waiting" || said === "pending" ? said : "running";
    case WorkflowExecutionStatus.COMPLETED:
      return "succeeded";
    case WorkflowExecutionStatus.FAILED:
      return said === "denied" || said === "timed_out" ? said : "failed";
    case WorkflowExecutionStatus.TIMED_OUT:
      return "timed_out";
    default:
      return "cancelled";
  }
}
