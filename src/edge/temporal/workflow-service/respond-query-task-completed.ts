import {
  RespondQueryTaskCompletedRequest,
  RespondQueryTaskCompletedResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { requiredToken } from "../validate.ts";

export const respondQueryTaskCompleted = method({
  request: RespondQueryTaskCompletedRequest,
  response: RespondQueryTaskCompletedResponse,
  validate: (request) => requiredToken(request.taskToken),
});
