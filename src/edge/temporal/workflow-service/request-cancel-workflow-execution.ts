import {
  RequestCancelWorkflowExecutionRequest,
  RequestCancelWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredExecution, requiredNamespace, validLinks, validRunId } from "../validate.ts";

export const requestCancelWorkflowExecution = method({
  request: RequestCancelWorkflowExecutionRequest,
  response: RequestCancelWorkflowExecutionResponse,
  validate: (request) =>
    requiredNamespace(request.namespace) ??
    requiredExecution(request.workflowExecution) ??
    validRunId(request.firstExecutionRunId) ??
    bounded("RequestId", request.requestId) ??
    bounded("Identity", request.identity) ??
    validLinks(request.links),
});
