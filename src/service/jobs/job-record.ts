import type { DurationMs } from "../../base/time.ts";
import type { Json } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import { Memo, Priority, SearchAttributes } from "../../protocol/generated/temporal/api/common/v1/message.ts";

/* A job is a workflow execution of one activity. Its memo says what was asked for; what the activity is given is its input. */

export type JobPriority = "critical" | "interactive" | "batch";
/** Of the protocol's 1 to 5, where 3 is what says nothing. */
const priorityKeys: { readonly [P in JobPriority]: number } = { critical: 1, interactive: 3, batch: 4 };
/** As task queues know it. */
export const taskPriority = (priority: JobPriority): Priority => make(Priority, { priorityKey: priorityKeys[priority] });

/** What was asked for, written once. Whoever lists jobs reads it, and so does the worker that decides them. */
export type JobRecord = {
  readonly topic: string;
  /** Where the workers of the topic were when the job was submitted. */
  readonly taskQueue: string;
  readonly priority: JobPriority;
  readonly labels: { readonly [name: string]: string };
  readonly capability: string | null;
  readonly riskTags: readonly string[];
  readonly requires: readonly string[];
  readonly packId: string | null;
  /** For whom the principal asks; null for itself. */
  readonly actorId: string | null;
  readonly actorType: string | null;
  readonly teamId: string | null;
  readonly projectId: string | null;
  readonly traceId: string;
  readonly idempotencyKey: string | null;
  /** From the submission to the end, all attempts together; null for none. Time that it waits for people does not count. */
  readonly deadlineMs: DurationMs | null;
  /** Of one attempt. */
  readonly timeoutMs: DurationMs;
  readonly heartbeatTimeoutMs: DurationMs | null;
  /** The first one included. */
  readonly maxAttempts: number;
  readonly backoffMs: DurationMs;
  /** The job that this one follows, and by which act. */
  readonly parent: { readonly jobId: string; readonly by: "retry" | "remediation"; readonly remediationId: string | null } | null;
};

/** States of a job. Source: the job states of Cordum. */
export const jobStates = [
  "PENDING",
  "APPROVAL_REQUIRED",
  "SCHEDULED",
  "DISPATCHED",
  "RUNNING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "TIMEOUT",
  "DENIED",
] as const;
export type JobState = (typeof jobStates)[number];
/** In which a job that was not cancelled ends for good without success. */
export const deadStates = ["FAILED", "TIMEOUT", "DENIED"] as const;
export type DeadState = (typeof deadStates)[number];

const memoField = "holdfast";
/** Says how an execution failed, in finer words than its status. */
export const stateAttribute = "HoldfastRunStatus";

export const jobMemo = (record: JobRecord): Memo => make(Memo, { fields: { [memoField]: toPayload(record) } });
export const stateAttributes = (state: JobState): SearchAttributes =>
  make(SearchAttributes, { indexedFields: { [stateAttribute]: toPayload(state) } });

/** Null when the execution was not started as a job, though on the task queue of jobs. */
export function readJobRecord(memo: Memo | undefined): JobRecord | null {
  const record = fieldOf(memo?.fields, memoField);
  const isRecord = typeof record === "object" && record !== null && "topic" in record && "taskQueue" in record && "riskTags" in record;
  // INVARIANT: what has these fields was written by `jobMemo`: the task queue and the field are the server's own.
  return isRecord ? (record as unknown as JobRecord) : null;
}

/** Null while nothing was said. */
export function readState(attributes: SearchAttributes | undefined): DeadState | null {
  const state = fieldOf(attributes?.indexedFields, stateAttribute);
  return deadStates.find((known) => known === state) ?? null;
}

function fieldOf(fields: Memo["fields"] = {}, name: string): Json {
  const payload = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return payload === undefined ? null : fromPayloads({ payloads: [payload] });
}
