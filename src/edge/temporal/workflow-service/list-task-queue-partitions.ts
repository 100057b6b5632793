import {
  ListTaskQueuePartitionsRequest,
  ListTaskQueuePartitionsResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace, requiredTaskQueue } from "../validate.ts";

export const listTaskQueuePartitions = method({
  request: ListTaskQueuePartitionsRequest,
  response: ListTaskQueuePartitionsResponse,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredTaskQueue(request.taskQueue),
});
