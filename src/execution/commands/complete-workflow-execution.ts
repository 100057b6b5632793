import { err, ok } from "../../base/result.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { payloadsBytes } from "../activity.ts";
import { completeRun } from "../close.ts";
import type { HandleCommand } from "./command.ts";

export const completeWorkflowExecution: HandleCommand<"completeWorkflowExecutionCommandAttributes"> = (draft, { result }, scope) => {
  if (payloadsBytes(result) > draft.context.limits.blobSizeError) {
    const message = "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.";
    return err({ cause: WorkflowTaskFailedCause.BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES, message, terminate: true });
  }
  completeRun(draft, { result, workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId });
  return ok(undefined);
};
