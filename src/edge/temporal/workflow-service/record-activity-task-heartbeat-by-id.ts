import {
  RecordActivityTaskHeartbeatByIdRequest,
  RecordActivityTaskHeartbeatByIdResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { validActivityById } from "../validate.ts";

export const recordActivityTaskHeartbeatById = method({
  request: RecordActivityTaskHeartbeatByIdRequest,
  response: RecordActivityTaskHeartbeatByIdResponse,
  validate: validActivityById,
});
