import {
  ResetStickyTaskQueueRequest,
  ResetStickyTaskQueueResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredExecution, requiredNamespace } from "../validate.ts";

export const resetStickyTaskQueue = method({
  request: ResetStickyTaskQueueRequest,
  response: ResetStickyTaskQueueResponse,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredExecution(request.execution),
});
