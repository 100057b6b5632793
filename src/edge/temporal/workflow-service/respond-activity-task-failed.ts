import {
  RespondActivityTaskFailedRequest,
  RespondActivityTaskFailedResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredToken } from "../validate.ts";

export const respondActivityTaskFailed = method({
  request: RespondActivityTaskFailedRequest,
  response: RespondActivityTaskFailedResponse,
  validate: (request) => requiredToken(request.taskToken) ?? bounded("Identity", request.identity),
});
