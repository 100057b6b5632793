import { err, ok } from "../../base/result.ts";
import { readApprovalInput } from "../../governance/approval/approval-input.ts";
import { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { TaskToken_Kind } from "../../protocol/generated/holdfast/state/v1/state.ts";
import type { Store } from "../../store/store.ts";
import { decodeApproval, endOf } from "../approvals/approval-record.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Runs } from "../runs.ts";
import type { TaskTokens } from "../workers/task-token.ts";
import { type BuiltInActivity, invalidInput } from "./built-in-worker.ts";

/** `holdfast.approval`: it was held until people granted it, and says who did. */
export const approval =
  ({
    runs,
    store,
    tokens,
  }: {
    readonly runs: Pick<Runs<InlineWorker>, "load">;
    readonly store: Pick<Store, "readApproval">;
    readonly tokens: TaskTokens;
  }): BuiltInActivity =>
  async ({ task, args }) => {
    const input = readApprovalInput(args);
    if (!input.ok) return err(invalidInput(input.error));
    const token = tokens.decode(task.taskToken, TaskToken_Kind.ACTIVITY_TASK);
    const cell = token.ok ? await runs.load(token.value) : null;
    const id = token.ok ? cell?.state.activities.get(token.value.scheduledEventId)?.grantedApprovalId : undefined;
    const stored = id === undefined || id === "" ? null : await store.readApproval(id);
    const granted = stored === null ? null : decodeApproval(stored);
    // The kernel holds every request, so that this is never seen; but what nobody granted must not pass here either.
    if (granted?.status !== ApprovalStatus.GRANTED)
      return err({ type: "ApprovalRejected", message: "nobody granted it", isRetryable: false });
    return ok({ approved: true, ...endOf(granted) });
  };
