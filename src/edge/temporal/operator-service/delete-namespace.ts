import {
  DeleteNamespaceRequest,
  DeleteNamespaceResponse,
} from "../../../protocol/generated/temporal/api/operatorservice/v1/request_response.ts";
import { invalidArgument } from "../../../protocol/refusal.ts";
import { method } from "../method.ts";
import { requiredNamespace, validDuration } from "../validate.ts";

export const deleteNamespace = method({
  request: DeleteNamespaceRequest,
  response: DeleteNamespaceResponse,
  validate(request) {
    if (request.namespace !== "" && request.namespaceId !== "")
      return invalidArgument("Only one of namespace name or Id should be set on request.");
    return (
      (request.namespaceId === "" ? requiredNamespace(request.namespace) : null) ??
      validDuration("NamespaceDeleteDelay", request.namespaceDeleteDelay)
    );
  },
});
