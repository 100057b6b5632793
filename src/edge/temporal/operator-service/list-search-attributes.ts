import {
  ListSearchAttributesRequest,
  ListSearchAttributesResponse,
} from "../../../protocol/generated/temporal/api/operatorservice/v1/request_response.ts";
import { method } from "../method.ts";

export const listSearchAttributes = method({
  request: ListSearchAttributesRequest,
  response: ListSearchAttributesResponse,
  validate: () => null,
});
