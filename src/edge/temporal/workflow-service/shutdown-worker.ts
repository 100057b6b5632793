import {
  ShutdownWorkerRequest,
  ShutdownWorkerResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { method } from "../method.ts";
import { bounded, requiredNamespace } from "../validate.ts";

export const shutdownWorker = method({
  request: ShutdownWorkerRequest,
  response: ShutdownWorkerResponse,
  validate: (request) => requiredNamespace(request.namespace) ?? bounded("Identity", request.identity),
});
