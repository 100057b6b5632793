import {
  DeleteWorkflowExecutionRequest,
  DeleteWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredExecution, requiredNamespace } from "../validate.ts";

export const deleteWorkflowExecution = method({
  request: DeleteWorkflowExecutionRequest,
  response: DeleteWorkflowExecutionResponse,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredExecution(request.workflowExecution),
});
