import { fromProtoTime, toProtoTime } from "../../base/time.ts";
import { fieldOf, type Json } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import { type Header, type Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { jobActivityId } from "../jobs/job-decider.ts";
import { decisionHeader } from "../ledger/decision-record.ts";
import { usageKey } from "../limits/attempt-end.ts";
import type { Lease, LeaseEnd } from "./leases.ts";

/* A lease as workers that speak HTTP are told of it, whether they ask or it is pushed to them, and what they answer. */

export const leaseText = (token: Uint8Array): string => Buffer.from(token).toString("base64url");
export const leaseToken = (text: string): Uint8Array => Buffer.from(text, "base64url");

export type LeaseJson = ReturnType<typeof leaseJson>;

export function leaseJson({ token, task, deadline }: Lease, taskQueue: string) {
  const { workflowId = "", runId = "" } = task.workflowExecution ?? {};
  const headers = headersOf(task.header);
  return {
    lease: leaseText(token),
    // An activity of a run is called as the API of runs calls its job.
    job_id: isJob(task) ? workflowId : `${workflowId}:${task.activityId}`,
    workflow_id: workflowId,
    run_id: runId,
    workflow_type: task.workflowType?.name ?? "",
    activity_id: task.activityId,
    activity_type: task.activityType?.name ?? "",
    task_queue: taskQueue,
    attempt: task.attempt,
    input: valuesOf(task.input),
    headers,
    constraints: fieldOf(headers[decisionHeader] ?? null, "constraints"),
    scheduled_at: task.scheduledTime?.toISOString() ?? null,
    deadline: deadline === null ? null : new Date(deadline).toISOString(),
    heartbeat_timeout_ms: fromProtoTime(task.heartbeatTimeout),
    heartbeat_details: fromPayloads(task.heartbeatDetails),
  };
}

const isJob = ({ activityId, activityType, workflowType }: Lease["task"]): boolean =>
  activityId === jobActivityId && activityType?.name === workflowType?.name;

/** JSON as it is; what is none as `{encoding, base64}`. */
const valuesOf = (payloads: Payloads | undefined): readonly Json[] =>
  (payloads?.payloads ?? []).map((payload) => fromPayloads({ payloads: [payload] }));

const headersOf = (header: Header | undefined): { readonly [name: string]: Json } =>
  Object.fromEntries(Object.entries(header?.fields ?? {}).map(([name, payload]) => [name, fromPayloads({ payloads: [payload] })]));

/** What an attempt used, for budgets. */
export type Usage = { readonly tokens?: number | undefined; readonly usd?: number | undefined } | undefined;

/** Why a worker failed. It is tried again unless `retryable` is false, not before `retry_after_ms` if that is given. */
export type WorkerError = {
  readonly message: string;
  readonly type?: string | undefined;
  readonly retryable?: boolean | undefined;
  readonly retry_after_ms?: number | undefined;
  readonly details?: unknown;
};

export const completedWith = (result: unknown, usage: Usage): LeaseEnd => ({ how: "completed", result: values(result, usage) });

export const cancelledWith = (usage: Usage): LeaseEnd => ({
  how: "cancelled",
  details: usage === undefined ? undefined : values(null, usage),
});

export function failedWith(
  { message, type = "", retryable = true, retry_after_ms, details }: WorkerError,
  { source, usage }: { readonly source: string; readonly usage: Usage },
): LeaseEnd {
  const says = details !== undefined || usage !== undefined;
  const value = make(ApplicationFailureInfo, {
    type,
    nonRetryable: !retryable,
    details: says ? values(details, usage) : undefined,
    nextRetryDelay: retry_after_ms === undefined ? undefined : toProtoTime(retry_after_ms),
  });
  return { how: "failed", failure: make(Failure, { message, source, failureInfo: { $case: "applicationFailureInfo", value } }) };
}

/** What an attempt used stands on the first payload of its answer. */
function values(value: unknown, usage: Usage): Payloads {
  const payload = toPayload((value ?? null) as Json);
  return make(Payloads, { payloads: [usage === undefined ? payload : withUsage(payload, usage)] });
}

const withUsage = (payload: Payload, usage: NonNullable<Usage>): Payload => ({
  ...payload,
  metadata: { ...payload.metadata, [usageKey]: Buffer.from(JSON.stringify(usage)) },
});
