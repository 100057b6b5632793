import {
  ListWorkflowExecutionsRequest,
  ListWorkflowExecutionsResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const listWorkflowExecutions = method({
  request: ListWorkflowExecutionsRequest,
  response: ListWorkflowExecutionsResponse,
  validate: (request) => requiredNamespace(request.namespace),
});
