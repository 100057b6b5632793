import {
  RegisterNamespaceRequest,
  RegisterNamespaceResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace } from "../validate.ts";

export const registerNamespace = method({
  request: RegisterNamespaceRequest,
  response: RegisterNamespaceResponse,
  validate: (request) => requiredNamespace(request.namespace),
});
