import {
  GetSystemInfoRequest,
  GetSystemInfoResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";

export const getSystemInfo = method({
  request: GetSystemInfoRequest,
  response: GetSystemInfoResponse,
  validate: () => null,
});
