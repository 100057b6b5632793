import {
  DescribeWorkflowExecutionRequest,
  DescribeWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredExecution, requiredNamespace } from "../validate.ts";

export const describeWorkflowExecution = method({
  request: DescribeWorkflowExecutionRequest,
  response: DescribeWorkflowExecutionResponse,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredExecution(request.execution),
});
