import {
  ListClosedWorkflowExecutionsRequest,
  ListClosedWorkflowExecutionsResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const listClosedWorkflowExecutions = method({
  request: ListClosedWorkflowExecutionsRequest,
  response: ListClosedWorkflowExecutionsResponse,
  validate: (request) => requiredNamespace(request.namespace),
});
