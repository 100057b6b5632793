import { err, ok } from "../../base/result.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { payloadsBytes } from "../activity.ts";
import { cancelRun } from "../close.ts";
import type { HandleCommand } from "./command.ts";

export const cancelWorkflowExecution: HandleCommand<"cancelWorkflowExecutionCommandAttributes"> = (draft, { details }, scope) => {
  if (payloadsBytes(details) > draft.context.limits.blobSizeError) {
    const message = "CancelWorkflowExecutionCommandAttributes.Details exceeds size limit.";
    return err({ cause: WorkflowTaskFailedCause.BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES, message, terminate: true });
  }
  cancelRun(draft, { details, workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId });
  return ok(undefined);
};
