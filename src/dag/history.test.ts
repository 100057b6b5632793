import { expect, test } from "vitest";
import { make } from "../protocol/codec.ts";
import { Header, Payload, type Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import * as history from "../protocol/generated/temporal/api/history/v1/message.ts";
import { runStart } from "./dag.test-kit.ts";
import type { DagEvent, RunStart } from "./decider/event.ts";
import { historyReader } from "./history.ts";
import type { Json } from "./json.ts";
import { fromPayloads, toPayload } from "./payload.ts";

type Attributes = NonNullable<history.HistoryEvent["attributes"]>;
const payloads = (value: Json): Payloads => ({ payloads: [toPayload(value)] });
const failure = (type: string, nonRetryable: boolean): Failure =>
  make(Failure, {
    message: "no",
    failureInfo: {
      $case: "applicationFailureInfo",
      value: { type, nonRetryable, details: undefined, nextRetryDelay: undefined, category: 0 },
    },
  });
const child = { workflowExecution: { workflowId: "r1:sub[2]@1", runId: "r7" } };
/** A header as the server writes it. */
const decided = (decision: Json) => make(Header, { fields: { "holdfast-decision": toPayload(decision) } });
const input = payloads(runStart as unknown as Json);

test.each<[Attributes["$case"], object, DagEvent extends infer E ? Partial<E> | null : never]>([
  ["workflowExecutionStartedEventAttributes", { input }, { type: "RunStarted", ...(runStart satisfies RunStart) }],
  [
    "activityTaskScheduledEventAttributes",
    { activityId: "a@1" },
    { type: "ActivityScheduled", activityId: "a@1", attemptsPermitted: null },
  ],
  [
    "activityTaskScheduledEventAttributes",
    { activityId: "a@1", header: decided({ constraints: { budgets: { maxAttempts: 2 } } }) },
    { type: "ActivityScheduled", activityId: "a@1", attemptsPermitted: 2 },
  ],
  [
    "startChildWorkflowExecutionInitiatedEventAttributes",
    { workflowId: "r1:sub@1", header: decided({ constraints: { budgets: { maxAttempts: 3 } } }) },
    { type: "ChildInitiated", childId: "sub@1", attemptsPermitted: 3 },
  ],
  [
    "activityTaskScheduledEventAttributes",
    { activityId: "a@1", header: decided({ effect: "ALLOW" }) },
    { type: "ActivityScheduled", activityId: "a@1", attemptsPermitted: null },
  ],
  ["activityTaskStartedEventAttributes", { scheduledEventId: 5 }, { type: "ActivityStarted", activityId: "b@2" }],
  [
    "activityTaskCompletedEventAttributes",
    { scheduledEventId: 5, result: payloads({ n: 1 }) },
    { type: "ActivityCompleted", activityId: "b@2", output: { n: 1 } },
  ],
  ["activityTaskCompletedEventAttributes", { scheduledEventId: 5 }, { type: "ActivityCompleted", activityId: "b@2", output: null }],
  [
    "activityTaskFailedEventAttributes",
    { scheduledEventId: 5, failure: failure("PolicyDenied", true) },
    { type: "ActivityFailed", activityId: "b@2", failure: { type: "PolicyDenied", message: "no", retryable: false } },
  ],
  [
    "activityTaskTimedOutEventAttributes",
    { scheduledEventId: 5, failure: make(Failure, { message: "late" }) },
    { type: "ActivityTimedOut", activityId: "b@2", message: "late" },
  ],
  ["activityTaskCancelRequestedEventAttributes", { scheduledEventId: 5 }, { type: "ActivityCancelRequested", activityId: "b@2" }],
  [
    "activityTaskCanceledEventAttributes",
    { scheduledEventId: 5 },
    { type: "ActivityCanceled", activityId: "b@2", message: "the job was cancelled" },
  ],
  ["timerStartedEventAttributes", { timerId: "a@1.retry" }, { type: "TimerStarted", timerId: "a@1.retry" }],
  ["timerFiredEventAttributes", { timerId: "a@1.retry" }, { type: "TimerFired", timerId: "a@1.retry" }],
  ["timerCanceledEventAttributes", { timerId: "a@1.retry" }, { type: "TimerCanceled", timerId: "a@1.retry" }],
  ["startChildWorkflowExecutionInitiatedEventAttributes", { workflowId: "r1:sub[2]@1" }, { type: "ChildInitiated", childId: "sub[2]@1" }],
  ["startChildWorkflowExecutionFailedEventAttributes", { workflowId: "r1:sub[2]@1" }, { type: "ChildFailed", childId: "sub[2]@1" }],
  ["childWorkflowExecutionStartedEventAttributes", child, { type: "ChildStarted", childId: "sub[2]@1", childRunId: "r1:sub[2]@1" }],
  [
    "childWorkflowExecutionCompletedEventAttributes",
    { ...child, result: payloads(3) },
    { type: "ChildCompleted", childId: "sub[2]@1", output: 3 },
  ],
  [
    "childWorkflowExecutionFailedEventAttributes",
    { ...child, failure: failure("DagRunDenied", false) },
    { type: "ChildFailed", childId: "sub[2]@1", failure: { type: "DagRunDenied", message: "no", retryable: true } },
  ],
  ["childWorkflowExecutionTimedOutEventAttributes", child, { type: "ChildTimedOut", childId: "sub[2]@1" }],
  ["childWorkflowExecutionCanceledEventAttributes", child, { type: "ChildCanceled", childId: "sub[2]@1" }],
  ["childWorkflowExecutionTerminatedEventAttributes", child, { type: "ChildCanceled", childId: "sub[2]@1" }],
  ["requestCancelExternalWorkflowExecutionInitiatedEventAttributes", child, { type: "ChildCancelRequested", childId: "sub[2]@1" }],
  ["workflowExecutionSignaledEventAttributes", { signalName: "go", input: payloads("x") }, { type: "Signaled", name: "go", payload: "x" }],
  ["workflowExecutionCancelRequestedEventAttributes", { cause: "enough" }, { type: "CancelRequested", reason: "enough" }],
  ["workflowExecutionCompletedEventAttributes", {}, { type: "RunClosed", status: "succeeded" }],
  ["workflowExecutionFailedEventAttributes", { failure: failure("DagRunDenied", true) }, { type: "RunClosed", status: "denied" }],
  ["workflowExecutionFailedEventAttributes", { failure: failure("DagRunTimedOut", true) }, { type: "RunClosed", status: "timed_out" }],
  ["workflowExecutionFailedEventAttributes", { failure: failure("DagRunFailed", true) }, { type: "RunClosed", status: "failed" }],
  ["workflowExecutionTerminatedEventAttributes", {}, { type: "RunClosed", status: "cancelled" }],
  ["workflowTaskScheduledEventAttributes", {}, null],
])("%s %j", ($case, fields, expected) => {
  const { read, scheduledEventIdOf } = historyReader();
  read(eventOf("activityTaskScheduledEventAttributes", { activityId: "b@2" }, 5));
  const event = read(eventOf($case, fields, 6));
  expect(scheduledEventIdOf("b@2")).toBe(5);
  if (expected === null) expect(event).toBe(null);
  else expect(event).toMatchObject({ ...expected, at: 1_000 });
});

/** By the name of the message. */
const codecs: { readonly [name: string]: unknown } = { ...history };

/** Encoded and decoded, as a worker gets it. */
function eventOf($case: Attributes["$case"], fields: object, eventId: number): history.HistoryEvent {
  const codec = codecs[`${$case.charAt(0).toUpperCase()}${$case.slice(1)}`] as Parameters<typeof make<object>>[0];
  const attributes = { $case, value: make(codec, fields) } as Attributes;
  const event = make(history.HistoryEvent, { eventId, eventTime: new Date(1_000), attributes });
  return history.HistoryEvent.decode(history.HistoryEvent.encode(event).finish());
}

test("a payload that is no JSON stands as it came", () => {
  const payload = make(Payload, { metadata: { encoding: Buffer.from("binary/plain") }, data: Buffer.from("ab") });
  expect(fromPayloads({ payloads: [payload] })).toEqual({ encoding: "binary/plain", base64: "YWI=" });
  expect(fromPayloads(undefined)).toBe(null);
});
