import {
  SignalWorkflowExecutionRequest,
  SignalWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, required, requiredExecution, requiredNamespace, validLinks } from "../validate.ts";

export const signalWorkflowExecution = method({
  request: SignalWorkflowExecutionRequest,
  response: SignalWorkflowExecutionResponse,
  validate: (request) =>
    requiredNamespace(request.namespace) ??
    requiredExecution(request.workflowExecution) ??
    required("SignalName", request.signalName) ??
    bounded("RequestId", request.requestId) ??
    bounded("Identity", request.identity) ??
    validLinks(request.links),
});
