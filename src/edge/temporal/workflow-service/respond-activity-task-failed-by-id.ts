import {
  RespondActivityTaskFailedByIdRequest,
  RespondActivityTaskFailedByIdResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { validActivityById } from "../validate.ts";

export const respondActivityTaskFailedById = method({
  request: RespondActivityTaskFailedByIdRequest,
  response: RespondActivityTaskFailedByIdResponse,
  validate: validActivityById,
});
