import { err, ok } from "../../base/result.ts";
import { type BuiltInActivity, invalidInput } from "./built-in-worker.ts";
import { idempotencyKeyOf } from "./idempotency-key.ts";
import { type Channels, readNotification } from "./notification.ts";
import type { PostWebhook } from "./webhook.ts";

/** The activity that tells somebody outside. */
export const notifyActivity = "holdfast.notify";

/** `holdfast.notify`: posts a message to a webhook. All attempts at one step, or of one activity, have one idempotency key. */
export const notify =
  ({ channels, post }: { readonly channels: Channels; readonly post: PostWebhook }): BuiltInActivity =>
  async ({ task, args, signal }) => {
    const notification = readNotification(args, channels);
    if (!notification.ok) return err(invalidInput(notification.error));
    const idempotencyKey = idempotencyKeyOf(task, task.workflowExecution?.runId ?? "");
    const posted = await post({ ...notification.value, idempotencyKey, signal });
    return posted.ok ? ok({ status: posted.value }) : err({ type: "NotifyFailed", ...posted.error });
  };
