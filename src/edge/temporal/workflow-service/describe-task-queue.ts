import {
  DescribeTaskQueueRequest,
  DescribeTaskQueueResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredNamespace, requiredTaskQueue } from "../validate.ts";

export const describeTaskQueue = method({
  request: DescribeTaskQueueRequest,
  response: DescribeTaskQueueResponse,
  validate: (request) => requiredNamespace(request.namespace) ?? requiredTaskQueue(request.taskQueue),
});
