import { describe, expect, test } from "vitest";
import { type Codec, encode, make } from "../../protocol/codec.ts";
import type { Duration } from "../../protocol/generated/google/protobuf/duration.ts";
import { Link, RetryPolicy } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { TaskQueueKind } from "../../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { UpdateWorkflowExecutionLifecycleStage as Stage } from "../../protocol/generated/temporal/api/enums/v1/update.ts";
import {
  WorkflowIdConflictPolicy as Conflict,
  WorkflowIdReusePolicy as Reuse,
} from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  AddSearchAttributesRequest,
  DeleteNamespaceRequest,
} from "../../protocol/generated/temporal/api/operatorservice/v1/request_response.ts";
import { Request as UpdateRequest } from "../../protocol/generated/temporal/api/update/v1/message.ts";
import {
  DescribeNamespaceRequest,
  ExecuteMultiOperationRequest,
  PollWorkflowExecutionUpdateRequest,
  PollWorkflowTaskQueueRequest,
  QueryWorkflowRequest,
  RequestCancelWorkflowExecutionRequest,
  RespondActivityTaskCompletedByIdRequest,
  RespondActivityTaskCompletedRequest,
  SignalWithStartWorkflowExecutionRequest,
  SignalWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
  UpdateWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { Caller } from "../../service/services.ts";
import { permitsAnybody } from "./authorize.ts";
import type { Method } from "./method.ts";
import { operatorServiceMethods as operator, workflowServiceMethods as workflow } from "./methods.ts";

const long = "x".repeat(1001);
const seconds = (count: number): Duration => ({ seconds: count, nanos: 0 });
const queue = (name: string, normalName = "", kind: TaskQueueKind = TaskQueueKind.NORMAL) => ({ name, kind, normalName });
const runId = "0b6c1a8e-6f1e-4a43-9b3c-5d1c0a4f2b11";
const execution = (workflowId: string, run = "") => ({ workflowId, runId: run });
const caller: Caller = { clientName: "", clientVersion: "", deadline: null, signal: new AbortController().signal };

/** The refusal of a request's form; null if it gets as far as its use case. */
async function refusalOf<T extends object, U>(method: Method<U>, codec: Codec<T>, fields: Partial<T>, useCase: U): Promise<Refusal | null> {
  const answer = await method.bind(useCase, permitsAnybody)(encode(codec, make(codec, fields)), caller);
  return answer.ok || answer.error === reached ? null : answer.error;
}
const reached: Refusal = { kind: "aborted", message: "the use case was called" };
const useCase = async () => ({ ok: false as const, error: reached });
const messageOf = (refusal: Refusal | null) => (refusal === null ? null : "message" in refusal ? refusal.message : refusal.kind);

function rules<T extends object>(
  name: string,
  ask: (fields: Partial<T>) => Promise<Refusal | null>,
  valid: Partial<T>,
  rows: readonly (readonly [change: Partial<T>, message: string | null])[],
): void {
  describe(name, () => {
    test("in good form", async () => expect(await ask(valid)).toBeNull());
    test.each(rows.map(([change, message]) => [JSON.stringify(change).slice(0, 80), message, change] as const))(
      "%s → %s",
      async (_shown, message, change) => {
        expect(messageOf(await ask({ ...valid, ...change }))).toBe(message);
      },
    );
  });
}

rules<StartWorkflowExecutionRequest>(
  "StartWorkflowExecution",
  (fields) => refusalOf(workflow.startWorkflowExecution, StartWorkflowExecutionRequest, fields, useCase),
  { namespace: "default", workflowId: "order-7", workflowType: { name: "order" }, taskQueue: queue("orders") },
  [
    [{ namespace: "" }, "Namespace is not set on request."],
    [{ workflowId: "" }, "WorkflowId is not set on request."],
    [{ workflowId: long }, "WorkflowId exceeds maximum allowed length (1001/1000)"],
    [{ workflowType: undefined }, "WorkflowType is not set on request."],
    [{ workflowType: { name: "" } }, "WorkflowType is not set on request."],
    [{ workflowType: { name: long } }, "WorkflowType length exceeds limit."],
    [{ taskQueue: undefined }, "taskQueue is not set"],
    [{ taskQueue: queue("") }, "missing task queue name"],
    [{ taskQueue: queue(long) }, "taskQueue length exceeds limit"],
    [{ taskQueue: queue("/_sys/orders/1") }, "task queue name cannot start with reserved prefix /_sys/"],
    [{ identity: long }, "Identity length exceeds limit."],
    [{ requestId: "" }, null],
    [{ requestId: long }, "RequestId length exceeds limit."],
    [{ workflowExecutionTimeout: seconds(-1) }, "An invalid WorkflowExecutionTimeoutSeconds is set on request."],
    [{ workflowRunTimeout: seconds(-1) }, "An invalid WorkflowRunTimeoutSeconds is set on request."],
    [{ workflowTaskTimeout: seconds(-1) }, "An invalid WorkflowTaskTimeoutSeconds is set on request."],
    [{ workflowStartDelay: { seconds: 0, nanos: -1 } }, "An invalid WorkflowStartDelaySeconds is set on request."],
    [{ workflowStartDelay: seconds(1), cronSchedule: "@hourly" }, "CronSchedule and WorkflowStartDelay may not be used together."],
    [{ links: Array.from({ length: 11 }, () => make(Link)) }, "cannot attach more than 10 links per request, got 11"],
    [
      { workflowIdReusePolicy: Reuse.TERMINATE_IF_RUNNING, workflowIdConflictPolicy: Conflict.FAIL },
      "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy.",
    ],
    [
      { workflowIdReusePolicy: Reuse.REJECT_DUPLICATE, workflowIdConflictPolicy: Conflict.TERMINATE_EXISTING },
      "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIDConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING.",
    ],
    [{ workflowIdReusePolicy: Reuse.REJECT_DUPLICATE, workflowIdConflictPolicy: Conflict.USE_EXISTING }, null],
    [{ retryPolicy: make(RetryPolicy) }, null],
    [{ retryPolicy: make(RetryPolicy, { initialInterval: seconds(-1) }) }, "InitialInterval cannot be negative on retry policy."],
    [{ retryPolicy: make(RetryPolicy, { backoffCoefficient: 0.5 }) }, "BackoffCoefficient cannot be less than 1 on retry policy."],
    [{ retryPolicy: make(RetryPolicy, { maximumInterval: seconds(-1) }) }, "MaximumInterval cannot be negative on retry policy."],
    [
      { retryPolicy: make(RetryPolicy, { initialInterval: seconds(2), maximumInterval: seconds(1) }) },
      "MaximumInterval cannot be less than InitialInterval on retry policy.",
    ],
    [{ retryPolicy: make(RetryPolicy, { initialInterval: seconds(2), maximumInterval: seconds(0) }) }, null],
    [{ retryPolicy: make(RetryPolicy, { maximumAttempts: -1 }) }, "MaximumAttempts cannot be negative on retry policy."],
    [{ retryPolicy: make(RetryPolicy, { maximumAttempts: 1, backoffCoefficient: 0.5 }) }, null],
  ],
);

rules<SignalWithStartWorkflowExecutionRequest>(
  "SignalWithStartWorkflowExecution",
  (fields) => refusalOf(workflow.signalWithStartWorkflowExecution, SignalWithStartWorkflowExecutionRequest, fields, useCase),
  { namespace: "default", workflowId: "order-7", workflowType: { name: "order" }, taskQueue: queue("orders"), signalName: "ship" },
  [
    [{ workflowId: "" }, "WorkflowId is not set on request."],
    [{ signalName: "" }, "SignalName is not set on request."],
    [{ signalName: long }, "SignalName length exceeds limit."],
    [
      { workflowIdConflictPolicy: Conflict.FAIL },
      "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.",
    ],
  ],
);

rules<SignalWorkflowExecutionRequest>(
  "SignalWorkflowExecution",
  (fields) => refusalOf(workflow.signalWorkflowExecution, SignalWorkflowExecutionRequest, fields, useCase),
  { namespace: "default", workflowExecution: execution("order-7", runId), signalName: "ship" },
  [
    [{ workflowExecution: undefined }, "Execution is not set on request."],
    [{ workflowExecution: execution("") }, "WorkflowId is not set on request."],
    [{ workflowExecution: execution(long) }, "WorkflowId length exceeds limit."],
    [{ workflowExecution: execution("order-7", "run-1") }, "Invalid RunId."],
    [{ signalName: "" }, "SignalName is not set on request."],
    [{ requestId: long }, "RequestId length exceeds limit."],
  ],
);

rules<RequestCancelWorkflowExecutionRequest>(
  "RequestCancelWorkflowExecution",
  (fields) => refusalOf(workflow.requestCancelWorkflowExecution, RequestCancelWorkflowExecutionRequest, fields, useCase),
  { namespace: "default", workflowExecution: execution("order-7"), firstExecutionRunId: runId },
  [[{ firstExecutionRunId: "run-1" }, "Invalid RunId."]],
);

rules<QueryWorkflowRequest>(
  "QueryWorkflow",
  (fields) => refusalOf(workflow.queryWorkflow, QueryWorkflowRequest, fields, useCase),
  { namespace: "default", execution: execution("order-7"), query: { queryType: "state", queryArgs: undefined, header: undefined } },
  [
    [{ query: undefined }, "WorkflowQuery is not set on request."],
    [{ query: { queryType: "", queryArgs: undefined, header: undefined } }, "QueryType is not set on request."],
  ],
);

const update = make(UpdateRequest, {
  meta: { updateId: "u1", identity: "" },
  input: { name: "change", header: undefined, args: undefined },
});
const updateRequest: Partial<UpdateWorkflowExecutionRequest> = {
  namespace: "default",
  workflowExecution: execution("order-7"),
  request: update,
  waitPolicy: { lifecycleStage: Stage.ACCEPTED },
};
rules<UpdateWorkflowExecutionRequest>(
  "UpdateWorkflowExecution",
  (fields) => refusalOf(workflow.updateWorkflowExecution, UpdateWorkflowExecutionRequest, fields, useCase),
  updateRequest,
  [
    [{ request: undefined }, "Update meta is not set on request."],
    [{ request: { ...update, meta: undefined } }, "Update meta is not set on request."],
    [{ request: { ...update, meta: { updateId: long, identity: "" } } }, "UpdateId length exceeds limit."],
    [{ request: { ...update, input: undefined } }, "Update input is not set on request."],
    [{ request: { ...update, input: { name: "", header: undefined, args: undefined } } }, "Update name is not set on request."],
    [{ waitPolicy: undefined }, null],
    [
      { waitPolicy: { lifecycleStage: Stage.ADMITTED } },
      "waiting for an update to be admitted is not supported: wait for it to be accepted or completed",
    ],
  ],
);

rules<PollWorkflowExecutionUpdateRequest>(
  "PollWorkflowExecutionUpdate",
  (fields) => refusalOf(workflow.pollWorkflowExecutionUpdate, PollWorkflowExecutionUpdateRequest, fields, useCase),
  { namespace: "default", updateRef: { workflowExecution: execution("order-7"), updateId: "u1" } },
  [
    [{ updateRef: undefined }, "UpdateRef is not set on request."],
    [{ updateRef: { workflowExecution: execution("order-7"), updateId: "" } }, "UpdateId is not set on request."],
  ],
);

const start = make(StartWorkflowExecutionRequest, {
  workflowId: "order-7",
  workflowType: { name: "order" },
  taskQueue: queue("orders"),
  workflowIdConflictPolicy: Conflict.USE_EXISTING,
});
const operations = (
  startChange: Partial<StartWorkflowExecutionRequest>,
  updateChange: Partial<UpdateWorkflowExecutionRequest> = {},
): Partial<ExecuteMultiOperationRequest> => ({
  operations: [
    { operation: { $case: "startWorkflow", value: { ...start, ...startChange } } },
    { operation: { $case: "updateWorkflow", value: make(UpdateWorkflowExecutionRequest, { ...updateRequest, ...updateChange }) } },
  ],
});
const multi = (fields: Partial<ExecuteMultiOperationRequest>) =>
  refusalOf(workflow.executeMultiOperation, ExecuteMultiOperationRequest, { namespace: "default", ...fields }, useCase);

describe("ExecuteMultiOperation", () => {
  test("in good form", async () => expect(await multi(operations({}))).toBeNull());

  test.each([
    ["nothing", []],
    ["only a start", operations({}).operations?.slice(0, 1)],
    ["the operations in another order", operations({}).operations?.toReversed()],
  ])("%s is refused as a whole", async (_what, given = []) => {
    expect(messageOf(await multi({ operations: given }))).toBe("Operations have to be exactly [Start, Update].");
  });

  const statusRows: readonly (readonly [string, Partial<ExecuteMultiOperationRequest>, readonly (string | null)[]])[] = [
    ["a start in bad form", operations({ workflowType: undefined }), ["WorkflowType is not set on request.", null]],
    [
      "a start in another namespace",
      operations({ namespace: "b" }),
      ["Namespace is not consistent with the namespace of the request.", null],
    ],
    ["a cron schedule", operations({ cronSchedule: "@hourly" }), ["CronSchedule is not allowed.", null]],
    ["an eager start", operations({ requestEagerExecution: true }), ["RequestEagerExecution is not supported.", null]],
    ["a start delay", operations({ workflowStartDelay: seconds(1) }), ["WorkflowStartDelay is not supported.", null]],
    [
      "no conflict policy",
      operations({ workflowIdConflictPolicy: Conflict.UNSPECIFIED }),
      ["WorkflowIdConflictPolicy is required for this operation.", null],
    ],
    ["an update in bad form", operations({}, { request: undefined }), [null, "Update meta is not set on request."]],
    ["an update of one run", operations({}, { workflowExecution: execution("order-7", runId) }), [null, "RunId is not allowed."]],
    ["an update of one chain", operations({}, { firstExecutionRunId: runId }), [null, "FirstExecutionRunId is not allowed."]],
    [
      "an update of another workflow",
      operations({}, { workflowExecution: execution("order-8") }),
      [null, "WorkflowId is not consistent with previous operation(s)"],
    ],
  ];
  test.each(statusRows)("%s is refused where it stands", async (_what, given, messages) => {
    const refusal = await multi(given);
    expect(refusal?.kind === "multi-operation" && refusal.statuses.map(messageOf)).toEqual(messages);
  });
});

rules<PollWorkflowTaskQueueRequest>(
  "PollWorkflowTaskQueue",
  (fields) => refusalOf(workflow.pollWorkflowTaskQueue, PollWorkflowTaskQueueRequest, fields, useCase),
  { namespace: "default", taskQueue: queue("worker-1:2f", "orders", TaskQueueKind.STICKY) },
  [
    [{ taskQueue: undefined }, "taskQueue is not set"],
    [{ taskQueue: queue("worker-1", "/_sys/x", TaskQueueKind.STICKY) }, "task queue name cannot start with reserved prefix /_sys/"],
    [{ identity: long }, "Identity length exceeds limit."],
  ],
);

rules<RespondActivityTaskCompletedRequest>(
  "RespondActivityTaskCompleted",
  (fields) => refusalOf(workflow.respondActivityTaskCompleted, RespondActivityTaskCompletedRequest, fields, useCase),
  { taskToken: Uint8Array.of(1) },
  [
    [{ taskToken: new Uint8Array(0) }, "Task token not set on request."],
    [{ identity: long }, "Identity length exceeds limit."],
  ],
);

rules<RespondActivityTaskCompletedByIdRequest>(
  "RespondActivityTaskCompletedById",
  (fields) => refusalOf(workflow.respondActivityTaskCompletedById, RespondActivityTaskCompletedByIdRequest, fields, useCase),
  { namespace: "default", workflowId: "order-7", activityId: "1" },
  [
    [{ workflowId: "" }, null], // an activity that no workflow has
    [{ runId: "run-1" }, "Invalid RunId."],
    [{ activityId: "" }, "ActivityId is not set on request."],
  ],
);

rules<DescribeNamespaceRequest>(
  "DescribeNamespace",
  (fields) => refusalOf(workflow.describeNamespace, DescribeNamespaceRequest, fields, useCase),
  { namespace: "default" },
  [
    [{ namespace: "", id: runId }, null],
    [{ namespace: "" }, "Namespace is not set on request."],
  ],
);

rules<AddSearchAttributesRequest>(
  "AddSearchAttributes",
  (fields) => refusalOf(operator.addSearchAttributes, AddSearchAttributesRequest, fields, useCase),
  { namespace: "default", searchAttributes: { Customer: IndexedValueType.KEYWORD } },
  [[{ searchAttributes: {} }, "SearchAttributes are not set on request."]],
);

rules<DeleteNamespaceRequest>(
  "DeleteNamespace",
  (fields) => refusalOf(operator.deleteNamespace, DeleteNamespaceRequest, fields, useCase),
  { namespace: "default" },
  [
    [{ namespace: "" }, "Namespace is not set on request."],
    [{ namespace: "", namespaceId: runId }, null],
    [{ namespaceId: runId }, "Only one of namespace name or Id should be set on request."],
    [{ namespaceDeleteDelay: seconds(-1) }, "An invalid NamespaceDeleteDelay is set on request."],
  ],
);
