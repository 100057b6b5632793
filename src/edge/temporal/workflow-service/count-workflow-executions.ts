import {
  CountWorkflowExecutionsRequest,
  CountWorkflowExecutionsResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const countWorkflowExecutions = method({
  request: CountWorkflowExecutionsRequest,
  response: CountWorkflowExecutionsResponse,
  validate: (request) => requiredNamespace(request.namespace),
});
