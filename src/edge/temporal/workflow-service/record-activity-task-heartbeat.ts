import {
  RecordActivityTaskHeartbeatRequest,
  RecordActivityTaskHeartbeatResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredToken } from "../validate.ts";

export const recordActivityTaskHeartbeat = method({
  request: RecordActivityTaskHeartbeatRequest,
  response: RecordActivityTaskHeartbeatResponse,
  validate: (request) => requiredToken(request.taskToken) ?? bounded("Identity", request.identity),
});
