import {
  RespondActivityTaskCanceledRequest,
  RespondActivityTaskCanceledResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredToken } from "../validate.ts";

export const respondActivityTaskCanceled = method({
  request: RespondActivityTaskCanceledRequest,
  response: RespondActivityTaskCanceledResponse,
  validate: (request) => requiredToken(request.taskToken) ?? bounded("Identity", request.identity),
});
