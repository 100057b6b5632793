import { err, ok } from "../../base/result.ts";
import { fromProtoTime, toProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { Memo } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { TaskQueueKind } from "../../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { ParentClosePolicy } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { StartChildWorkflowExecutionInitiatedEventAttributes } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { payloadsBytes } from "../activity.ts";
import { type Caps, markedHeader } from "../admission.ts";
import { validateCron } from "../cron.ts";
import { appendEvent } from "../history.ts";
import { admitOutgoing, applyClearance, wantedChild } from "../outgoing.ts";
import { retryPolicyProblem, withAttemptsCap } from "../retry.ts";
import { validateSearchAttributes, withTypes } from "../search-attributes.ts";
import { idProblem, taskQueueProblem } from "../validation.ts";
import type { HandleCommand } from "./command.ts";

export const startChildWorkflowExecution: HandleCommand<"startChildWorkflowExecutionCommandAttributes"> = (draft, attributes, scope) => {
  const { limits, namespaceName, searchAttributeTypes, namespaceIdOf } = draft.context;
  const namespace = attributes.namespace || namespaceName;
  const namespaceId = namespaceIdOf(namespace);
  const taskQueueName = attributes.taskQueue?.name || (draft.started.taskQueue?.name ?? "");
  const negative = [attributes.workflowExecutionTimeout, attributes.workflowRunTimeout, attributes.workflowTaskTimeout].some(
    (timeout) => fromProtoTime(timeout) < 0,
  );
  const problem =
    idProblem("WorkflowId", attributes.workflowId, limits) ??
    idProblem("WorkflowType", attributes.workflowType?.name ?? "", limits) ??
    taskQueueProblem(taskQueueName, limits) ??
    retryPolicyProblem(attributes.retryPolicy) ??
    (negative ? "A negative timeout is set on StartChildWorkflowExecutionCommand." : null) ??
    (attributes.cronSchedule === "" ? null : validateCron(attributes.cronSchedule)) ??
    (attributes.searchAttributes === undefined ? null : validateSearchAttributes(attributes.searchAttributes, searchAttributeTypes)) ??
    (namespaceId === undefined ? `Namespace ${namespace} is not found.` : null);
  const cause = WorkflowTaskFailedCause.BAD_START_CHILD_EXECUTION_ATTRIBUTES;
  if (problem !== null || namespaceId === undefined) return err({ cause, message: `${problem} WorkflowId=${attributes.workflowId}` });
  if (payloadsBytes(attributes.input) > limits.blobSizeError) {
    return err({ cause, message: "StartChildWorkflowExecutionCommandAttributes.Input exceeds size limit.", terminate: true });
  }
  if (attributes.memo !== undefined && Memo.encode(attributes.memo).finish().length > limits.memoSizeError) {
    return err({ cause, message: "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.", terminate: true });
  }
  if (draft.children.size >= limits.pendingChildren) {
    const message = `the number of pending child workflow executions, ${draft.children.size}, has reached the per-workflow limit of ${limits.pendingChildren}`;
    return err({ cause: WorkflowTaskFailedCause.PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED, message });
  }
  const taskQueue = make(TaskQueue, { name: taskQueueName, kind: TaskQueueKind.NORMAL });
  const admission = admitOutgoing(draft, wantedChild({ ...attributes, taskQueue }));
  const initiated = appendEvent(
    draft,
    {
      $case: "startChildWorkflowExecutionInitiatedEventAttributes",
      value: make(StartChildWorkflowExecutionInitiatedEventAttributes, {
        ...attributes,
        ...capped(attributes, "caps" in admission ? admission.caps : null),
        header: markedHeader(attributes.header, admission.marks),
        namespace,
        namespaceId,
        taskQueue,
        parentClosePolicy: attributes.parentClosePolicy || ParentClosePolicy.TERMINATE,
        searchAttributes:
          attributes.searchAttributes === undefined ? undefined : withTypes(attributes.searchAttributes, searchAttributeTypes),
        priority: attributes.priority ?? draft.started.priority,
        workflowTaskCompletedEventId: scope.workflowTaskCompletedEventId,
      }),
    },
    { ...scope.metadata, userMetadata: scope.metadata.userMetadata ?? admission.marks?.userMetadata },
  );
  const summarized = scope.metadata.userMetadata === undefined;
  if (applyClearance(draft, initiated.eventId, admission, { summarized })) draft.effects.push({ kind: "start-child", initiated });
  return ok(undefined);
};

type Limited = Pick<StartChildWorkflowExecutionInitiatedEventAttributes, "workflowRunTimeout" | "retryPolicy">;

/** How long each run of the child may take and how often it is tried, at most. */
function capped({ workflowRunTimeout, retryPolicy }: Limited, caps: Caps | null): Limited {
  const asked = fromProtoTime(workflowRunTimeout);
  return {
    workflowRunTimeout:
      caps === null || caps.startToClose === null
        ? workflowRunTimeout
        : toProtoTime(asked > 0 ? Math.min(asked, caps.startToClose) : caps.startToClose),
    retryPolicy: retryPolicy === undefined ? undefined : withAttemptsCap(retryPolicy, caps?.attempts ?? null),
  };
}
