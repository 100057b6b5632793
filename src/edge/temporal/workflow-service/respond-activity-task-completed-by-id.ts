import {
  RespondActivityTaskCompletedByIdRequest,
  RespondActivityTaskCompletedByIdResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { validActivityById } from "../validate.ts";

export const respondActivityTaskCompletedById = method({
  request: RespondActivityTaskCompletedByIdRequest,
  response: RespondActivityTaskCompletedByIdResponse,
  validate: validActivityById,
});
