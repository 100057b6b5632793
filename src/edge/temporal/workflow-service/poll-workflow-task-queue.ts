import { encode } from "../../../protocol/codec.ts";
import {
  PollWorkflowTaskQueueRequest,
  PollWorkflowTaskQueueResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { appendField } from "../append-field.ts";
import { methodWithHistory } from "../method.ts";
import { bounded, requiredNamespace, requiredTaskQueue } from "../validate.ts";

export const pollWorkflowTaskQueue = methodWithHistory({
  request: PollWorkflowTaskQueueRequest,
  poll: true,
  validate: (request) =>
    requiredNamespace(request.namespace) ?? requiredTaskQueue(request.taskQueue) ?? bounded("Identity", request.identity),
  encodeAnswer: (response: PollWorkflowTaskQueueResponse, history) => {
    const rest = encode(PollWorkflowTaskQueueResponse, response);
    return history === null ? rest : appendField(rest, historyField, history);
  },
});

const historyField = 8;
