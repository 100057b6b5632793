import {
  UpdateNamespaceRequest,
  UpdateNamespaceResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const updateNamespace = method({
  request: UpdateNamespaceRequest,
  response: UpdateNamespaceResponse,
  validate: (request) => requiredNamespace(request.namespace),
});
