import {
  GetClusterInfoRequest,
  GetClusterInfoResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";

export const getClusterInfo = method({
  request: GetClusterInfoRequest,
  response: GetClusterInfoResponse,
  validate: () => null,
});
