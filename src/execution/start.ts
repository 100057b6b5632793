import { err, ok, type Result } from "../base/result.ts";
import { type DurationMs, fromProtoTime, toProtoTime } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import {
  Memo as MemoCodec,
  type SearchAttributes,
  SearchAttributes as SearchAttributesCodec,
} from "../protocol/generated/temporal/api/common/v1/message.ts";
import { TaskQueueKind } from "../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { ContinueAsNewInitiator } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { WorkflowExecutionStartedEventAttributes } from "../protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import type { StartWorkflowExecutionRequest } from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { invalidArgument, type Refusal } from "../protocol/refusal.ts";
import { payloadsBytes } from "./activity.ts";
import { nextCronTime } from "./cron.ts";
import { type Context, type Draft, emptyState, openDraft, type RunKey } from "./execution.ts";
import { appendEvent, type EventMetadata } from "./history.ts";
import { durationMax, workflowTaskTimeoutDefault, workflowTaskTimeoutMax } from "./limits.ts";
import { retryPolicyProblem, withRetryDefaults } from "./retry.ts";
import { validateSearchAttributes, withTypes } from "./search-attributes.ts";
import { executionExpiresAt } from "./start-gate.ts";

/** What a client, a parent or the former run of a chain asks a new run to be. */
export type StartOptions = Pick<
  StartWorkflowExecutionRequest,
  | "workflowType"
  | "taskQueue"
  | "input"
  | "workflowExecutionTimeout"
  | "workflowRunTimeout"
  | "workflowTaskTimeout"
  | "identity"
  | "retryPolicy"
  | "cronSchedule"
  | "memo"
  | "searchAttributes"
  | "header"
  | "priority"
> &
  Partial<Pick<StartWorkflowExecutionRequest, "workflowStartDelay" | "continuedFailure" | "lastCompletionResult">>;

/** Checks what only the server can know, and returns the attributes of event 1 of the first run of a chain. */
export function startedAttributes(
  key: RunKey,
  options: StartOptions,
  context: Context,
): Result<WorkflowExecutionStartedEventAttributes, Refusal> {
  const { now, limits, searchAttributeTypes } = context;
  const problem =
    retryPolicyProblem(options.retryPolicy) ??
    (options.searchAttributes === undefined ? null : validateSearchAttributes(options.searchAttributes, searchAttributeTypes)) ??
    (payloadsBytes(options.input) > limits.blobSizeError ? "Blob data size exceeds limit." : null) ??
    (options.memo !== undefined && MemoCodec.encode(options.memo).finish().length > limits.memoSizeError
      ? "Memo size exceeds limit."
      : null);
  if (problem !== null) return err(invalidArgument(problem));

  let backoff = fromProtoTime(options.workflowStartDelay);
  if (options.cronSchedule !== "") {
    if (backoff > 0) return err(invalidArgument("CronSchedule and WorkflowStartDelay may not be used together."));
    const next = nextCronTime(options.cronSchedule, now);
    if (!next.ok) return err(invalidArgument(`Invalid CronSchedule: ${next.error}`));
    if (next.value === null) return err(invalidArgument("Invalid CronSchedule: it never comes due"));
    backoff = next.value - now;
  }
  const executionTimeout = Math.min(fromProtoTime(options.workflowExecutionTimeout), durationMax);
  return ok(
    make(WorkflowExecutionStartedEventAttributes, {
      workflowType: options.workflowType,
      taskQueue: make(TaskQueue, { name: options.taskQueue?.name ?? "", kind: TaskQueueKind.NORMAL }),
      input: options.input,
      ...timeouts(executionTimeout, fromProtoTime(options.workflowRunTimeout), fromProtoTime(options.workflowTaskTimeout)),
      continuedFailure: options.continuedFailure,
      lastCompletionResult: options.lastCompletionResult,
      originalExecutionRunId: key.runId,
      firstExecutionRunId: key.runId,
      identity: options.identity,
      retryPolicy: options.retryPolicy === undefined ? undefined : withRetryDefaults(options.retryPolicy),
      attempt: 1,
      workflowExecutionExpirationTime: executionTimeout > 0 ? new Date(now + backoff + executionTimeout) : undefined,
      cronSchedule: options.cronSchedule,
      firstWorkflowTaskBackoff: toProtoTime(backoff),
      initiator: options.cronSchedule === "" ? ContinueAsNewInitiator.UNSPECIFIED : ContinueAsNewInitiator.CRON_SCHEDULE,
      memo: options.memo,
      searchAttributes: typed(options.searchAttributes, context),
      header: options.header,
      workflowId: key.workflowId,
      priority: options.priority,
    }),
  );
}

const typed = (attributes: SearchAttributes | undefined, { searchAttributeTypes }: Context): SearchAttributes | undefined =>
  attributes === undefined ? undefined : withTypes(attributes, searchAttributeTypes);

function timeouts(execution: DurationMs, run: DurationMs, task: DurationMs) {
  const runMax = execution > 0 ? execution : durationMax;
  return {
    workflowExecutionTimeout: toProtoTime(execution),
    // 0 is "no limit", unless the whole execution has one.
    workflowRunTimeout: toProtoTime(run > 0 ? Math.min(run, runMax) : execution),
    workflowTaskTimeout: toProtoTime(task > 0 ? Math.min(task, workflowTaskTimeoutMax) : workflowTaskTimeoutDefault),
  };
}

/** What comes with the first event of a run. */
export type StartMetadata = EventMetadata & { readonly requestId?: string };

/** Opens a run with its first event. Its first workflow task is the caller's to schedule, after what else comes first (a signal). */
export function startRun(
  key: RunKey,
  started: WorkflowExecutionStartedEventAttributes,
  context: Context,
  metadata: StartMetadata = {},
): Draft {
  const draft = openDraft(emptyState(key), context);
  beginRun(draft, started, metadata);
  return draft;
}

/** Writes the first event of a run. */
export function beginRun(draft: Draft, started: WorkflowExecutionStartedEventAttributes, metadata: StartMetadata): void {
  const { requestId = "", ...eventMetadata } = metadata;
  const { workflowId, runId } = draft.key;
  appendEvent(
    draft,
    {
      $case: "workflowExecutionStartedEventAttributes",
      value: { ...started, rootWorkflowExecution: started.rootWorkflowExecution ?? { workflowId, runId } },
    },
    eventMetadata,
  );
  draft.core.startRequestId = requestId;
}

/** What the next run of a chain takes over, and what is its own. */
export type Continuation = {
  readonly initiator: ContinueAsNewInitiator;
  readonly backoff: DurationMs;
  readonly attempt: number;
  readonly continuedFailure: WorkflowExecutionStartedEventAttributes["continuedFailure"];
  readonly lastCompletionResult: WorkflowExecutionStartedEventAttributes["lastCompletionResult"];
  /** What continue-as-new changes. */
  readonly changes?: Partial<WorkflowExecutionStartedEventAttributes>;
};

/** The attributes of event 1 of the run that follows `draft` in its chain. */
export function continuedAttributes(draft: Draft, runId: string, continuation: Continuation): WorkflowExecutionStartedEventAttributes {
  const { started, core } = draft;
  const expiresAt = executionExpiresAt(core);
  return {
    ...started,
    workflowExecutionExpirationTime: expiresAt > 0 ? new Date(expiresAt) : undefined,
    memo: core.memo ?? make(MemoCodec),
    searchAttributes: core.searchAttributes ?? make(SearchAttributesCodec),
    ...continuation.changes,
    continuedExecutionRunId: draft.key.runId,
    originalExecutionRunId: runId,
    initiator: continuation.initiator,
    attempt: continuation.attempt,
    firstWorkflowTaskBackoff: toProtoTime(continuation.backoff),
    continuedFailure: continuation.continuedFailure,
    lastCompletionResult: continuation.lastCompletionResult,
    eagerExecutionAccepted: false,
  };
}
