import { describe, expect, test } from "vitest";
import { fromPayloads } from "../../dag/payload.ts";
import { readCallSite } from "../../governance/call-site.ts";
import { make } from "../../protocol/codec.ts";
import { Header } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { RetryState } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  ActivityTaskCanceledEventAttributes,
  ActivityTaskCompletedEventAttributes,
  ActivityTaskFailedEventAttributes,
  ActivityTaskScheduledEventAttributes,
  ActivityTaskStartedEventAttributes,
  ActivityTaskTimedOutEventAttributes,
  HistoryEvent,
  WorkflowExecutionCancelRequestedEventAttributes,
  WorkflowExecutionStartedEventAttributes,
} from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { decideJob } from "./job-decider.ts";
import { jobHistory } from "./job-history.ts";
import { type JobRecord, jobMemo } from "./job-record.ts";

const record: JobRecord = {
  topic: "job.deploy",
  taskQueue: "deployers",
  priority: "critical",
  labels: { env: "prod" },
  capability: "deploy.apply",
  riskTags: ["prod"],
  requires: ["docker"],
  packId: "ops",
  actorId: "agent-7",
  actorType: "service",
  teamId: null,
  projectId: null,
  traceId: "t-1",
  idempotencyKey: null,
  deadlineMs: 60_000,
  timeoutMs: 30_000,
  heartbeatTimeoutMs: 5_000,
  maxAttempts: 3,
  backoffMs: 250,
  parent: null,
};

type Attributes = NonNullable<HistoryEvent["attributes"]>;
const started = (memo = jobMemo(record)): Attributes => ({
  $case: "workflowExecutionStartedEventAttributes",
  value: make(WorkflowExecutionStartedEventAttributes, { memo, identity: "ann" }),
});
const cancelRequested: Attributes = {
  $case: "workflowExecutionCancelRequestedEventAttributes",
  value: make(WorkflowExecutionCancelRequestedEventAttributes),
};
const scheduled: Attributes = {
  $case: "activityTaskScheduledEventAttributes",
  value: make(ActivityTaskScheduledEventAttributes, { activityId: "job" }),
};
const begun: Attributes = {
  $case: "activityTaskStartedEventAttributes",
  value: make(ActivityTaskStartedEventAttributes, { scheduledEventId: 5, attempt: 2, identity: "worker-1" }),
};
const completed: Attributes = {
  $case: "activityTaskCompletedEventAttributes",
  value: make(ActivityTaskCompletedEventAttributes),
};
const failed = (type: string, retryState: RetryState = RetryState.MAXIMUM_ATTEMPTS_REACHED): Attributes => ({
  $case: "activityTaskFailedEventAttributes",
  value: make(ActivityTaskFailedEventAttributes, {
    retryState,
    failure: make(Failure, {
      message: "it broke",
      failureInfo: { $case: "applicationFailureInfo", value: make(ApplicationFailureInfo, { type }) },
    }),
  }),
});
const timedOut: Attributes = {
  $case: "activityTaskTimedOutEventAttributes",
  value: make(ActivityTaskTimedOutEventAttributes, { failure: make(Failure, { message: "too slow" }) }),
};
const canceled: Attributes = {
  $case: "activityTaskCanceledEventAttributes",
  value: make(ActivityTaskCanceledEventAttributes),
};

const historyOf = (events: readonly Attributes[]) =>
  jobHistory(events.map((attributes, index) => make(HistoryEvent, { eventId: index + 1, attributes })));
const commands = (events: readonly Attributes[]) =>
  decideJob("job-1", historyOf(events)).map(({ attributes }) => attributes?.$case.replace("CommandAttributes", ""));

describe("what a job does next", () => {
  test.each<[string, readonly Attributes[], readonly string[]]>([
    ["it has begun", [started()], ["scheduleActivityTask"]],
    ["its activity is open", [started(), scheduled], []],
    ["a worker has it", [started(), scheduled, begun], []],
    ["it succeeded", [started(), scheduled, begun, completed], ["completeWorkflowExecution"]],
    ["it failed", [started(), scheduled, begun, failed("")], ["upsertWorkflowSearchAttributes", "failWorkflowExecution"]],
    ["it timed out", [started(), scheduled, begun, timedOut], ["upsertWorkflowSearchAttributes", "failWorkflowExecution"]],
    ["it was cancelled before it began", [started(), cancelRequested], ["cancelWorkflowExecution"]],
    ["it was cancelled while a worker has it", [started(), scheduled, cancelRequested], ["cancelWorkflowExecution"]],
    ["its worker gave up", [started(), scheduled, begun, canceled], ["cancelWorkflowExecution"]],
    ["it was cancelled when it had succeeded", [started(), scheduled, begun, completed, cancelRequested], ["completeWorkflowExecution"]],
    ["it was not submitted as a job", [started({ fields: {} })], ["failWorkflowExecution"]],
  ])("%s", (_what, events, expected) => {
    expect(commands(events)).toEqual(expected);
  });
});

describe("how a job that failed for good is called", () => {
  test.each<[Attributes, string]>([
    [failed(""), "FAILED"],
    [failed("SmokeTestFailed"), "FAILED"],
    [failed("PolicyDenied"), "DENIED"],
    [failed("ApprovalRejected"), "DENIED"],
    [failed("ApprovalExpired"), "TIMEOUT"],
    [failed("", RetryState.TIMEOUT), "TIMEOUT"],
    [timedOut, "TIMEOUT"],
  ])("%j", (end, state) => {
    expect(historyOf([started(), scheduled, begun, end]).end).toMatchObject({ how: "dead", state });
  });
});

test("the activity is what was asked for", () => {
  const [command] = decideJob("job-1", historyOf([started()]));
  if (command?.attributes?.$case !== "scheduleActivityTaskCommandAttributes") throw new Error("expected an activity");
  const { activityType, taskQueue, priority, retryPolicy, header = make(Header), ...rest } = command.attributes.value;
  expect({ activityType: activityType?.name, taskQueue: taskQueue?.name, priority: priority?.priorityKey }).toEqual({
    activityType: "job.deploy",
    taskQueue: "deployers",
    priority: 1,
  });
  expect(rest).toMatchObject({
    scheduleToCloseTimeout: { seconds: 60 },
    startToCloseTimeout: { seconds: 30 },
    heartbeatTimeout: { seconds: 5 },
  });
  expect(retryPolicy).toMatchObject({ maximumAttempts: 3, initialInterval: { seconds: 0, nanos: 250_000_000 } });
  const said = header.fields["holdfast-action"];
  if (said === undefined) throw new Error("it says nothing of itself");
  expect(readCallSite(said)).toMatchObject({
    ok: true,
    value: {
      topic: "job.deploy",
      labels: new Map([["env", "prod"]]),
      capability: "deploy.apply",
      riskTags: ["prod"],
      requires: ["docker"],
      packId: "ops",
      actor: "agent-7",
    },
  });
  expect(fromPayloads({ payloads: [said] })).toMatchObject({ idempotency_key: "job-1" });
});
