import type { Duration } from "../../protocol/generated/google/protobuf/duration.ts";
import type { Link, RetryPolicy, WorkflowExecution, WorkflowType } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { TaskQueueKind } from "../../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import type { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";

// What several RPCs demand of a request's form. Each function refuses with the text of Temporal's frontend, or answers null.

export const idLengthMax = 1000;
export const linksMax = 10;
const reservedTaskQueuePrefix = "/_sys/";
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** An id or name that may be empty. `field` is spelled as the protocol spells it in its messages. */
export const bounded = (field: string, value: string): Refusal | null =>
  value.length > idLengthMax ? invalidArgument(`${field} length exceeds limit.`) : null;

/** An id or name that must be there. */
export const required = (field: string, value: string): Refusal | null =>
  value === "" ? invalidArgument(`${field} is not set on request.`) : bounded(field, value);

export const requiredNamespace = (namespace: string): Refusal | null => required("Namespace", namespace);

export const requiredToken = (taskToken: Uint8Array): Refusal | null =>
  taskToken.length === 0 ? invalidArgument("Task token not set on request.") : null;

/** Empty, which means the current run, or a UUID. */
export const validRunId = (runId: string): Refusal | null => (runId === "" || uuid.test(runId) ? null : invalidArgument("Invalid RunId."));

export const requiredExecution = (execution: WorkflowExecution | undefined): Refusal | null =>
  execution === undefined
    ? invalidArgument("Execution is not set on request.")
    : (required("WorkflowId", execution.workflowId) ?? validRunId(execution.runId));

export const requiredWorkflowType = (type: WorkflowType | undefined): Refusal | null => required("WorkflowType", type?.name ?? "");

export function requiredTaskQueue(taskQueue: TaskQueue | undefined): Refusal | null {
  if (taskQueue === undefined) return invalidArgument("taskQueue is not set");
  if (taskQueue.name === "") return invalidArgument("missing task queue name");
  return validTaskQueueName(taskQueue.name) ?? (taskQueue.kind === TaskQueueKind.STICKY ? validTaskQueueName(taskQueue.normalName) : null);
}

export function validTaskQueueName(name: string): Refusal | null {
  if (name.length > idLengthMax) return invalidArgument("taskQueue length exceeds limit");
  if (name.startsWith(reservedTaskQueuePrefix))
    return invalidArgument(`task queue name cannot start with reserved prefix ${reservedTaskQueuePrefix}`);
  return null;
}

/** What every request about an activity by its id has to name; an empty run id is the current run. */
export const validActivityById = (request: {
  readonly namespace: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
  readonly identity: string;
}): Refusal | null =>
  requiredNamespace(request.namespace) ??
  bounded("WorkflowId", request.workflowId) ??
  validRunId(request.runId) ??
  required("ActivityId", request.activityId) ??
  bounded("Identity", request.identity);

/** Absent, zero or positive. `field` is the protocol's older name of it, as in `WorkflowRunTimeoutSeconds`. */
export const validDuration = (field: string, duration: Duration | undefined): Refusal | null =>
  negative(duration) ? invalidArgument(`An invalid ${field} is set on request.`) : null;

export const validLinks = (links: readonly Link[]): Refusal | null =>
  links.length > linksMax ? invalidArgument(`cannot attach more than ${linksMax} links per request, got ${links.length}`) : null;

/** Zero stands for the default in every field. Source: common/retrypolicy of the Temporal server. */
export function validRetryPolicy(policy: RetryPolicy | undefined): Refusal | null {
  if (policy === undefined || policy.maximumAttempts === 1) return null;
  if (negative(policy.initialInterval)) return invalidArgument("InitialInterval cannot be negative on retry policy.");
  if (policy.backoffCoefficient !== 0 && policy.backoffCoefficient < 1)
    return invalidArgument("BackoffCoefficient cannot be less than 1 on retry policy.");
  if (negative(policy.maximumInterval)) return invalidArgument("MaximumInterval cannot be negative on retry policy.");
  if (positive(policy.maximumInterval) && compare(policy.maximumInterval, policy.initialInterval) < 0)
    return invalidArgument("MaximumInterval cannot be less than InitialInterval on retry policy.");
  if (policy.maximumAttempts < 0) return invalidArgument("MaximumAttempts cannot be negative on retry policy.");
  return null;
}

const negative = (duration: Duration | undefined): boolean => duration !== undefined && (duration.seconds < 0 || duration.nanos < 0);
const positive = (duration: Duration | undefined): boolean => duration !== undefined && (duration.seconds > 0 || duration.nanos > 0);
const compare = (a: Duration | undefined, b: Duration | undefined): number =>
  (a?.seconds ?? 0) - (b?.seconds ?? 0) || (a?.nanos ?? 0) - (b?.nanos ?? 0);
