import {
  RemoveSearchAttributesRequest,
  RemoveSearchAttributesResponse,
} from "../../../protocol/generated/temporal/api/operatorservice/v1/request_response.ts";
import { invalidArgument } from "../../../protocol/refusal.ts";
import { method } from "../method.ts";
import { bounded } from "../validate.ts";

export const removeSearchAttributes = method({
  request: RemoveSearchAttributesRequest,
  response: RemoveSearchAttributesResponse,
  validate: (request) =>
    request.searchAttributes.length === 0
      ? invalidArgument("SearchAttributes are not set on request.")
      : bounded("Namespace", request.namespace),
});
