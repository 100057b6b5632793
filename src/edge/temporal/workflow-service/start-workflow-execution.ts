import { WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from "../../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { TaskQueue } from "../../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  type SignalWithStartWorkflowExecutionRequest,
  StartWorkflowExecutionRequest,
  StartWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../../protocol/refusal.ts";
import { isServerTaskQueue } from "../../../service/built-in/server-task-queue.ts";
import { method } from "../method.ts";
import {
  bounded,
  idLengthMax,
  requiredNamespace,
  requiredTaskQueue,
  requiredWorkflowType,
  validDuration,
  validLinks,
  validRetryPolicy,
} from "../validate.ts";

export const startWorkflowExecution = method({
  request: StartWorkflowExecutionRequest,
  response: StartWorkflowExecutionResponse,
  validate: validStart,
});

export function validStart(request: StartWorkflowExecutionRequest): Refusal | null {
  return validStartFields(request) ?? validPolicies(request);
}

/** What a start demands whether or not it comes with a signal. */
export function validStartFields(request: StartWorkflowExecutionRequest | SignalWithStartWorkflowExecutionRequest): Refusal | null {
  return (
    requiredNamespace(request.namespace) ??
    newWorkflowId(request.workflowId) ??
    validRetryPolicy(request.retryPolicy) ??
    validDuration("WorkflowStartDelaySeconds", request.workflowStartDelay) ??
    oneStartTime(request) ??
    requiredWorkflowType(request.workflowType) ??
    requiredTaskQueue(request.taskQueue) ??
    unreserved(request.taskQueue) ??
    validDuration("WorkflowExecutionTimeoutSeconds", request.workflowExecutionTimeout) ??
    validDuration("WorkflowRunTimeoutSeconds", request.workflowRunTimeout) ??
    validDuration("WorkflowTaskTimeoutSeconds", request.workflowTaskTimeout) ??
    bounded("Identity", request.identity) ??
    bounded("RequestId", request.requestId) ??
    validLinks(request.links)
  );
}

function newWorkflowId(workflowId: string): Refusal | null {
  if (workflowId === "") return invalidArgument("WorkflowId is not set on request.");
  if (workflowId.length <= idLengthMax) return null;
  return invalidArgument(`WorkflowId exceeds maximum allowed length (${workflowId.length}/${idLengthMax})`);
}

const unreserved = (taskQueue: TaskQueue | undefined): Refusal | null =>
  isServerTaskQueue(taskQueue?.name ?? "")
    ? invalidArgument(`task queue \`${taskQueue?.name}\` is the server's own, no workflow can be started on it`)
    : null;

const oneStartTime = ({
  cronSchedule,
  workflowStartDelay,
}: Pick<StartWorkflowExecutionRequest, "cronSchedule" | "workflowStartDelay">): Refusal | null =>
  cronSchedule !== "" && workflowStartDelay !== undefined
    ? invalidArgument("CronSchedule and WorkflowStartDelay may not be used together.")
    : null;

export function validPolicies({
  workflowIdReusePolicy: reuse,
  workflowIdConflictPolicy: conflict,
}: Pick<StartWorkflowExecutionRequest, "workflowIdReusePolicy" | "workflowIdConflictPolicy">): Refusal | null {
  if (conflict !== WorkflowIdConflictPolicy.UNSPECIFIED && reuse === WorkflowIdReusePolicy.TERMINATE_IF_RUNNING)
    return invalidArgument(
      "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy.",
    );
  if (conflict === WorkflowIdConflictPolicy.TERMINATE_EXISTING && reuse === WorkflowIdReusePolicy.REJECT_DUPLICATE)
    return invalidArgument(
      "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIDConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING.",
    );
  return null;
}
