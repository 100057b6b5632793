import * as z from "zod/mini";
import { EventType } from "../../protocol/generated/temporal/api/enums/v1/event_type.ts";
import type { HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import type { DeadLetterFilter } from "../../service/jobs/dead-letters.ts";
import type { Job } from "../../service/jobs/job.ts";
import { type DeadState, deadStates } from "../../service/jobs/job-record.ts";
import { anyTime } from "./job-query.ts";
import { someOf, text } from "./query.ts";
import { count, listOf, named, textOrNull, textsByName, timeText } from "./schema.ts";

/** Source: the entries of Cordum's dead-letter queue; what follows `created_at` is ours. */
const fields = {
  job_id: z.string(),
  topic: z.string(),
  status: z.string(),
  reason: z.string(),
  reason_code: z.string(),
  last_state: z.string(),
  attempts: count,
  created_at: timeText,
  labels: textsByName,
  trace_id: z.string(),
  parent_job_id: textOrNull,
};
export const deadLetterSchema = named("DeadLetter", z.object(fields));
export const shownDeadLetterSchema = named(
  "DeadLetterWithHistory",
  z.object({ ...fields, history: listOf(z.object({ event_id: count, type: z.string(), at: timeText })) }),
);

export const deadLetterView = (job: Job): z.infer<typeof deadLetterSchema> => ({
  job_id: job.jobId,
  topic: job.record.topic,
  status: `JOB_STATUS_${job.state}`,
  reason: job.failure?.message ?? "",
  reason_code: reasonCodeOf(job),
  last_state: lastStateOf(job),
  attempts: job.attempts,
  created_at: new Date(job.closedAt).toISOString(),
  labels: job.record.labels,
  trace_id: job.record.traceId,
  parent_job_id: job.record.parent?.jobId ?? null,
});

/** Why nobody tries again: the type of the failure, as its worker called it, or one of ours. */
function reasonCodeOf({ state, failure, record, attempts }: Job): string {
  if (failure?.type === "ApprovalRejected") return "approval_rejected";
  if (state === "DENIED") return "safety_denied";
  if (state === "TIMEOUT") return "timeout";
  if (failure !== null && failure.type !== "") return failure.type;
  return record.maxAttempts > 1 && attempts >= record.maxAttempts ? "max_retries_exceeded" : "failed";
}

/** Before it ended. */
const lastStateOf = ({ attempts, state }: Job): string => (attempts > 0 ? "RUNNING" : state === "DENIED" ? "PENDING" : "DISPATCHED");

export const historyView = (events: readonly HistoryEvent[]) =>
  events.map(({ eventId, eventType, eventTime }) => ({
    event_id: eventId,
    type: eventNames.get(eventType) ?? "UNKNOWN",
    at: (eventTime ?? new Date(0)).toISOString(),
  }));

const eventNames = new Map<number, string>(Object.entries(EventType).map(([name, value]) => [value, name]));

/** Which dead letters, in a query string. */
export const filterParameters = {
  status: z.optional(someOf(deadStates)),
  topic: z.optional(text),
  team: z.optional(text),
  closed_after: z.optional(anyTime),
  closed_before: z.optional(anyTime),
};

export const filterOf = (given: {
  readonly status?: readonly DeadState[] | undefined;
  readonly topic?: string | undefined;
  readonly team?: string | undefined;
  readonly closed_after?: number | undefined;
  readonly closed_before?: number | undefined;
}): DeadLetterFilter => ({
  topic: given.topic ?? null,
  states: given.status ?? null,
  teamId: given.team ?? null,
  closedAfter: given.closed_after ?? null,
  closedBefore: given.closed_before ?? null,
});
