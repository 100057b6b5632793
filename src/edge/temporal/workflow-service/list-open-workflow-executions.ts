import {
  ListOpenWorkflowExecutionsRequest,
  ListOpenWorkflowExecutionsResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const listOpenWorkflowExecutions = method({
  request: ListOpenWorkflowExecutionsRequest,
  response: ListOpenWorkflowExecutionsResponse,
  validate: (request) => requiredNamespace(request.namespace),
});
