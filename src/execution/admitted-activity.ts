import { assertNever } from "../base/assert.ts";
import type { PendingActivity } from "../protocol/generated/holdfast/state/v1/state.ts";
import { refuseActivity } from "./activity.ts";
import type { Admission } from "./admission.ts";
import { type Draft, type Effect, isRunning } from "./execution.ts";

/* What the policy's word does to a pending activity. */

/** Does what the policy decided about an attempt that is due. */
export function applyAdmission(draft: Draft, scheduledEventId: number, admission: Admission, task: { eager: boolean }): void {
  const activity = draft.activities.get(scheduledEventId);
  if (activity === undefined) return;
  const decided = { ...activity, policySnapshot: admission.snapshot, decidedAttempt: activity.attempt };
  switch (admission.effect) {
    case "allow":
      if (admission.snapshot !== activity.policySnapshot) draft.activities.set(scheduledEventId, decided);
      draft.dueTasks.push({ type: "activity", scheduledEventId, eager: task.eager });
      return;
    case "refuse":
      draft.refused.push({ scheduledEventId, failure: admission.failure });
      return;
    case "hold":
      draft.held.push({ scheduledEventId, hold: admission.hold });
      draft.activities.set(scheduledEventId, { ...decided, hold: admission.hold, dispatched: false, stamp: activity.stamp + 1 });
      return;
    case "delay":
      draft.activities.set(scheduledEventId, {
        ...decided,
        dispatched: false,
        attemptScheduledTime: admission.until,
        stamp: activity.stamp + 1,
      });
      return;
    default:
      assertNever(admission);
  }
}

/** Fails the activities that the policy refused, without a worker. */
export function failRefused(draft: Draft): void {
  for (const { scheduledEventId, failure } of draft.refused.splice(0)) {
    const activity = draft.activities.get(scheduledEventId);
    if (isRunning(draft) && activity !== undefined && !activity.closing) refuseActivity(draft, activity, failure);
  }
}

/** Lets a held activity go: it is due now, and its time-outs are later by the time it was held. */
export function releaseActivity(draft: Draft, activity: PendingActivity, grant: { approvalId: string; jobHash: string }): void {
  const { now } = draft.context;
  draft.activities.set(activity.scheduledEventId, {
    ...activity,
    hold: undefined,
    heldFor: activity.heldFor + (activity.hold === undefined ? 0 : now - activity.hold.since),
    attemptScheduledTime: now,
    dispatched: true,
    stamp: activity.stamp + 1,
    // The grant is looked at where a worker gets it, by the policy in force there.
    decidedAttempt: 0,
    grantedApprovalId: grant.approvalId,
    grantedJobHash: grant.jobHash,
  });
  draft.dueTasks.push({ type: "activity", scheduledEventId: activity.scheduledEventId, eager: false });
}

/** Approvals that activities were held for, before this transition or in it, and that nobody waits for any more, other than by their grant. */
export function unansweredHolds({ base, activities, held }: Draft): Effect[] {
  const before = [...activities.touched].flatMap((scheduledEventId) => {
    const hold = base.activities.get(scheduledEventId)?.hold;
    return hold === undefined ? [] : [{ scheduledEventId, hold }];
  });
  return [...before, ...held].flatMap(({ scheduledEventId, hold }): Effect[] => {
    const after = activities.get(scheduledEventId);
    if (after?.hold?.approvalId === hold.approvalId || after?.grantedApprovalId === hold.approvalId) return [];
    return [{ kind: "settle-approval", scheduledEventId, hold }];
  });
}
