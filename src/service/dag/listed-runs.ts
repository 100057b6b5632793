import type { EpochMs } from "../../base/time.ts";
import type { RunStatus } from "../../dag/projection/run.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { WorkflowExecutionInfo } from "../../protocol/generated/temporal/api/workflow/v1/message.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import { type RunRecord, readRunRecord, readStatus } from "./run-record.ts";

export type ListedRun = {
  readonly runId: string;
  readonly workflowId: string;
  readonly status: RunStatus;
  readonly startedAt: EpochMs;
  readonly closedAt: EpochMs | null;
  readonly record: RunRecord;
};

export type ListRuns = {
  readonly workflowId: string | undefined;
  readonly status: RunStatus | undefined;
  /** Inclusive. */
  readonly startedAfter: EpochMs | undefined;
  /** Exclusive. */
  readonly startedBefore: EpochMs | undefined;
  readonly limit: number;
  readonly after: string | null;
};

/** As a query of visibility. */
export function queryOf({ workflowId, status, startedAfter, startedBefore }: ListRuns): string {
  const conditions = [
    `TaskQueue = '${dagTaskQueue}'`,
    ...(workflowId === undefined ? [] : [`WorkflowType = ${quoted(workflowId)}`]),
    ...(status === undefined ? [] : [statusCondition[status]]),
    ...(startedAfter === undefined ? [] : [`StartTime >= '${new Date(startedAfter).toISOString()}'`]),
    ...(startedBefore === undefined ? [] : [`StartTime < '${new Date(startedBefore).toISOString()}'`]),
  ];
  return conditions.join(" AND ");
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

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
  return [
    {
      runId: execution?.workflowId ?? "",
      workflowId: type?.name ?? "",
      status: statusOf(status, readStatus(searchAttributes)),
      startedAt: startTime?.getTime() ?? 0,
      closedAt: closeTime?.getTime() ?? null,
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
