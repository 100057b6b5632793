import { err, ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { RequestCancelExternalWorkflowExecutionInitiatedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { allowed } from "../admission.ts";
import { appendEvent } from "../history.ts";
import { admitOutgoing, applyClearance, heldBackChild, wantedCancel } from "../outgoing.ts";
import { idProblem } from "../validation.ts";
import type { HandleCommand } from "./command.ts";

export const requestCancelExternalWorkflowExecution: HandleCommand<"requestCancelExternalWorkflowExecutionCommandAttributes"> = (
  draft,
  attributes,
  scope,
) => {
  const { limits, namespaceName, namespaceIdOf } = draft.context;
  const { workflowId, runId, control, childWorkflowOnly, reason } = attributes;
  const namespace = attributes.namespace || namespaceName;
  const problem = idProblem("WorkflowId", workflowId, limits);
  if (problem !== null)
    return err({ cause: WorkflowTaskFailedCause.BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES, message: problem });
  if (draft.externalCancels.size >= limits.pendingCancels) {
    const message = `the number of pending requests to cancel external workflows, ${draft.externalCancels.size}, has reached the per-workflow limit of ${limits.pendingCancels}`;
    return err({ cause: WorkflowTaskFailedCause.PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED, message });
  }
  const workflowExecution = { workflowId, runId };
  const wanted = wantedCancel({ workflowExecution });
  // To give up a child that has not started leaves the run as little as the child did.
  const admission = childWorkflowOnly && heldBackChild(draft, { namespace, workflowId }) !== null ? allowed : admitOutgoing(draft, wanted);
  const initiated = appendEvent(
    draft,
    {
      $case: "requestCancelExternalWorkflowExecutionInitiatedEventAttributes",
      value: make(RequestCancelExternalWorkflowExecutionInitiatedEventAttributes, {
        namespace,
        namespaceId: namespaceIdOf(namespace) ?? "",
        workflowExecution,
        control,
        childWorkflowOnly,
        reason,
        workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
      }),
    },
    { ...scope.metadata, userMetadata: scope.metadata.userMetadata ?? admission.marks?.userMetadata },
  );
  if (applyClearance(draft, initiated.eventId, admission)) draft.effects.push({ kind: "cancel-external", initiated });
  return ok(undefined);
};
