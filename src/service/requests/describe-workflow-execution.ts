import { ok } from "../../base/result.ts";
import { toProtoTime } from "../../base/time.ts";
import { policyIdentity } from "../../execution/activity.ts";
import { hasStartedWorkflowTask, isRunning, type MutableState } from "../../execution/execution.ts";
import { executionExpiresAt, runExpiresAt, waitsToBegin } from "../../execution/start-gate.ts";
import { make } from "../../protocol/codec.ts";
import type { Hold, PendingActivity } from "../../protocol/generated/holdfast/state/v1/state.ts";
import { PendingActivityState, PendingWorkflowTaskState } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  PendingActivityInfo,
  type PendingActivityInfo_PauseInfo,
  PendingWorkflowTaskInfo,
  WorkflowExecutionConfig,
  WorkflowExecutionExtendedInfo,
  WorkflowExecutionPauseInfo,
} from "../../protocol/generated/temporal/api/workflow/v1/message.ts";
import { DescribeWorkflowExecutionResponse } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Engine } from "../engine.ts";
import type { Services } from "../services.ts";
import { executionInfo } from "../visibility-record.ts";

/** Everything the server knows of one run: what it is, what it waits for, and what goes wrong. */
export const describeWorkflowExecution =
  ({ namespaces, runs }: Engine): Services["describeWorkflowExecution"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const { workflowId = "", runId = "" } = request.execution ?? {};
    const found = await runs.find({ namespaceId: namespace.value.id, workflowId, runId });
    if (!found.ok) return found;
    const { state, settled } = found.value;
    await settled;
    return ok(describe(state));
  };

function describe(state: MutableState): DescribeWorkflowExecutionResponse {
  const { core, started } = state;
  return make(DescribeWorkflowExecutionResponse, {
    executionConfig: make(WorkflowExecutionConfig, {
      taskQueue: started.taskQueue,
      workflowExecutionTimeout: started.workflowExecutionTimeout,
      workflowRunTimeout: started.workflowRunTimeout,
      defaultWorkflowTaskTimeout: started.workflowTaskTimeout,
      userMetadata: state.userMetadata,
    }),
    workflowExecutionInfo: executionInfo(state),
    pendingActivities: [...state.activities.values()].map(pendingActivity),
    pendingChildren: [...state.children.values()].map((child) => ({
      workflowId: child.workflowId,
      runId: child.runId,
      workflowTypeName: child.workflowType,
      initiatedId: child.initiatedEventId,
      parentClosePolicy: child.parentClosePolicy,
    })),
    pendingWorkflowTask: pendingWorkflowTask(state),
    workflowExtendedInfo: make(WorkflowExecutionExtendedInfo, {
      executionExpirationTime: date(executionExpiresAt(core)),
      runExpirationTime: date(runExpiresAt(core)),
      cancelRequested: core.cancelRequested,
      originalStartTime: date(core.startTime),
      pauseInfo: pauseInfo(core),
    }),
  });
}

/** A run that the policy has not let begin shows as paused since its start. */
function pauseInfo(core: MutableState["core"]): WorkflowExecutionPauseInfo | undefined {
  if (!waitsToBegin(core)) return undefined;
  const { hold, decideAt = 0 } = core.startGate ?? {};
  const reason =
    hold === undefined
      ? `slowed down by policy until ${new Date(decideAt).toISOString()}`
      : `waits for approval \`${hold.approvalId}\` by rule \`${hold.ruleId}\`: ${hold.reason}`;
  return make(WorkflowExecutionPauseInfo, { identity: policyIdentity, pausedTime: date(core.startTime), reason });
}

function pendingActivity(activity: PendingActivity): PendingActivityInfo {
  const started = activity.startedTime > 0;
  const held = activity.hold !== undefined;
  const waitsForRetry = !started && !activity.dispatched && !held;
  return make(PendingActivityInfo, {
    activityId: activity.activityId,
    activityType: { name: activity.activityType },
    state: pendingState(activity),
    heartbeatDetails: activity.heartbeatDetails,
    lastHeartbeatTime: date(activity.lastHeartbeatTime),
    lastStartedTime: date(activity.lastStartedTime),
    attempt: activity.attempt,
    maximumAttempts: activity.retryPolicy?.maximumAttempts ?? 0,
    scheduledTime: date(activity.attemptScheduledTime),
    // Nothing times out while the activity is held.
    expirationTime:
      activity.scheduleToCloseTimeout > 0 && !held
        ? date(activity.scheduledTime + activity.heldFor + activity.scheduleToCloseTimeout)
        : undefined,
    lastFailure: activity.lastFailure,
    lastWorkerIdentity: activity.lastWorkerIdentity,
    lastWorkerVersionStamp: activity.workerVersion,
    // A first attempt waits as well when the policy slows it down.
    currentRetryInterval:
      waitsForRetry && activity.lastAttemptCompleteTime > 0
        ? toProtoTime(activity.attemptScheduledTime - activity.lastAttemptCompleteTime)
        : undefined,
    lastAttemptCompleteTime: date(activity.lastAttemptCompleteTime),
    nextAttemptScheduleTime: waitsForRetry ? date(activity.attemptScheduledTime) : undefined,
    priority: activity.priority,
    paused: held,
    pauseInfo: activity.hold === undefined ? undefined : heldBy(activity.hold),
  });
}

function pendingState(activity: PendingActivity): PendingActivityState {
  if (activity.hold !== undefined) return PendingActivityState.PAUSED;
  if (activity.cancelRequested) return PendingActivityState.CANCEL_REQUESTED;
  return activity.startedTime > 0 ? PendingActivityState.STARTED : PendingActivityState.SCHEDULED;
}

/** A hold shows as a pause by the rule that asked for the approval. */
const heldBy = ({ since, ruleId, reason }: Hold): PendingActivityInfo_PauseInfo => ({
  pauseTime: date(since),
  pausedBy: { $case: "rule", value: { ruleId, identity: policyIdentity, reason } },
});

function pendingWorkflowTask(state: MutableState): PendingWorkflowTaskInfo | undefined {
  const task = state.core.workflowTask;
  if (task === undefined || !isRunning(state)) return undefined;
  return make(PendingWorkflowTaskInfo, {
    state: hasStartedWorkflowTask(state) ? PendingWorkflowTaskState.STARTED : PendingWorkflowTaskState.SCHEDULED,
    scheduledTime: date(task.scheduledTime),
    originalScheduledTime: date(task.originalScheduledTime),
    startedTime: date(task.startedTime),
    attempt: task.attempt,
  });
}

const date = (at: number): Date | undefined => (at > 0 ? new Date(at) : undefined);
