import {
  ScanWorkflowExecutionsRequest,
  ScanWorkflowExecutionsResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const scanWorkflowExecutions = method({
  request: ScanWorkflowExecutionsRequest,
  response: ScanWorkflowExecutionsResponse,
  validate: (request) => requiredNamespace(request.namespace),
});
