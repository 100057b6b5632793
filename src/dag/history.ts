import type { Header } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { Failure as ProtocolFailure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import type { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { parseJobId } from "./action-id.ts";
import type { RunEnd } from "./decider/effect.ts";
import type { DagEvent, Failure, RunStart } from "./decider/event.ts";
import { runFailureTypes } from "./decider/outcome.ts";
import { at as valueAt } from "./json.ts";
import { fromPayloads } from "./payload.ts";

/** Turns the events of a history, from the first one on, into those of the run. */
export type HistoryReader = {
  /** Null for what does not concern the run. */
  read(event: HistoryEvent): DagEvent | null;
  /** What the command that cancels an activity has to name. */
  scheduledEventIdOf(activityId: string): number | undefined;
};

/**
 * A run is a workflow execution: its input is one JSON payload, a `RunStart`; an activity's id is the id of the action, a timer's that of the
 * timer, and a child's workflow id is the job id. Events after the first name their activity by an event id, which the reader remembers.
 */
export function historyReader(): HistoryReader {
  const activityIds = new Map<number, string>();
  const eventIds = new Map<string, number>();
  const activityOf = (scheduledEventId: number): string => activityIds.get(scheduledEventId) ?? "";
  const read = ({ eventId, eventTime, attributes }: HistoryEvent): DagEvent | null => {
    const at = eventTime?.getTime() ?? 0;
    switch (attributes?.$case) {
      case "workflowExecutionStartedEventAttributes":
        // INVARIANT: written by whoever started the run, as `RunStart`.
        return { ...(fromPayloads(attributes.value.input) as unknown as RunStart), type: "RunStarted", at };
      case "activityTaskScheduledEventAttributes": {
        const { activityId, header } = attributes.value;
        activityIds.set(eventId, activityId);
        eventIds.set(activityId, eventId);
        return { type: "ActivityScheduled", at, activityId, attemptsPermitted: attemptsPermitted(header) };
      }
      case "activityTaskStartedEventAttributes":
        return { type: "ActivityStarted", at, activityId: activityOf(attributes.value.scheduledEventId) };
      case "activityTaskCompletedEventAttributes": {
        const { scheduledEventId, result } = attributes.value;
        return { type: "ActivityCompleted", at, activityId: activityOf(scheduledEventId), output: fromPayloads(result) };
      }
      case "activityTaskFailedEventAttributes": {
        const { scheduledEventId, failure } = attributes.value;
        return { type: "ActivityFailed", at, activityId: activityOf(scheduledEventId), failure: failureOf(failure) };
      }
      case "activityTaskTimedOutEventAttributes": {
        const { scheduledEventId, failure } = attributes.value;
        return { type: "ActivityTimedOut", at, activityId: activityOf(scheduledEventId), message: failure?.message ?? "" };
      }
      case "activityTaskCancelRequestedEventAttributes":
        return { type: "ActivityCancelRequested", at, activityId: activityOf(attributes.value.scheduledEventId) };
      case "activityTaskCanceledEventAttributes":
        return {
          type: "ActivityCanceled",
          at,
          activityId: activityOf(attributes.value.scheduledEventId),
          message: "the job was cancelled",
        };
      case "timerStartedEventAttributes":
        return { type: "TimerStarted", at, timerId: attributes.value.timerId };
      case "timerFiredEventAttributes":
        return { type: "TimerFired", at, timerId: attributes.value.timerId };
      case "timerCanceledEventAttributes":
        return { type: "TimerCanceled", at, timerId: attributes.value.timerId };
      case "startChildWorkflowExecutionInitiatedEventAttributes":
        return ofChild(attributes.value.workflowId, (childId) => ({
          type: "ChildInitiated",
          at,
          childId,
          attemptsPermitted: attemptsPermitted(attributes.value.header),
        }));
      case "startChildWorkflowExecutionFailedEventAttributes": {
        const failure = { type: "", message: "the subworkflow could not be started", retryable: false };
        return ofChild(attributes.value.workflowId, (childId) => ({ type: "ChildFailed", at, childId, failure }));
      }
      case "childWorkflowExecutionStartedEventAttributes": {
        // A run is called by the workflow id of its execution.
        const childRunId = idOf(attributes.value);
        return ofChild(childRunId, (childId) => ({ type: "ChildStarted", at, childId, childRunId }));
      }
      case "childWorkflowExecutionCompletedEventAttributes": {
        const output = fromPayloads(attributes.value.result);
        return ofChild(idOf(attributes.value), (childId) => ({ type: "ChildCompleted", at, childId, output }));
      }
      case "childWorkflowExecutionFailedEventAttributes": {
        const failure = failureOf(attributes.value.failure);
        return ofChild(idOf(attributes.value), (childId) => ({ type: "ChildFailed", at, childId, failure }));
      }
      case "childWorkflowExecutionTimedOutEventAttributes":
        return ofChild(idOf(attributes.value), (childId) => ({ type: "ChildTimedOut", at, childId }));
      case "childWorkflowExecutionCanceledEventAttributes":
      case "childWorkflowExecutionTerminatedEventAttributes":
        return ofChild(idOf(attributes.value), (childId) => ({ type: "ChildCanceled", at, childId }));
      case "requestCancelExternalWorkflowExecutionInitiatedEventAttributes":
        return ofChild(idOf(attributes.value), (childId) => ({ type: "ChildCancelRequested", at, childId }));
      case "workflowExecutionSignaledEventAttributes": {
        const { signalName, input } = attributes.value;
        return { type: "Signaled", at, name: signalName, payload: fromPayloads(input) };
      }
      case "workflowExecutionCancelRequestedEventAttributes":
        return { type: "CancelRequested", at, reason: attributes.value.cause };
      case "workflowExecutionCompletedEventAttributes":
        return { type: "RunClosed", at, status: "succeeded" };
      case "workflowExecutionFailedEventAttributes":
        return { type: "RunClosed", at, status: statusOf(failureOf(attributes.value.failure).type) };
      case "workflowExecutionTimedOutEventAttributes":
        return { type: "RunClosed", at, status: "timed_out" };
      case "workflowExecutionCanceledEventAttributes":
      case "workflowExecutionTerminatedEventAttributes":
        return { type: "RunClosed", at, status: "cancelled" };
      default:
        return null;
    }
  };
  return { read, scheduledEventIdOf: (activityId) => eventIds.get(activityId) };
}

/** Of what is scheduled or initiated: what the policy has decided, as workers read it. */
const decisionHeader = "holdfast-decision";

/** By the policy; null for as many as the step says. */
function attemptsPermitted(header: Header | undefined): number | null {
  const decision = header?.fields[decisionHeader];
  if (decision === undefined) return null;
  const permitted = valueAt(fromPayloads({ payloads: [decision] }), ["constraints", "budgets", "maxAttempts"]);
  return typeof permitted === "number" ? permitted : null;
}

type OfExecution = { readonly workflowExecution?: { readonly workflowId: string } | undefined };
const idOf = ({ workflowExecution }: OfExecution): string => workflowExecution?.workflowId ?? "";

function ofChild(workflowId: string, event: (childId: string) => DagEvent): DagEvent | null {
  const job = parseJobId(workflowId);
  return job === null ? null : event(job.actionId);
}

function statusOf(type: string): Exclude<RunEnd["status"], "succeeded"> {
  return type === runFailureTypes.denied ? "denied" : type === runFailureTypes.timed_out ? "timed_out" : "failed";
}

/** The failure that a worker reported; what it was caused by is in its message. */
function failureOf(failure: ProtocolFailure | undefined): Failure {
  const info = failure?.failureInfo;
  const isApplication = info?.$case === "applicationFailureInfo";
  return {
    type: isApplication ? info.value.type : "",
    message: failure?.message ?? "",
    retryable: !(isApplication && info.value.nonRetryable),
  };
}
