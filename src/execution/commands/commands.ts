import { err, ok, type Result } from "../../base/result.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import type { Draft } from "../execution.ts";
import { cancelTimer } from "./cancel-timer.ts";
import { cancelWorkflowExecution } from "./cancel-workflow-execution.ts";
import type { CommandCase, CommandRefusal, CommandScope, HandleCommand } from "./command.ts";
import { completeWorkflowExecution } from "./complete-workflow-execution.ts";
import { continueAsNewWorkflowExecution } from "./continue-as-new-workflow-execution.ts";
import { failWorkflowExecution } from "./fail-workflow-execution.ts";
import { modifyWorkflowProperties } from "./modify-workflow-properties.ts";
import { protocolMessage } from "./protocol-message.ts";
import { recordMarker } from "./record-marker.ts";
import { requestCancelActivityTask } from "./request-cancel-activity-task.ts";
import { requestCancelExternalWorkflowExecution } from "./request-cancel-external-workflow-execution.ts";
import { scheduleActivityTask } from "./schedule-activity-task.ts";
import { signalExternalWorkflowExecution } from "./signal-external-workflow-execution.ts";
import { startChildWorkflowExecution } from "./start-child-workflow-execution.ts";
import { startTimer } from "./start-timer.ts";
import { upsertWorkflowSearchAttributes } from "./upsert-workflow-search-attributes.ts";

const nexusDisabled = () => err({ cause: WorkflowTaskFailedCause.FEATURE_DISABLED, message: "this server has no Nexus endpoints" });

/** One handler per worker command, none forgotten. */
const handlers: { readonly [C in CommandCase]: HandleCommand<C> } = {
  scheduleActivityTaskCommandAttributes: scheduleActivityTask,
  requestCancelActivityTaskCommandAttributes: requestCancelActivityTask,
  startTimerCommandAttributes: startTimer,
  cancelTimerCommandAttributes: cancelTimer,
  recordMarkerCommandAttributes: recordMarker,
  completeWorkflowExecutionCommandAttributes: completeWorkflowExecution,
  failWorkflowExecutionCommandAttributes: failWorkflowExecution,
  cancelWorkflowExecutionCommandAttributes: cancelWorkflowExecution,
  continueAsNewWorkflowExecutionCommandAttributes: continueAsNewWorkflowExecution,
  startChildWorkflowExecutionCommandAttributes: startChildWorkflowExecution,
  signalExternalWorkflowExecutionCommandAttributes: signalExternalWorkflowExecution,
  requestCancelExternalWorkflowExecutionCommandAttributes: requestCancelExternalWorkflowExecution,
  upsertWorkflowSearchAttributesCommandAttributes: upsertWorkflowSearchAttributes,
  modifyWorkflowPropertiesCommandAttributes: modifyWorkflowProperties,
  protocolMessageCommandAttributes: protocolMessage,
  scheduleNexusOperationCommandAttributes: nexusDisabled,
  requestCancelNexusOperationCommandAttributes: nexusDisabled,
};

const closing: ReadonlySet<CommandCase> = new Set<CommandCase>([
  "completeWorkflowExecutionCommandAttributes",
  "failWorkflowExecutionCommandAttributes",
  "cancelWorkflowExecutionCommandAttributes",
  "continueAsNewWorkflowExecutionCommandAttributes",
]);

/** Whether a command ends the run. Source: temporal.api.command.v1.Command. */
export const isClosingCommand = (command: Command): boolean => command.attributes !== undefined && closing.has(command.attributes.$case);

/** Carries out one command of a completed workflow task. */
export function handleCommand(draft: Draft, command: Command, scope: Omit<CommandScope, "metadata">): Result<void, CommandRefusal> {
  const { attributes, userMetadata, eventGroupMarkers } = command;
  // A command of a newer protocol decodes to nothing we know.
  if (attributes === undefined) return ok(undefined);
  const handle = handlers[attributes.$case] as HandleCommand<CommandCase>;
  return handle(draft, attributes.value, { ...scope, metadata: { userMetadata, eventGroupMarkers } });
}
