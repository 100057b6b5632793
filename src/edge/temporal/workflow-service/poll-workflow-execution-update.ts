import type { UpdateRef } from "../../../protocol/generated/temporal/api/update/v1/message.ts";
import {
  PollWorkflowExecutionUpdateRequest,
  PollWorkflowExecutionUpdateResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../../protocol/refusal.ts";
import { method } from "../method.ts";
import { bounded, required, requiredExecution, requiredNamespace } from "../validate.ts";

export const pollWorkflowExecutionUpdate = method({
  request: PollWorkflowExecutionUpdateRequest,
  response: PollWorkflowExecutionUpdateResponse,
  validate: (request) =>
    requiredNamespace(request.namespace) ?? requiredUpdateRef(request.updateRef) ?? bounded("Identity", request.identity),
});

const requiredUpdateRef = (ref: UpdateRef | undefined): Refusal | null =>
  ref === undefined
    ? invalidArgument("UpdateRef is not set on request.")
    : (requiredExecution(ref.workflowExecution) ?? required("UpdateId", ref.updateId));
