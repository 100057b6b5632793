import { err, ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import { isObject, type Json } from "../../dag/json.ts";
import { fromPayloads } from "../../dag/payload.ts";
import type { MutableState } from "../../execution/execution.ts";
import { policyDenied } from "../../execution/failures.ts";
import type { PendingActivity } from "../../protocol/generated/holdfast/state/v1/state.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { WorkflowExecutionInfo } from "../../protocol/generated/temporal/api/workflow/v1/message.ts";
import type { ListedExecution, RunKey } from "../../store/store.ts";
import { jobTaskQueue } from "../built-in/server-task-queue.ts";
import type { Engine } from "../engine.ts";
import { executionInfo } from "../visibility-record.ts";
import { type JobHistory, jobHistory, readEvents } from "./job-history.ts";
import { type JobRecord, type JobState, readState } from "./job-record.ts";

/** A job as its execution tells it. */
export type Job = {
  readonly jobId: string;
  readonly key: RunKey;
  readonly record: JobRecord;
  readonly state: JobState;
  readonly principal: string;
  readonly submittedAt: EpochMs;
  /** Of what is known to have happened last. */
  readonly updatedAt: EpochMs;
  /** 0 while it is open. */
  readonly closedAt: EpochMs;
  readonly attempts: number;
  /** What was decided when it was submitted: effect, rule, reason, snapshot and constraints. Null without a policy. */
  readonly decided: Json;
  /** What went wrong: for good, or last. Null when nothing did. */
  readonly failure: JobFailure | null;
  readonly history: JobHistory;
  /** Null when it is closed, or its activity is not scheduled. */
  readonly pending: Readonly<PendingActivity> | null;
};

export type JobFailure = { readonly message: string; readonly type: string; readonly details: Json };

/** The job of this id, open or closed. */
export async function findJob(
  engine: Pick<Engine, "namespaces" | "runs" | "store">,
  { namespace, jobId }: { readonly namespace: string; readonly jobId: string },
): Promise<Result<Job, "no-such-job" | "no-such-namespace">> {
  const found = engine.namespaces.get(namespace);
  if (!found.ok) return err("no-such-namespace");
  const job = await jobAt(engine, { namespaceId: found.value.id, workflowId: jobId, runId: "" });
  return job === null ? err("no-such-job") : ok(job);
}

/** The job that this run is, open or closed; without a run id, the newest one. Null when there is none. */
export async function jobAt({ runs, store }: Pick<Engine, "runs" | "store">, of: RunKey): Promise<Job | null> {
  const cell = await runs.find(of);
  if (!cell.ok || cell.value.state.started.taskQueue?.name !== jobTaskQueue) return null;
  await cell.value.settled;
  const { key, state } = cell.value;
  return jobOf(key, executionInfo(state), jobHistory(await readEvents(store, key)), state);
}

/** A job of a list. */
export async function listedJob(engine: Pick<Engine, "runs" | "store">, { key, info }: ListedExecution): Promise<Job | null> {
  const shown = WorkflowExecutionInfo.decode(info);
  const cell = shown.status === WorkflowExecutionStatus.RUNNING ? await engine.runs.load(key) : null;
  await cell?.settled;
  const history = jobHistory(await readEvents(engine.store, key));
  // It may have closed since the list was read.
  return jobOf(key, cell === null ? shown : executionInfo(cell.state), history, cell?.state ?? null);
}

function jobOf(key: RunKey, info: WorkflowExecutionInfo, history: JobHistory, state: MutableState | null): Job | null {
  const { record, end, decided, principal, submittedAt } = history;
  if (record === null) return null;
  const pending = [...(state?.activities.values() ?? [])][0] ?? null;
  const closedAt = info.closeTime?.getTime() ?? 0;
  const failure = end?.how === "dead" ? end.failure : pending?.lastFailure;
  return {
    jobId: key.workflowId,
    key,
    record,
    state: stateOf(info, history, pending),
    principal,
    submittedAt,
    updatedAt: closedAt || Math.max(submittedAt, pending?.startedTime ?? 0, pending?.lastAttemptCompleteTime ?? 0),
    closedAt,
    attempts: pending === null ? history.attempts : pending.attempt - (pending.startedTime > 0 ? 0 : 1),
    decided,
    failure: failure === undefined ? null : failureOf(failure),
    history,
    pending,
  };
}

function stateOf({ status, searchAttributes }: WorkflowExecutionInfo, { end }: JobHistory, pending: PendingActivity | null): JobState {
  switch (status) {
    case WorkflowExecutionStatus.COMPLETED:
      return "SUCCEEDED";
    case WorkflowExecutionStatus.CANCELED:
    case WorkflowExecutionStatus.TERMINATED:
      return "CANCELLED";
    case WorkflowExecutionStatus.TIMED_OUT:
      return "TIMEOUT";
    case WorkflowExecutionStatus.FAILED:
      return readState(searchAttributes) ?? "FAILED";
  }
  if (pending === null) return end === null ? "PENDING" : "RUNNING";
  if (pending.hold !== undefined) return "APPROVAL_REQUIRED";
  if (pending.startedTime > 0) return "RUNNING";
  // It waits for a worker, or for its next attempt.
  return pending.dispatched ? "DISPATCHED" : "SCHEDULED";
}

/** A time-out says what the attempt before it died of, if one did. */
function failureOf({ message, failureInfo, cause }: Failure): JobFailure {
  switch (failureInfo?.$case) {
    case "applicationFailureInfo":
      return { message, type: failureInfo.value.type, details: fromPayloads(failureInfo.value.details) };
    case "timeoutFailureInfo": {
      const before = cause === undefined ? "" : `: ${cause.message}`;
      return { message: `${message}${before}`, type: "Timeout", details: fromPayloads(failureInfo.value.lastHeartbeatDetails) };
    }
    default:
      return { message, type: "", details: null };
  }
}

/** A safer way to reach the same end, that the rule which denied the job offers. */
export type Remediation = {
  readonly id: string;
  readonly title?: string;
  readonly summary?: string;
  readonly replacementTopic?: string;
  readonly replacementCapability?: string;
  readonly addLabels?: { readonly [name: string]: string };
  readonly removeLabels?: readonly string[];
};

/** Of a job that was denied. */
export function remediationsOf({ failure }: Pick<Job, "failure">): readonly Remediation[] {
  if (failure?.type !== policyDenied || !isObject(failure.details)) return [];
  const { remediations } = failure.details;
  // INVARIANT: the server itself wrote them, from the policy's rule.
  return Array.isArray(remediations) ? (remediations as readonly Remediation[]) : [];
}
