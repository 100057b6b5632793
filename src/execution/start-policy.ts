import { assertNever } from "../base/assert.ts";
import {
  WorkflowExecutionStatus,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { invalidArgument, type Refusal } from "../protocol/refusal.ts";
import { isRunning, type MutableState } from "./execution.ts";

export type IdPolicies = { readonly reuse: WorkflowIdReusePolicy; readonly conflict: WorkflowIdConflictPolicy };

/** What happens to a start when its workflow id has been used before. */
export type StartVerdict =
  | { readonly verdict: "start" }
  | { readonly verdict: "terminate-and-start" }
  /** The running execution is the answer. */
  | { readonly verdict: "use-existing" }
  /** This very request has been answered before. */
  | { readonly verdict: "repeated" }
  | { readonly verdict: "refuse"; readonly refusal: Refusal };

/** Which combinations make no sense. Source: StartWorkflowExecutionRequest. */
export function idPoliciesProblem({ reuse, conflict }: IdPolicies): Refusal | null {
  if (reuse === WorkflowIdReusePolicy.TERMINATE_IF_RUNNING && conflict !== WorkflowIdConflictPolicy.UNSPECIFIED) {
    return invalidArgument(
      "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a WorkflowIDConflictPolicy.",
    );
  }
  if (reuse === WorkflowIdReusePolicy.REJECT_DUPLICATE && conflict === WorkflowIdConflictPolicy.TERMINATE_EXISTING) {
    return invalidArgument(
      "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING",
    );
  }
  return null;
}

/** Applies the id policies to the latest run of the workflow id, null if there is none. */
export function decideStart(latest: MutableState | null, { reuse, conflict }: IdPolicies, requestId: string): StartVerdict {
  if (latest === null) return { verdict: "start" };
  if (requestId !== "" && (latest.core.startRequestId === requestId || latest.requestIds.has(requestId))) return { verdict: "repeated" };
  return isRunning(latest) ? whileRunning(latest, reuse, conflict) : afterClose(latest, reuse);
}

function whileRunning(latest: MutableState, reuse: WorkflowIdReusePolicy, conflict: WorkflowIdConflictPolicy): StartVerdict {
  if (reuse === WorkflowIdReusePolicy.TERMINATE_IF_RUNNING) return { verdict: "terminate-and-start" };
  switch (conflict) {
    case WorkflowIdConflictPolicy.USE_EXISTING:
      return { verdict: "use-existing" };
    case WorkflowIdConflictPolicy.TERMINATE_EXISTING:
      return { verdict: "terminate-and-start" };
    case WorkflowIdConflictPolicy.UNSPECIFIED:
    case WorkflowIdConflictPolicy.FAIL:
    case WorkflowIdConflictPolicy.UNRECOGNIZED:
      return refuse(latest, `Workflow execution is already running. ${ids(latest)}.`);
    default:
      return assertNever(conflict);
  }
}

function afterClose(latest: MutableState, reuse: WorkflowIdReusePolicy): StartVerdict {
  if (reuse === WorkflowIdReusePolicy.REJECT_DUPLICATE) {
    return refuse(latest, `Workflow execution already finished. ${ids(latest)}. Workflow Id reuse policy: reject duplicate workflow Id.`);
  }
  if (reuse === WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY && latest.core.status === WorkflowExecutionStatus.COMPLETED) {
    return refuse(
      latest,
      `Workflow execution already finished successfully. ${ids(latest)}. Workflow Id reuse policy: allow duplicate workflow Id if last run failed.`,
    );
  }
  return { verdict: "start" };
}

const ids = ({ key }: MutableState): string => `WorkflowId: ${key.workflowId}, RunId: ${key.runId}`;

const refuse = ({ key, core, started }: MutableState, message: string): StartVerdict => ({
  verdict: "refuse",
  refusal: {
    kind: "workflow-already-started",
    message,
    startRequestId: core.startRequestId,
    runId: key.runId,
    firstExecutionRunId: started.firstExecutionRunId,
  },
});
