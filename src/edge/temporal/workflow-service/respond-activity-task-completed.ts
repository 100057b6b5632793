import {
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskCompletedResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredToken } from "../validate.ts";

export const respondActivityTaskCompleted = method({
  request: RespondActivityTaskCompletedRequest,
  response: RespondActivityTaskCompletedResponse,
  validate: (request) => requiredToken(request.taskToken) ?? bounded("Identity", request.identity),
});
