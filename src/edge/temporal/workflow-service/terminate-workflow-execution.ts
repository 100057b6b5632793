import {
  TerminateWorkflowExecutionRequest,
  TerminateWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredExecution, requiredNamespace, validLinks, validRunId } from "../validate.ts";

export const terminateWorkflowExecution = method({
  request: TerminateWorkflowExecutionRequest,
  response: TerminateWorkflowExecutionResponse,
  validate: (request) =>
    requiredNamespace(request.namespace) ??
    requiredExecution(request.workflowExecution) ??
    validRunId(request.firstExecutionRunId) ??
    bounded("Identity", request.identity) ??
    validLinks(request.links),
});
