import {
  PollActivityTaskQueueRequest,
  PollActivityTaskQueueResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredNamespace, requiredTaskQueue } from "../validate.ts";

export const pollActivityTaskQueue = method({
  request: PollActivityTaskQueueRequest,
  response: PollActivityTaskQueueResponse,
  poll: true,
  validate: (request) =>
    requiredNamespace(request.namespace) ?? requiredTaskQueue(request.taskQueue) ?? bounded("Identity", request.identity),
});
