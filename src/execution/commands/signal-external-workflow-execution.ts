import { err, ok } from "../../base/result.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { SignalExternalWorkflowExecutionInitiatedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { payloadsBytes } from "../activity.ts";
import { markedHeader } from "../admission.ts";
import { appendEvent } from "../history.ts";
import { admitOutgoing, applyClearance, wantedSignal } from "../outgoing.ts";
import { idProblem } from "../validation.ts";
import type { HandleCommand } from "./command.ts";

export const signalExternalWorkflowExecution: HandleCommand<"signalExternalWorkflowExecutionCommandAttributes"> = (
  draft,
  attributes,
  scope,
) => {
  const { limits, namespaceName, namespaceIdOf } = draft.context;
  const namespace = attributes.namespace || namespaceName;
  const problem =
    idProblem("WorkflowId", attributes.execution?.workflowId ?? "", limits) ?? idProblem("SignalName", attributes.signalName, limits);
  if (problem !== null) return err({ cause: WorkflowTaskFailedCause.BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES, message: problem });
  if (payloadsBytes(attributes.input) > limits.blobSizeError) {
    const message = "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.";
    return err({ cause: WorkflowTaskFailedCause.BAD_SIGNAL_INPUT_SIZE, message, terminate: true });
  }
  if (draft.externalSignals.size >= limits.pendingSignals) {
    const message = `the number of pending signals to external workflows, ${draft.externalSignals.size}, has reached the per-workflow limit of ${limits.pendingSignals}`;
    return err({ cause: WorkflowTaskFailedCause.PENDING_SIGNALS_LIMIT_EXCEEDED, message });
  }
  const { execution: workflowExecution, signalName, input, control, childWorkflowOnly, header } = attributes;
  const admission = admitOutgoing(draft, wantedSignal({ signalName, workflowExecution, header, input }));
  const initiated = appendEvent(
    draft,
    {
      $case: "signalExternalWorkflowExecutionInitiatedEventAttributes",
      value: make(SignalExternalWorkflowExecutionInitiatedEventAttributes, {
        namespace,
        namespaceId: namespaceIdOf(namespace) ?? "",
        workflowExecution,
        signalName,
        input,
        control,
        childWorkflowOnly,
        header: markedHeader(header, admission.marks),
        workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
      }),
    },
    { ...scope.metadata, userMetadata: scope.metadata.userMetadata ?? admission.marks?.userMetadata },
  );
  if (applyClearance(draft, initiated.eventId, admission)) draft.effects.push({ kind: "signal-external", initiated });
  return ok(undefined);
};
