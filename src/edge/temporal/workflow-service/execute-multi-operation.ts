import { WorkflowIdConflictPolicy } from "../../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  ExecuteMultiOperationRequest,
  ExecuteMultiOperationResponse,
  type StartWorkflowExecutionRequest,
  type UpdateWorkflowExecutionRequest,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../../protocol/refusal.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";
import { validStart } from "./start-workflow-execution.ts";
import { validUpdate } from "./update-workflow-execution.ts";

/** Update-with-start: the one combination of operations that the protocol has. */
export const executeMultiOperation = method({
  request: ExecuteMultiOperationRequest,
  response: ExecuteMultiOperationResponse,
  validate(request) {
    const namespaceRefusal = requiredNamespace(request.namespace);
    if (namespaceRefusal !== null) return namespaceRefusal;
    const [first, second, ...more] = request.operations.map(({ operation }) => operation);
    if (first?.$case !== "startWorkflow" || second?.$case !== "updateWorkflow" || more.length > 0)
      return invalidArgument("Operations have to be exactly [Start, Update].");
    const start =
      sameNamespace(request, first.value) ?? validStart({ ...first.value, namespace: request.namespace }) ?? startable(first.value);
    const update =
      sameNamespace(request, second.value) ??
      validUpdate({ ...second.value, namespace: request.namespace }) ??
      updatable(second.value, first.value.workflowId);
    if (start === null && update === null) return null;
    return {
      kind: "multi-operation",
      message: "Update-with-Start could not be executed.",
      statuses: [start, start === null ? update : null],
    };
  },
});

const sameNamespace = (request: ExecuteMultiOperationRequest, operation: { readonly namespace: string }): Refusal | null =>
  operation.namespace === "" || operation.namespace === request.namespace
    ? null
    : invalidArgument("Namespace is not consistent with the namespace of the request.");

function startable(start: StartWorkflowExecutionRequest): Refusal | null {
  if (start.cronSchedule !== "") return invalidArgument("CronSchedule is not allowed.");
  if (start.requestEagerExecution) return invalidArgument("RequestEagerExecution is not supported.");
  if (start.workflowStartDelay !== undefined) return invalidArgument("WorkflowStartDelay is not supported.");
  if (start.workflowIdConflictPolicy === WorkflowIdConflictPolicy.UNSPECIFIED)
    return invalidArgument("WorkflowIdConflictPolicy is required for this operation.");
  return null;
}

function updatable(update: UpdateWorkflowExecutionRequest, workflowId: string): Refusal | null {
  if (update.firstExecutionRunId !== "") return invalidArgument("FirstExecutionRunId is not allowed.");
  if (update.workflowExecution?.runId !== "") return invalidArgument("RunId is not allowed.");
  if (update.workflowExecution.workflowId !== workflowId) return invalidArgument("WorkflowId is not consistent with previous operation(s)");
  return null;
}
