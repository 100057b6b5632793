import {
  RespondActivityTaskCanceledByIdRequest,
  RespondActivityTaskCanceledByIdResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { validActivityById } from "../validate.ts";

export const respondActivityTaskCanceledById = method({
  request: RespondActivityTaskCanceledByIdRequest,
  response: RespondActivityTaskCanceledByIdResponse,
  validate: validActivityById,
});
