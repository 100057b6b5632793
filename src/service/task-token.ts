import { err, ok, type Result } from "../base/result.ts";
import { TaskToken, type TaskToken_Kind } from "../protocol/generated/holdfast/state/v1/state.ts";
import { invalidArgument, type Refusal } from "../protocol/refusal.ts";

/** The token as a worker sent it back, if it is one of ours and of the expected kind. */
export function decodeTaskToken(bytes: Uint8Array, kind: TaskToken_Kind): Result<TaskToken, Refusal> {
  if (bytes.length === 0) return err(invalidArgument("Task token not set on request."));
  try {
    const token = TaskToken.decode(bytes);
    if (token.kind === kind) return ok(token);
  } catch {
    // Falls through: whatever is wrong with it, it is not a token of ours.
  }
  return err(invalidArgument("Error deserializing task token."));
}
