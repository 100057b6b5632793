import { assertNever, present } from "../base/assert.ts";
import type { PendingActivity } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { ActivityTaskScheduledEventAttributes, HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { Admission, Caps, Grant, WantedAction } from "./admission.ts";
import { type Draft, isRunning } from "./execution.ts";

/* What the policy's word does to a pending activity. */

/** Does what the policy decided about an attempt that is due. */
export function applyAdmission(draft: Draft, scheduledEventId: number, admission: Admission, task: { eager: boolean }): void {
  const activity = draft.activities.get(scheduledEventId);
  if (activity === undefined) return;
  const decided = { ...activity, policySnapshot: admission.snapshot, decidedAttempt: activity.attempt };
  switch (admission.effect) {
    case "allow":
      if (admission.snapshot !== activity.policySnapshot)
        draft.activities.set(scheduledEventId, {
          ...decided,
          ...outputCapOf(admission.caps),
          ...takeGrant(draft, admission),
          limited: admission.limited ?? false,
        });
      draft.dueTasks.push({ type: "activity", scheduledEventId, eager: task.eager });
      return;
    case "refuse":
      draft.refused.push({ eventId: scheduledEventId, failure: admission.failure });
      return;
    case "hold":
      draft.held.push({ eventId: scheduledEventId, hold: admission.hold });
      draft.activities.set(scheduledEventId, { ...decided, hold: admission.hold, dispatched: false, stamp: activity.stamp + 1 });
      return;
    case "delay":
      draft.activities.set(scheduledEventId, {
        ...decided,
        dispatched: false,
        attemptScheduledTime: admission.until,
        stamp: activity.stamp + 1,
        limited: admission.limited ?? false,
      });
      return;
    default:
      assertNever(admission);
  }
}

/** What an attempt is permitted by a decision at dispatch. */
export function permitAttempt(draft: Draft, activity: PendingActivity, permitted: Permitted): void {
  const { snapshot, caps, limited } = permitted;
  draft.activities.set(activity.scheduledEventId, {
    ...activity,
    policySnapshot: snapshot,
    decidedAttempt: activity.attempt,
    runtimeCap: caps?.startToClose ?? 0,
    ...outputCapOf(caps),
    ...takeGrant(draft, permitted),
    limited: limited ?? false,
  });
}

/** The attempt that is permitted by a kept grant has it from now on. */
function takeGrant({ core }: Draft, { keptGrant }: Permitted): Partial<Granted> {
  if (keptGrant === undefined) return {};
  core.keptGrants = core.keptGrants.filter(({ approvalId }) => approvalId !== keptGrant.approvalId);
  return { grantedApprovalId: keptGrant.approvalId, grantedJobHash: keptGrant.jobHash, grantOutlives: true };
}

type Granted = Pick<PendingActivity, "grantedApprovalId" | "grantedJobHash" | "grantOutlives">;

/** Grants that a run keeps. Whose grant was the oldest of too many is asked for again. */
export const keptGrantsMax = 100;

/** Keeps what was granted for an attempt that has failed, if the next one is an activity of its own. */
export function keepGrant({ core }: Draft, { grantedApprovalId: approvalId, grantedJobHash: jobHash, grantOutlives }: Granted): void {
  if (grantOutlives && approvalId !== "") core.keptGrants = [...core.keptGrants, { approvalId, jobHash }].slice(-keptGrantsMax);
}

type Permitted = Extract<Admission, { effect: "allow" }>;

const outputCapOf = (caps: Caps | null): Pick<PendingActivity, "outputCap" | "outputCapRule"> => ({
  outputCap: caps?.output?.bytes ?? 0,
  outputCapRule: caps?.output?.rule ?? "",
});

/** What a delayed attempt waited for is there: it is due now. False when it no longer waits. */
export function endDelay(
  draft: Draft,
  { scheduledEventId, stamp }: { readonly scheduledEventId: number; readonly stamp: number },
): boolean {
  const activity = draft.activities.get(scheduledEventId);
  if (!isRunning(draft) || activity === undefined || activity.closing || activity.dispatched || activity.stamp !== stamp) return false;
  draft.activities.set(scheduledEventId, { ...activity, attemptScheduledTime: draft.context.now, dispatched: true });
  draft.dueTasks.push({ type: "activity", scheduledEventId, eager: false });
  return true;
}

/** Lets a held activity go: it is due now, and its time-outs are later by the time it was held. */
export function releaseActivity(draft: Draft, activity: PendingActivity, grant: Grant): void {
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
    grantOutlives: activity.hold?.grantOutlives ?? false,
  });
  draft.dueTasks.push({ type: "activity", scheduledEventId: activity.scheduledEventId, eager: false });
}

/** An attempt of an activity as an action that wants to happen. */
export function wantedActivity(activity: PendingActivity, { header, input }: ActivityTaskScheduledEventAttributes): WantedAction {
  const { grantedApprovalId: approvalId, grantedJobHash: jobHash } = activity;
  return {
    kind: "activity",
    name: activity.activityType,
    id: activity.activityId,
    taskQueue: activity.taskQueue,
    header,
    input,
    attempt: activity.attempt,
    scheduledEventId: activity.scheduledEventId,
    grant: approvalId === "" ? null : { approvalId, jobHash },
  };
}

export function scheduledAttributes(event: HistoryEvent | undefined): ActivityTaskScheduledEventAttributes {
  const attributes = present(event?.attributes, "scheduled event");
  if (attributes.$case !== "activityTaskScheduledEventAttributes")
    throw new Error(`assertion failed: event ${event?.eventId} schedules no activity`);
  return attributes.value;
}
