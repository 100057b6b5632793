import * as z from "zod/mini";
import { fieldOf, type Json } from "../../dag/json.ts";
import { fromPayloads } from "../../dag/payload.ts";
import { statusWords } from "../../governance/approval/approval-entry.ts";
import { constraintsRecord } from "../../governance/policy/constraints.ts";
import { Verdict } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { type Job, remediationsOf } from "../../service/jobs/job.ts";
import { jobStates } from "../../service/jobs/job-record.ts";
import type { Jobs } from "../../service/jobs/jobs.ts";
import { count, listOf, named, textOrNull, texts, textsByName, timeOrNull, timeText } from "./schema.ts";

/** A job with the approval that it waits for, or waited for last. */
export type ShownJob = Extract<Awaited<ReturnType<Jobs["get"]>>, { readonly ok: true }>["value"];

/** Microseconds since 1970. */
const micros = z.int();

/** What a list says of a job. Source: the job record of Cordum's API; what follows `deadline_unix` is ours, as are `labels`. */
const recordFields = {
  id: z.string(),
  trace_id: z.string(),
  updated_at: micros,
  state: z.enum(jobStates),
  topic: z.string(),
  tenant: z.string(),
  team: textOrNull,
  principal: z.string(),
  actor_id: textOrNull,
  actor_type: textOrNull,
  idempotency_key: textOrNull,
  capability: textOrNull,
  risk_tags: texts,
  requires: texts,
  pack_id: textOrNull,
  labels: textsByName,
  attempts: count,
  safety_decision: textOrNull,
  safety_reason: textOrNull,
  safety_rule_id: textOrNull,
  safety_snapshot: textOrNull,
  deadline_unix: z.nullable(count),
  parent_job_id: textOrNull,
  execution_run_id: z.string(),
  created_at: timeText,
  closed_at: timeOrNull,
};
export const jobRecordSchema = named("JobRecord", z.object(recordFields));

const remediationSchema = z.object({
  id: z.string(),
  title: z.string(),
  summary: z.string(),
  replacement_topic: z.string(),
  replacement_capability: z.string(),
  add_labels: textsByName,
  remove_labels: texts,
});

export const jobSchema = named(
  "Job",
  z.object({
    ...recordFields,
    context: z.unknown(),
    result: z.unknown(),
    task_queue: z.string(),
    priority: z.string(),
    project_id: textOrNull,
    worker: z.string(),
    error_message: textOrNull,
    error_code: textOrNull,
    error_details: z.unknown(),
    last_heartbeat_details: z.unknown(),
    next_attempt_at: timeOrNull,
    safety_constraints: z.unknown(),
    safety_remediations: listOf(remediationSchema),
    safety_job_hash: textOrNull,
    approval_required: z.boolean(),
    approval_ref: textOrNull,
    approval_status: textOrNull,
    approval_by: textOrNull,
    approval_at: z.nullable(micros),
    approval_reason: textOrNull,
  }),
);

export function jobRecordView(job: Job, tenant: string): z.infer<typeof jobRecordSchema> {
  const { record, decided } = job;
  return {
    id: job.jobId,
    trace_id: record.traceId,
    updated_at: job.updatedAt * 1000,
    state: job.state,
    topic: record.topic,
    tenant,
    team: record.teamId,
    principal: job.principal,
    actor_id: record.actorId,
    actor_type: record.actorType,
    idempotency_key: record.idempotencyKey,
    capability: record.capability,
    risk_tags: record.riskTags,
    requires: record.requires,
    pack_id: record.packId,
    labels: record.labels,
    attempts: job.attempts,
    safety_decision: textIn(decided, "effect"),
    safety_reason: textIn(decided, "reason"),
    safety_rule_id: textIn(decided, "rule"),
    safety_snapshot: textIn(decided, "snapshot"),
    deadline_unix: record.deadlineMs === null ? null : Math.ceil((job.submittedAt + record.deadlineMs) / 1000),
    parent_job_id: record.parent?.jobId ?? null,
    execution_run_id: job.key.runId,
    created_at: new Date(job.submittedAt).toISOString(),
    closed_at: job.closedAt === 0 ? null : new Date(job.closedAt).toISOString(),
  };
}

export function jobView(job: ShownJob, tenant: string): z.infer<typeof jobSchema> {
  const { record, history, failure, pending, approval } = job;
  const lastVote = approval?.votes.at(-1);
  const waits = pending !== null && pending.startedTime === 0 && !pending.dispatched && pending.hold === undefined;
  return {
    ...jobRecordView(job, tenant),
    context: fromPayloads(history.input),
    result: history.end?.how === "succeeded" ? fromPayloads(history.end.result) : null,
    task_queue: record.taskQueue,
    priority: record.priority,
    project_id: record.projectId,
    worker: pending?.lastWorkerIdentity || history.worker,
    error_message: failure?.message ?? null,
    error_code: failure === null ? null : failure.type,
    error_details: failure?.details ?? null,
    last_heartbeat_details: fromPayloads(pending?.heartbeatDetails),
    next_attempt_at: waits ? new Date(pending.attemptScheduledTime).toISOString() : null,
    safety_constraints: constraintsRecord(fieldOf(job.decided, "constraints")),
    safety_remediations: remediationsOf(job).map((one) => ({
      id: one.id,
      title: one.title ?? "",
      summary: one.summary ?? "",
      replacement_topic: one.replacementTopic ?? "",
      replacement_capability: one.replacementCapability ?? "",
      add_labels: one.addLabels ?? {},
      remove_labels: one.removeLabels ?? [],
    })),
    safety_job_hash: approval?.jobHash ?? textIn(failure?.details ?? null, "jobHash"),
    approval_required: approval !== null,
    approval_ref: approval?.id ?? null,
    approval_status: approval === null ? null : statusWord(approval.status),
    approval_by: lastVote?.voter?.id ?? null,
    approval_at: lastVote === undefined ? null : lastVote.at * 1000,
    approval_reason: lastVote === undefined ? null : `${lastVote.verdict === Verdict.GRANT ? "granted" : "rejected"}: ${lastVote.reason}`,
  };
}

const words: { readonly [status: number]: string } = statusWords;
const statusWord = (status: number): string | null => words[status] ?? null;

function textIn(value: Json, name: string): string | null {
  const text = fieldOf(value, name);
  return typeof text === "string" ? text : null;
}
