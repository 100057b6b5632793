import {
  RecordActivityTaskHeartbeatByIdRequest,
  RecordActivityTaskHeartbeatByIdResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, required, requiredNamespace, validRunId } from "../validate.ts";

export const recordActivityTaskHeartbeatById = method({
  request: RecordActivityTaskHeartbeatByIdRequest,
  response: RecordActivityTaskHeartbeatByIdResponse,
  validate: (request) =>
    requiredNamespace(request.namespace) ??
    bounded("WorkflowId", request.workflowId) ??
    validRunId(request.runId) ??
    required("ActivityId", request.activityId) ??
    bounded("Identity", request.identity),
});
