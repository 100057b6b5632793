import {
  DescribeNamespaceRequest,
  DescribeNamespaceResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const describeNamespace = method({
  request: DescribeNamespaceRequest,
  response: DescribeNamespaceResponse,
  validate: (request) => (request.id === "" ? requiredNamespace(request.namespace) : null),
});
