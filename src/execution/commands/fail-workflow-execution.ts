import { err, ok } from "../../base/result.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { failRun } from "../close.ts";
import type { HandleCommand } from "./command.ts";

export const failWorkflowExecution: HandleCommand<"failWorkflowExecutionCommandAttributes"> = (draft, { failure }, scope) => {
  const cause = WorkflowTaskFailedCause.BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES;
  if (failure === undefined) return err({ cause, message: "Failure is not set on FailWorkflowExecutionCommand." });
  if (Failure.encode(failure).finish().length > draft.context.limits.blobSizeError) {
    return err({ cause, message: "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.", terminate: true });
  }
  failRun(draft, { failure, workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId });
  return ok(undefined);
};
