import type { WorkflowQuery } from "../../../protocol/generated/temporal/api/query/v1/message.ts";
import {
  QueryWorkflowRequest,
  QueryWorkflowResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../../protocol/refusal.ts";
import { method } from "../method.ts";
import { required, requiredExecution, requiredNamespace } from "../validate.ts";

export const queryWorkflow = method({
  request: QueryWorkflowRequest,
  response: QueryWorkflowResponse,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredExecution(request.execution) ?? requiredQuery(request.query),
});

const requiredQuery = (query: WorkflowQuery | undefined): Refusal | null =>
  query === undefined ? invalidArgument("WorkflowQuery is not set on request.") : required("QueryType", query.queryType);
