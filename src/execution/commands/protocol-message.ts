import { err, ok } from "../../base/result.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { handleUpdateMessage } from "../update.ts";
import type { HandleCommand } from "./command.ts";

/** Says where among the commands a message has its place. */
export const protocolMessage: HandleCommand<"protocolMessageCommandAttributes"> = (draft, { messageId }, scope) => {
  const cause = WorkflowTaskFailedCause.BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE;
  const message = scope.takeMessage(messageId);
  if (message === undefined) return err({ cause, message: `ProtocolMessageCommand referenced absent message ID \`${messageId}\`` });
  const handled = handleUpdateMessage(draft, message);
  return handled.ok ? ok(undefined) : err({ cause, message: handled.error });
};
