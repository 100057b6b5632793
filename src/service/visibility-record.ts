import { toProtoTime } from "../base/time.ts";
import { type Context, isRunning, type MutableState } from "../execution/execution.ts";
import { decodeSearchAttributes } from "../execution/search-attributes.ts";
import { encode, make } from "../protocol/codec.ts";
import { WorkflowExecutionInfo } from "../protocol/generated/temporal/api/workflow/v1/message.ts";
import type { VisibilityRecord } from "../store/store.ts";

/** What lists and counts show of a run. Written when it starts, closes, or changes its search attributes or memo. */
export function visibilityRecord(state: MutableState, context: Context): VisibilityRecord {
  const { core, started } = state;
  const closed = !isRunning(state);
  const root = started.rootWorkflowExecution ?? state.key;
  const attributes = decodeSearchAttributes(core.searchAttributes ?? { indexedFields: {} }, context.searchAttributeTypes);
  return {
    workflowType: started.workflowType?.name ?? "",
    taskQueue: started.taskQueue?.name ?? "",
    status: core.status,
    startTime: core.startTime,
    executionTime: core.executionTime,
    closeTime: closed ? core.closeTime : null,
    historyLength: closed ? core.nextEventId - 1 : null,
    historySizeBytes: closed ? core.historyBytes : null,
    stateTransitionCount: closed ? core.stateTransitionCount : null,
    executionDurationNs: closed ? (core.closeTime - core.executionTime) * 1e6 : null,
    parentWorkflowId: started.parentWorkflowExecution?.workflowId ?? null,
    parentRunId: started.parentWorkflowExecution?.runId ?? null,
    rootWorkflowId: root.workflowId,
    rootRunId: root.runId,
    // Attributes were checked when they were written; one that has since been removed from the registry is not searchable.
    attributes: attributes.ok ? attributes.value : {},
    info: encode(WorkflowExecutionInfo, executionInfo(state)),
  };
}

/** What describe and lists tell of a run. Source: temporal.api.workflow.v1.WorkflowExecutionInfo. */
export function executionInfo(state: MutableState): WorkflowExecutionInfo {
  const { key, core, started } = state;
  const closed = !isRunning(state);
  const { workflowId, runId } = key;
  return make(WorkflowExecutionInfo, {
    execution: { workflowId, runId },
    type: started.workflowType,
    startTime: new Date(core.startTime),
    closeTime: closed ? new Date(core.closeTime) : undefined,
    status: core.status,
    historyLength: core.nextEventId - 1,
    parentNamespaceId: started.parentWorkflowNamespaceId,
    parentExecution: started.parentWorkflowExecution,
    executionTime: new Date(core.executionTime),
    memo: core.memo,
    searchAttributes: core.searchAttributes,
    taskQueue: started.taskQueue?.name ?? "",
    stateTransitionCount: core.stateTransitionCount,
    historySizeBytes: core.historyBytes,
    mostRecentWorkerVersionStamp: core.mostRecentWorkerVersionStamp,
    executionDuration: closed ? toProtoTime(core.closeTime - core.executionTime) : undefined,
    rootExecution: started.rootWorkflowExecution ?? { workflowId, runId },
    firstRunId: started.firstExecutionRunId,
    priority: started.priority,
  });
}
