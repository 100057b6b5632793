import type { EpochMs } from "../../base/time.ts";
import { outcomeOf } from "../../dag/decider/outcome.ts";
import type { Json } from "../../dag/json.ts";
import { fromPayloads } from "../../dag/payload.ts";
import { policyIdentity } from "../../execution/activity.ts";
import type { Header, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { RetryState } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { History, type HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import type { RunKey, Store } from "../../store/store.ts";
import { decisionHeader } from "../ledger/decision-record.ts";
import { type DeadState, type JobRecord, readJobRecord } from "./job-record.ts";

/** How the activity of a job ended. */
export type ActivityEnd =
  | { readonly how: "succeeded"; readonly result: Payloads | undefined }
  | { readonly how: "cancelled" }
  | { readonly how: "dead"; readonly state: DeadState; readonly failure: Failure };

/** What the history of a job says. */
export type JobHistory = {
  /** Null when the execution was not started as a job. */
  readonly record: JobRecord | null;
  readonly input: Payloads | undefined;
  readonly submittedAt: EpochMs;
  /** Whoever submitted it, as they called themselves. */
  readonly principal: string;
  /** Of the activity, 0 before it is scheduled. */
  readonly scheduledEventId: number;
  /** What was decided when it was scheduled, null without a policy. */
  readonly decided: Json;
  readonly cancelRequested: boolean;
  /** Attempts that have begun, as far as events tell; those of an activity that is open are in its state. */
  readonly attempts: number;
  readonly worker: string;
  readonly end: ActivityEnd | null;
};

const unread: JobHistory = {
  record: null,
  input: undefined,
  submittedAt: 0,
  principal: "",
  scheduledEventId: 0,
  decided: null,
  cancelRequested: false,
  attempts: 0,
  worker: "",
  end: null,
};

export const jobHistory = (events: readonly HistoryEvent[]): JobHistory => events.reduce(evolve, unread);

function evolve(job: JobHistory, { eventId, eventTime, attributes }: HistoryEvent): JobHistory {
  switch (attributes?.$case) {
    case "workflowExecutionStartedEventAttributes": {
      const { memo, input, identity } = attributes.value;
      return { ...job, record: readJobRecord(memo), input, principal: identity, submittedAt: eventTime?.getTime() ?? 0 };
    }
    case "workflowExecutionCancelRequestedEventAttributes":
      return { ...job, cancelRequested: true };
    case "activityTaskScheduledEventAttributes":
      return { ...job, scheduledEventId: eventId, decided: headerValue(attributes.value.header, decisionHeader) };
    case "activityTaskStartedEventAttributes":
      // What the policy refuses ends as an attempt that no worker had.
      return attributes.value.identity === policyIdentity
        ? job
        : { ...job, attempts: attributes.value.attempt, worker: attributes.value.identity };
    case "activityTaskCompletedEventAttributes":
      return { ...job, end: { how: "succeeded", result: attributes.value.result } };
    case "activityTaskFailedEventAttributes": {
      const { failure, retryState } = attributes.value;
      if (failure === undefined) return job;
      return { ...job, end: { how: "dead", state: retryState === RetryState.TIMEOUT ? "TIMEOUT" : stateOf(failure), failure } };
    }
    case "activityTaskTimedOutEventAttributes":
      return attributes.value.failure === undefined
        ? job
        : { ...job, end: { how: "dead", state: "TIMEOUT", failure: attributes.value.failure } };
    case "activityTaskCanceledEventAttributes":
      return { ...job, end: { how: "cancelled" } };
    default:
      return job;
  }
}

const states = { failed: "FAILED", timed_out: "TIMEOUT", denied: "DENIED", cancelled: "FAILED" } as const;

function stateOf({ message, failureInfo }: Failure): DeadState {
  const { type = "", nonRetryable = false } = failureInfo?.$case === "applicationFailureInfo" ? failureInfo.value : {};
  const { status } = outcomeOf({ type, message, retryable: !nonRetryable });
  return states[status];
}

function headerValue(header: Header | undefined, name: string): Json {
  const payload = header?.fields[name];
  return payload === undefined ? null : fromPayloads({ payloads: [payload] });
}

const pageEventsMax = 256;

/** The whole history of a job: a dozen events, and as many more as somebody has sent it signals. */
export async function readEvents(store: Pick<Store, "readHistory">, key: RunKey): Promise<readonly HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for (let next = 1; ; ) {
    const batches = await store.readHistory(key, { fromEventId: next, toEventId: Number.MAX_SAFE_INTEGER, eventsMax: pageEventsMax });
    for (const { bytes } of batches) events.push(...History.decode(bytes).events);
    const last = batches.at(-1);
    if (last === undefined) return events;
    next = last.firstEventId + last.eventCount;
  }
}
