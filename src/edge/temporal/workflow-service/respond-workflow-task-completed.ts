import { encode } from "../../../protocol/codec.ts";
import {
  PollWorkflowTaskQueueResponse,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskCompletedResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { appendField } from "../append-field.ts";
import { methodWithHistory } from "../method.ts";
import { bounded, requiredToken } from "../validate.ts";

export const respondWorkflowTaskCompleted = methodWithHistory({
  request: RespondWorkflowTaskCompletedRequest,
  validate: (request) => requiredToken(request.taskToken) ?? bounded("Identity", request.identity),
  encodeAnswer(response: RespondWorkflowTaskCompletedResponse, history) {
    if (history === null || response.workflowTask === undefined) return encode(RespondWorkflowTaskCompletedResponse, response);
    const task = appendField(encode(PollWorkflowTaskQueueResponse, response.workflowTask), historyField, history);
    return appendField(encode(RespondWorkflowTaskCompletedResponse, { ...response, workflowTask: undefined }), workflowTaskField, task);
  },
});

const workflowTaskField = 1;
const historyField = 8;
