import { UpdateWorkflowExecutionLifecycleStage } from "../../../protocol/generated/temporal/api/enums/v1/update.ts";
import type { Request, WaitPolicy } from "../../../protocol/generated/temporal/api/update/v1/message.ts";
import {
  UpdateWorkflowExecutionRequest,
  UpdateWorkflowExecutionResponse,
} from "../../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../../../protocol/refusal.ts";
import { method } from "../method.ts";
import { bounded, required, requiredExecution, requiredNamespace, validLinks, validRunId } from "../validate.ts";

export const updateWorkflowExecution = method({
  request: UpdateWorkflowExecutionRequest,
  response: UpdateWorkflowExecutionResponse,
  validate: validUpdate,
});

export function validUpdate(request: UpdateWorkflowExecutionRequest): Refusal | null {
  return (
    requiredNamespace(request.namespace) ??
    requiredExecution(request.workflowExecution) ??
    validRunId(request.firstExecutionRunId) ??
    requiredUpdate(request.request) ??
    reachableStage(request.waitPolicy)
  );
}

function requiredUpdate(update: Request | undefined): Refusal | null {
  if (update?.meta === undefined) return invalidArgument("Update meta is not set on request.");
  if (update.input === undefined) return invalidArgument("Update input is not set on request.");
  return (
    bounded("UpdateId", update.meta.updateId) ??
    bounded("Identity", update.meta.identity) ??
    required("Update name", update.input.name) ??
    validLinks(update.links)
  );
}

/** An admitted update is not durable, so that there is nothing to answer before it is accepted. */
const reachableStage = (policy: WaitPolicy | undefined): Refusal | null =>
  policy?.lifecycleStage === UpdateWorkflowExecutionLifecycleStage.ADMITTED
    ? {
        kind: "permission-denied",
        message: "waiting for an update to be admitted is not supported: wait for it to be accepted or completed",
        reason: "",
      }
    : null;
