import type { Hold } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import type { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { refuseActivity } from "./activity.ts";
import type { Grant, WantedAction } from "./admission.ts";
import { releaseActivity, scheduledAttributes, wantedActivity } from "./admitted-activity.ts";
import { decideStartAgain, startedEventId, wantedStart } from "./admitted-start.ts";
import { refuseRun } from "./close.ts";
import { type Draft, type Effect, isRunning } from "./execution.ts";
import { outgoingAction, releaseOutgoing, wantedOutgoing } from "./outgoing.ts";
import { waitsToBegin } from "./start-gate.ts";

/* Actions that the policy keeps from leaving their run, whatever kind they are. */

/** An action that has not left its run yet. */
export type PendingAction = {
  /** Set while it waits for an approval. */
  readonly hold: Hold | undefined;
  /** As the policy sees it; `event` is the one that scheduled or initiated it. */
  wanted(event: HistoryEvent): WantedAction;
  /** Waits on, with other times. */
  keep(hold: Hold): void;
  /** Lets it go by a grant. */
  release(grant: Grant): void;
  /** Ends it with a failure that nobody retries, and nothing of it happens. */
  refuse(failure: Failure): void;
};

/** What was scheduled or initiated by that event; null when it is over, has left, or its run has closed. */
export function pendingAction(draft: Draft, eventId: number): PendingAction | null {
  if (!isRunning(draft)) return null;
  const activity = draft.activities.get(eventId);
  if (activity !== undefined && !activity.closing) {
    return {
      hold: activity.hold,
      wanted: (event) => wantedActivity(activity, scheduledAttributes(event)),
      keep: (hold) => draft.activities.set(eventId, { ...activity, hold }),
      release: (grant) => releaseActivity(draft, activity, grant),
      refuse: (failure) => refuseActivity(draft, activity, failure),
    };
  }
  const outgoing = outgoingAction(draft, eventId);
  if (outgoing !== null) {
    return {
      hold: outgoing.clearance.hold,
      wanted: (event) => wantedOutgoing(outgoing, event),
      keep: (hold) => outgoing.clear({ ...outgoing.clearance, hold }),
      release: (grant) => releaseOutgoing(draft, outgoing, grant),
      refuse: outgoing.refuse,
    };
  }
  const gate = draft.core.startGate;
  if (eventId === startedEventId && gate !== undefined && waitsToBegin(draft.core)) {
    return {
      hold: gate.hold,
      wanted: () => wantedStart(draft, null),
      keep: (hold) => {
        draft.core.startGate = { ...gate, hold };
      },
      release: (grant) => decideStartAgain(draft, grant),
      refuse: (failure) => refuseRun(draft, failure),
    };
  }
  return null;
}

/** Ends the actions that the policy refused when they were scheduled. */
export function failRefused(draft: Draft): void {
  for (const { eventId, failure } of draft.refused.splice(0)) pendingAction(draft, eventId)?.refuse(failure);
}

/** What an action waits for, and what let it go. */
type Waiting = { readonly hold: Hold | undefined; readonly grantedApprovalId: string };

type Of<P> = { get(eventId: number): P | undefined };
type Outgoing = Of<{ readonly clearance: Waiting | undefined }>;
type Actions = {
  readonly core: Pick<Draft["core"], "startGate">;
  readonly activities: Of<Waiting>;
  readonly children: Outgoing;
  readonly externalSignals: Outgoing;
  readonly externalCancels: Outgoing;
};

const waitingOf = ({ core, activities, children, externalSignals, externalCancels }: Actions, eventId: number): Waiting | undefined =>
  eventId === startedEventId
    ? core.startGate
    : (activities.get(eventId) ?? (children.get(eventId) ?? externalSignals.get(eventId) ?? externalCancels.get(eventId))?.clearance);

/** Approvals that actions were held for, before this transition or in it, and that nobody waits for any more, other than by their grant. */
export function unansweredHolds(draft: Draft): Effect[] {
  const { activities, children, externalSignals, externalCancels } = draft;
  const touched = [activities, children, externalSignals, externalCancels].flatMap((actions) => [...actions.touched]);
  const before = [startedEventId, ...touched].flatMap((eventId) => {
    const hold = waitingOf(draft.base, eventId)?.hold;
    return hold === undefined ? [] : [{ eventId, hold }];
  });
  return [...before, ...draft.held].flatMap(({ eventId, hold }): Effect[] => {
    const after = waitingOf(draft, eventId);
    if (after?.hold?.approvalId === hold.approvalId || after?.grantedApprovalId === hold.approvalId) return [];
    return [{ kind: "settle-approval", eventId, hold: { ...hold, endedAt: draft.context.now } }];
  });
}
