import { err, ok } from "../../base/result.ts";
import { fromProtoTime, toProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { Memo } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TaskQueueKind } from "../../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { ContinueAsNewInitiator } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { WorkflowExecutionContinuedAsNewEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { payloadsBytes } from "../activity.ts";
import { openAdmitted } from "../admitted-start.ts";
import { continueRunAsNew, minimalBackoff, type OpenSuccessor } from "../close.ts";
import { continueAsNewIntervalMin } from "../limits.ts";
import { retryPolicyProblem, withRetryDefaults } from "../retry.ts";
import { validateSearchAttributes, withTypes } from "../search-attributes.ts";
import { taskQueueProblem } from "../validation.ts";
import type { HandleCommand } from "./command.ts";

export const continueAsNewWorkflowExecution: HandleCommand<"continueAsNewWorkflowExecutionCommandAttributes"> = (
  draft,
  attributes,
  scope,
) => {
  const { started, context } = draft;
  const { limits, searchAttributeTypes } = context;
  const workflowType = attributes.workflowType?.name ? attributes.workflowType : started.workflowType;
  const taskQueueName = attributes.taskQueue?.name || (started.taskQueue?.name ?? "");
  const runTimeout = fromProtoTime(attributes.workflowRunTimeout);
  const taskTimeout = fromProtoTime(attributes.workflowTaskTimeout);
  const problem =
    taskQueueProblem(taskQueueName, limits) ??
    retryPolicyProblem(attributes.retryPolicy) ??
    (runTimeout < 0 || taskTimeout < 0 ? "A negative timeout is set on ContinueAsNewWorkflowExecutionCommand." : null) ??
    (attributes.searchAttributes === undefined ? null : validateSearchAttributes(attributes.searchAttributes, searchAttributeTypes));
  const cause = WorkflowTaskFailedCause.BAD_CONTINUE_AS_NEW_ATTRIBUTES;
  if (problem !== null) return err({ cause, message: problem });
  if (payloadsBytes(attributes.input) > limits.blobSizeError) {
    return err({ cause, message: "ContinueAsNewWorkflowExecutionCommandAttributes.Input exceeds size limit.", terminate: true });
  }
  if (attributes.memo !== undefined && Memo.encode(attributes.memo).finish().length > limits.memoSizeError) {
    return err({ cause, message: "ContinueAsNewWorkflowExecutionCommandAttributes.Memo exceeds size limit.", terminate: true });
  }

  const backoff = minimalBackoff(draft, fromProtoTime(attributes.backoffStartInterval), continueAsNewIntervalMin);
  const taskQueue = make(TaskQueue, { name: taskQueueName, kind: TaskQueueKind.NORMAL });
  const workflowRunTimeout = runTimeout > 0 ? toProtoTime(runTimeout) : started.workflowRunTimeout;
  const workflowTaskTimeout = taskTimeout > 0 ? toProtoTime(taskTimeout) : started.workflowTaskTimeout;
  const searchAttributes =
    attributes.searchAttributes === undefined ? undefined : withTypes(attributes.searchAttributes, searchAttributeTypes);
  const continued = {
    attributes: make(WorkflowExecutionContinuedAsNewEventAttributes, {
      workflowType,
      taskQueue,
      input: attributes.input,
      workflowRunTimeout,
      workflowTaskTimeout,
      workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
      backoffStartInterval: toProtoTime(backoff),
      initiator: ContinueAsNewInitiator.WORKFLOW,
      failure: attributes.failure,
      lastCompletionResult: attributes.lastCompletionResult,
      header: attributes.header,
      memo: attributes.memo,
      searchAttributes,
    }),
    continuation: {
      initiator: ContinueAsNewInitiator.WORKFLOW,
      backoff,
      attempt: 1,
      continuedFailure: attributes.failure,
      lastCompletionResult: attributes.lastCompletionResult,
      changes: {
        workflowType,
        taskQueue,
        input: attributes.input,
        header: attributes.header,
        workflowRunTimeout,
        workflowTaskTimeout,
        retryPolicy: attributes.retryPolicy === undefined ? undefined : withRetryDefaults(attributes.retryPolicy),
        cronSchedule: attributes.cronSchedule,
        memo: attributes.memo,
        searchAttributes,
      },
    },
  };
  // INVARIANT: what follows as another workflow, or elsewhere, is decided like any start of it.
  const isAnother = workflowType?.name !== started.workflowType?.name || taskQueueName !== started.taskQueue?.name;
  if (isAnother) continueRunAsNew(draft, continued, openAnother);
  else continueRunAsNew(draft, continued);
  return ok(undefined);
};

const openAnother: OpenSuccessor = ({ key, context, userMetadata, starter }, runId, started) =>
  openAdmitted({ ...key, runId }, started, context, { userMetadata, principal: starter });
