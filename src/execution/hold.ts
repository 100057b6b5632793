import type { EpochMs } from "../base/time.ts";
import type { Hold } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Draft } from "./execution.ts";

/* An action that waits for an approval. The approval is elsewhere; the run knows the times at which something happens to it. */

/** When a held action next wants to be looked at, 0 for never. */
export const holdDue = ({ expiresAt, escalatesAt }: Hold): EpochMs =>
  expiresAt > 0 && escalatesAt > 0 ? Math.min(expiresAt, escalatesAt) : expiresAt || escalatesAt;

export const isExpired = ({ expiresAt }: Hold, now: EpochMs): boolean => expiresAt > 0 && expiresAt <= now;

/** The hold as it is once its time has come. The escalation itself is an effect on the approval, which says when to look again. */
export function escalateHold(draft: Draft, eventId: number, hold: Hold): Hold {
  if (hold.escalatesAt === 0 || hold.escalatesAt > draft.context.now) return hold;
  draft.effects.push({ kind: "escalate-approval", eventId, hold });
  return { ...hold, escalatesAt: 0 };
}
