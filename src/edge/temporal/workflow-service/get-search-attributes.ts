import {
  GetSearchAttributesRequest,
  GetSearchAttributesResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";

export const getSearchAttributes = method({
  request: GetSearchAttributesRequest,
  response: GetSearchAttributesResponse,
  validate: () => null,
});
