import { err, ok, type Result } from "../base/result.ts";
import { type DurationMs, type EpochMs, fromProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import type { Hold, PendingActivity } from "../protocol/generated/holdfast/state/v1/state.ts";
import { type Payloads, Payloads as PayloadsCodec, WorkerVersionStamp } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { RetryState, TimeoutType } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import {
  ActivityTaskCanceledEventAttributes,
  ActivityTaskCompletedEventAttributes,
  ActivityTaskFailedEventAttributes,
  ActivityTaskStartedEventAttributes,
  ActivityTaskTimedOutEventAttributes,
} from "../protocol/generated/temporal/api/history/v1/message.ts";
import { invalidArgument, notFound, type Refusal } from "../protocol/refusal.ts";
import { keepGrant } from "./admitted-activity.ts";
import { appendExternalEvent } from "./buffer.ts";
import { type Draft, isRunning } from "./execution.ts";
import { applicationFailure, denialFailure, notApprovedFailure, timeoutFailure } from "./failures.ts";
import type { EventAttributes } from "./history.ts";
import { escalateHold, holdDue, isExpired } from "./hold.ts";
import { decideRetry, truncateFailure } from "./retry.ts";
import { scheduleWorkflowTask } from "./workflow-task.ts";

/** Which attempt a worker speaks of. */
export type ActivityAttempt = { readonly scheduledEventId: number; readonly attempt: number; readonly stamp: number };

const gone = notFound("invalid activityID or activity already timed out or invoking workflow is completed");

/** The pending activity whose current, started attempt is meant; late and repeated answers are refused. */
export function startedActivity(draft: Draft, { scheduledEventId, attempt, stamp }: ActivityAttempt): Result<PendingActivity, Refusal> {
  const activity = draft.activities.get(scheduledEventId);
  if (!isRunning(draft) || activity === undefined || activity.closing) return err(gone);
  if (activity.startedTime === 0 || activity.attempt !== attempt || activity.stamp !== stamp) return err(gone);
  return ok(activity);
}

/** The attempt that now runs for an activity id; for completion from elsewhere. */
export function attemptOf(draft: Draft, activityId: string): Result<ActivityAttempt, Refusal> {
  for (const activity of draft.activities.values()) {
    if (activity.activityId === activityId && !activity.closing && activity.startedTime !== 0) return ok(activity);
  }
  return err(notFound("Can't find pending activity with such ID. Invalid activityID or activity already completed"));
}

/** Whether a task row or a retry still stands for this very attempt, and it waits to be started. */
export function isDispatchable(draft: Draft, scheduledEventId: number, stamp: number): boolean {
  const activity = draft.activities.get(scheduledEventId);
  return (
    isRunning(draft) &&
    activity !== undefined &&
    !activity.closing &&
    activity.startedTime === 0 &&
    activity.dispatched &&
    activity.stamp === stamp
  );
}

/** Hands the waiting attempt to a worker. Nothing is written to history yet: retries leave no trace there. */
export function startActivity(
  draft: Draft,
  activity: PendingActivity,
  poll: { identity: string; requestId: string; buildId: string },
): PendingActivity {
  const { now } = draft.context;
  const started: PendingActivity = {
    ...activity,
    startedTime: now,
    lastStartedTime: now,
    startedIdentity: poll.identity,
    lastWorkerIdentity: poll.identity,
    requestId: poll.requestId,
    lastHeartbeatTime: 0,
    workerVersion: poll.buildId === "" ? undefined : make(WorkerVersionStamp, { buildId: poll.buildId }),
  };
  draft.activities.set(activity.scheduledEventId, started);
  return started;
}

export function completeActivity(
  draft: Draft,
  activity: PendingActivity,
  answer: { result: Payloads | undefined; identity: string },
): void {
  const bytes = payloadsBytes(answer.result);
  const tooLarge =
    bytes > draft.context.limits.blobSizeError
      ? applicationFailure("Complete result exceeds size limit.", "")
      : activity.outputCap > 0 && bytes > activity.outputCap
        ? denyOutput(draft, activity, bytes)
        : null;
  if (tooLarge !== null) {
    closeStarted(draft, activity, failed(activity, tooLarge, RetryState.NON_RETRYABLE_FAILURE, answer.identity));
    return;
  }
  closeStarted(draft, activity, {
    $case: "activityTaskCompletedEventAttributes",
    value: make(ActivityTaskCompletedEventAttributes, {
      result: answer.result,
      scheduledEventId: activity.scheduledEventId,
      identity: answer.identity,
      workerVersion: activity.workerVersion,
    }),
  });
}

function denyOutput(draft: Draft, activity: PendingActivity, bytes: number): Failure {
  const { outputCap, outputCapRule, policySnapshot } = activity;
  const reason = `the result has ${bytes} bytes, and at most ${outputCap} are permitted`;
  draft.refusedResults.push({ activity, reason });
  return denialFailure({ rule: outputCapRule === "" ? null : outputCapRule, reason, snapshot: policySnapshot, remediations: [] });
}

/** Ends the started attempt with a failure: either another attempt follows after a backoff, or the activity has failed. */
export function failActivity(
  draft: Draft,
  activity: PendingActivity,
  answer: { failure: Failure | undefined; identity: string; lastHeartbeatDetails?: Payloads | undefined },
): void {
  const { blobSizeError, activityFailureBytes } = draft.context.limits;
  const { failure: given = make(Failure) } = answer;
  const tooLarge = Failure.encode(given).finish().length > blobSizeError;
  const failure = tooLarge
    ? { ...applicationFailure("Failure exceeds size limit.", ""), cause: truncateFailure(given, activityFailureBytes) }
    : given;
  const current = answer.lastHeartbeatDetails === undefined ? activity : { ...activity, heartbeatDetails: answer.lastHeartbeatDetails };
  const retryState = retryOr(draft, current, failure);
  if (retryState !== null) closeStarted(draft, current, failed(current, failure, retryState, answer.identity));
}

/** The worker confirms that it stopped because it was asked to. */
export function confirmActivityCanceled(
  draft: Draft,
  activity: PendingActivity,
  answer: { details: Payloads | undefined; identity: string },
): Result<void, Refusal> {
  if (!activity.cancelRequested) {
    return err(invalidArgument("unable to mark activity as canceled without activity being request canceled first"));
  }
  closeStarted(draft, activity, {
    $case: "activityTaskCanceledEventAttributes",
    value: make(ActivityTaskCanceledEventAttributes, {
      details: answer.details,
      latestCancelRequestedEventId: activity.cancelRequestedEventId,
      scheduledEventId: activity.scheduledEventId,
      identity: answer.identity,
      workerVersion: activity.workerVersion,
    }),
  });
  return ok(undefined);
}

/** Notes a sign of life. The answer tells the worker whether it should stop. */
export function recordHeartbeat(
  draft: Draft,
  activity: PendingActivity,
  heartbeat: { details: Payloads | undefined; identity: string },
): { cancelRequested: boolean } {
  if (payloadsBytes(heartbeat.details) > draft.context.limits.blobSizeError) {
    failActivity(draft, activity, {
      failure: applicationFailure("Heartbeat details exceed size limit.", ""),
      identity: heartbeat.identity,
    });
    return { cancelRequested: true };
  }
  draft.activities.set(activity.scheduledEventId, {
    ...activity,
    lastHeartbeatTime: draft.context.now,
    heartbeatDetails: heartbeat.details,
  });
  return { cancelRequested: activity.cancelRequested };
}

/** Makes the next attempt due later, or says why there is none. */
function retryOr(draft: Draft, activity: PendingActivity, failure: Failure): RetryState | null {
  const { now, limits } = draft.context;
  if (activity.cancelRequested) return RetryState.CANCEL_REQUESTED;
  const expiration = activity.scheduleToCloseTimeout > 0 ? activity.scheduledTime + activity.heldFor + activity.scheduleToCloseTimeout : 0;
  const verdict = decideRetry({ policy: activity.retryPolicy, number: activity.attempt, failure, now, expiration });
  if (!verdict.retry) return verdict.retryState;
  draft.activities.set(activity.scheduledEventId, {
    ...activity,
    attempt: activity.attempt + 1,
    stamp: activity.stamp + 1,
    attemptScheduledTime: now + verdict.delay,
    startedTime: 0,
    startedIdentity: "",
    requestId: "",
    dispatched: false,
    lastFailure: truncateFailure(failure, limits.activityFailureBytes),
    lastAttemptCompleteTime: now,
    lastWorkerIdentity: activity.startedIdentity,
  });
  return null;
}

const failed = (activity: PendingActivity, failure: Failure, retryState: RetryState, identity: string): EventAttributes => ({
  $case: "activityTaskFailedEventAttributes",
  value: make(ActivityTaskFailedEventAttributes, {
    failure,
    scheduledEventId: activity.scheduledEventId,
    identity,
    retryState,
    workerVersion: activity.workerVersion,
  }),
});

/** Writes the start that history did not show so far, and the end. */
function closeStarted(draft: Draft, activity: PendingActivity, closed: EventAttributes): void {
  const startedEventId = appendExternalEvent(draft, {
    $case: "activityTaskStartedEventAttributes",
    value: make(ActivityTaskStartedEventAttributes, {
      scheduledEventId: activity.scheduledEventId,
      identity: activity.startedIdentity,
      requestId: activity.requestId,
      attempt: activity.attempt,
      lastFailure: activity.lastFailure,
      workerVersion: activity.workerVersion,
    }),
  });
  close(
    draft,
    activity,
    "startedEventId" in closed.value ? ({ ...closed, value: { ...closed.value, startedEventId } } as EventAttributes) : closed,
  );
}

function close(draft: Draft, activity: PendingActivity, closed: EventAttributes): void {
  const eventId = appendExternalEvent(draft, closed);
  if (closed.$case !== "activityTaskCompletedEventAttributes") keepGrant(draft, activity);
  // Buffered: the activity stays pending until its events get their ids, but nobody may answer it again.
  if (eventId === 0) draft.activities.set(activity.scheduledEventId, { ...activity, closing: true });
  scheduleWorkflowTask(draft);
}

/** Asks an activity to stop. One that no worker holds is canceled at once. The request itself stands in history already. */
export function cancelUnstartedActivity(draft: Draft, activity: PendingActivity, cancelRequestedEventId: number): boolean {
  if (activity.startedTime !== 0 || activity.closing) return false;
  draft.activities.set(activity.scheduledEventId, { ...activity, stamp: activity.stamp + 1 });
  appendExternalEvent(draft, {
    $case: "activityTaskCanceledEventAttributes",
    value: make(ActivityTaskCanceledEventAttributes, {
      details: make(PayloadsCodec, {
        payloads: [{ metadata: { encoding: utf8("json/plain") }, data: utf8('"ACTIVITY_ID_NOT_STARTED"'), externalPayloads: [] }],
      }),
      latestCancelRequestedEventId: cancelRequestedEventId,
      scheduledEventId: activity.scheduledEventId,
    }),
  });
  return true;
}

/** Ends an activity that no worker holds with a failure that nobody retries. */
export function refuseActivity(draft: Draft, activity: PendingActivity, failure: Failure): void {
  const { now } = draft.context;
  const unheld = {
    ...activity,
    hold: undefined,
    startedIdentity: policyIdentity,
    startedTime: activity.startedTime || now,
    stamp: activity.stamp + 1,
  };
  draft.activities.set(activity.scheduledEventId, unheld);
  closeStarted(draft, unheld, failed(unheld, failure, RetryState.NON_RETRYABLE_FAILURE, policyIdentity));
}

/** Who stands in history for what the policy did. */
export const policyIdentity = "safety-kernel";

/** How long this attempt may run: as long as was asked for, or as the policy permits by now; 0 for no limit. */
export const startToCloseOf = ({ startToCloseTimeout, runtimeCap }: PendingActivity): DurationMs =>
  startToCloseTimeout > 0 && runtimeCap > 0 ? Math.min(startToCloseTimeout, runtimeCap) : startToCloseTimeout || runtimeCap;

type Deadline = { readonly at: EpochMs; readonly timeoutType: TimeoutType };

/** When the activity times out next, and how; null if nothing limits it now. */
function deadline(activity: PendingActivity): Deadline | null {
  // Held time does not count.
  if (activity.hold !== undefined) return null;
  const candidates: Deadline[] = [];
  if (activity.scheduleToCloseTimeout > 0)
    candidates.push({
      at: activity.scheduledTime + activity.heldFor + activity.scheduleToCloseTimeout,
      timeoutType: TimeoutType.SCHEDULE_TO_CLOSE,
    });
  if (activity.startedTime > 0) {
    const startToClose = startToCloseOf(activity);
    if (startToClose > 0) candidates.push({ at: activity.startedTime + startToClose, timeoutType: TimeoutType.START_TO_CLOSE });
    if (activity.heartbeatTimeout > 0) {
      const alive = Math.max(activity.startedTime, activity.lastHeartbeatTime);
      candidates.push({ at: alive + activity.heartbeatTimeout, timeoutType: TimeoutType.HEARTBEAT });
    }
  } else if (activity.scheduleToStartTimeout > 0) {
    candidates.push({ at: activity.attemptScheduledTime + activity.scheduleToStartTimeout, timeoutType: TimeoutType.SCHEDULE_TO_START });
  }
  return candidates.reduce<Deadline | null>((first, next) => (first === null || next.at < first.at ? next : first), null);
}

/** When the activity next wants to be looked at, Infinity for never. */
export function activityWakeAt(activity: PendingActivity): EpochMs {
  if (activity.closing) return Number.POSITIVE_INFINITY;
  if (activity.hold !== undefined) return holdDue(activity.hold) || Number.POSITIVE_INFINITY;
  const due = deadline(activity)?.at ?? Number.POSITIVE_INFINITY;
  return activity.startedTime === 0 && !activity.dispatched ? Math.min(due, activity.attemptScheduledTime) : due;
}

/** Carries out what is due on an activity: a time-out, or the dispatch of its next attempt. */
export function wakeActivity(draft: Draft, activity: PendingActivity): void {
  const { now } = draft.context;
  if (activity.hold !== undefined) {
    const { hold, scheduledEventId } = activity;
    if (isExpired(hold, now)) refuseActivity(draft, activity, approvalExpired(activity, hold, now));
    else draft.activities.set(scheduledEventId, { ...activity, hold: escalateHold(draft, scheduledEventId, hold) });
    return;
  }
  const due = deadline(activity);
  if (due !== null && due.at <= now) {
    timeOutActivity(draft, activity, due.timeoutType);
  } else if (activity.startedTime === 0 && !activity.dispatched && activity.attemptScheduledTime <= now) {
    draft.activities.set(activity.scheduledEventId, { ...activity, dispatched: true });
    draft.dueTasks.push({ type: "activity", scheduledEventId: activity.scheduledEventId, eager: false });
  }
}

/** Nobody decided in time on an action that was held under that snapshot. */
export function approvalExpired(
  { policySnapshot }: { readonly policySnapshot: string },
  { approvalId, ruleId, reason, isRequest }: Hold,
  now: EpochMs,
): Failure {
  const message = `approval expired: ${reason}`;
  return isRequest
    ? notApprovedFailure("ApprovalExpired", message, {
        approval_id: approvalId,
        reason: "nobody decided in time",
        decided_by: [],
        decided_at: new Date(now).toISOString(),
      })
    : denialFailure({ rule: ruleId, reason: message, snapshot: policySnapshot, approval: approvalId, remediations: [] });
}

const timeoutMessages: { readonly [T in TimeoutType]: string } = {
  [TimeoutType.UNSPECIFIED]: "activity timeout",
  [TimeoutType.START_TO_CLOSE]: "activity StartToClose timeout",
  [TimeoutType.SCHEDULE_TO_START]: "activity ScheduleToStart timeout",
  [TimeoutType.SCHEDULE_TO_CLOSE]: "activity ScheduleToClose timeout",
  [TimeoutType.HEARTBEAT]: "activity Heartbeat timeout",
  [TimeoutType.UNRECOGNIZED]: "activity timeout",
};

function timeOutActivity(draft: Draft, activity: PendingActivity, timeoutType: TimeoutType): void {
  const lastHeartbeatDetails = activity.heartbeatDetails;
  let failure = timeoutFailure({ message: timeoutMessages[timeoutType], timeoutType, lastHeartbeatDetails });
  let retryState: RetryState = RetryState.TIMEOUT;
  if (timeoutType === TimeoutType.START_TO_CLOSE || timeoutType === TimeoutType.HEARTBEAT) {
    const refused = retryOr(draft, activity, failure);
    if (refused === null) return;
    retryState = refused;
    if (refused === RetryState.TIMEOUT) {
      const message = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";
      failure = timeoutFailure({ message, timeoutType: TimeoutType.SCHEDULE_TO_CLOSE, lastHeartbeatDetails, cause: failure });
    }
  }
  failure = { ...failure, cause: failure.cause ?? activity.lastFailure };
  const timedOut: EventAttributes = {
    $case: "activityTaskTimedOutEventAttributes",
    value: make(ActivityTaskTimedOutEventAttributes, { failure, scheduledEventId: activity.scheduledEventId, retryState }),
  };
  if (activity.startedTime > 0) closeStarted(draft, activity, timedOut);
  else close(draft, activity, timedOut);
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export const payloadsBytes = (payloads: Payloads | undefined): number =>
  payloads === undefined ? 0 : PayloadsCodec.encode(payloads).finish().length;

/** The time-outs of a new activity with the gaps filled, or what is wrong with them. Source: ScheduleActivityTaskCommandAttributes. */
export function activityTimeouts(
  asked: {
    scheduleToCloseTimeout?: Parameters<typeof fromProtoTime>[0];
    scheduleToStartTimeout?: Parameters<typeof fromProtoTime>[0];
    startToCloseTimeout?: Parameters<typeof fromProtoTime>[0];
    heartbeatTimeout?: Parameters<typeof fromProtoTime>[0];
  },
  runTimeout: number,
): Result<{ scheduleToClose: number; scheduleToStart: number; startToClose: number; heartbeat: number }, string> {
  const capped = (ms: number) => (runTimeout > 0 ? Math.min(ms, runTimeout) : ms);
  let scheduleToClose = fromProtoTime(asked.scheduleToCloseTimeout);
  let scheduleToStart = fromProtoTime(asked.scheduleToStartTimeout);
  let startToClose = fromProtoTime(asked.startToCloseTimeout);
  const heartbeat = fromProtoTime(asked.heartbeatTimeout);
  for (const [name, value] of Object.entries({
    ScheduleToCloseTimeout: scheduleToClose,
    ScheduleToStartTimeout: scheduleToStart,
    StartToCloseTimeout: startToClose,
    HeartbeatTimeout: heartbeat,
  })) {
    if (value < 0) return err(`${name} cannot be negative`);
  }
  if (scheduleToClose > 0) {
    scheduleToClose = capped(scheduleToClose);
    scheduleToStart = scheduleToStart > 0 ? Math.min(scheduleToStart, scheduleToClose) : scheduleToClose;
    startToClose = startToClose > 0 ? Math.min(startToClose, scheduleToClose) : scheduleToClose;
  } else if (startToClose > 0) {
    scheduleToClose = runTimeout;
    scheduleToStart = scheduleToStart > 0 ? capped(scheduleToStart) : runTimeout;
    startToClose = capped(startToClose);
  } else {
    return err("a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity");
  }
  return ok({ scheduleToClose, scheduleToStart, startToClose, heartbeat: Math.min(heartbeat, startToClose) });
}
