import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import { payloadsBytes } from "../../execution/activity.ts";
import { isRunning, type MutableState } from "../../execution/execution.ts";
import { blobTooLarge } from "../../execution/signal.ts";
import { make } from "../../protocol/codec.ts";
import { TaskToken, TaskToken_Kind } from "../../protocol/generated/holdfast/state/v1/state.ts";
import { ResourceExhaustedCause, ResourceExhaustedScope } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { QueryRejectCondition, QueryResultType } from "../../protocol/generated/temporal/api/enums/v1/query.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { WorkflowQuery } from "../../protocol/generated/temporal/api/query/v1/message.ts";
import {
  PollWorkflowTaskQueueResponse,
  QueryWorkflowResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { failedPrecondition, notFound, type Refusal } from "../../protocol/refusal.ts";
import type { Engine } from "../engine.ts";
import { stickyAliveFor } from "../matching.ts";
import type { RunCell } from "../runs.ts";
import type { Caller, Services } from "../services.ts";
import { patienceFor } from "./await-run.ts";
import type { QueryAnswer } from "./direct-queries.ts";
import { firstHistoryPage } from "./history-pages.ts";
import { awaitWorkflowTask, pendingQueriesMax } from "./query-registry.ts";

/** How long a query waits for its answer when its caller sets no deadline. */
const queryPatience: DurationMs = 60 * secondMs;
/** A sticky worker has this long to answer before any worker is asked. */
const stickyPatience: DurationMs = 10 * secondMs;
/** A queue that nobody polled for this long has no worker. */
const pollerSeenWithin: DurationMs = 20 * secondMs;

const noPoller = failedPrecondition("no poller seen for task queue recently, worker may be down");
const timedOut: Refusal = { kind: "deadline-exceeded", message: "query timed out before a worker could process it" };

/**
 * Asks a workflow's code for an answer, without leaving a trace in its history. A query sees every fact that was recorded before it:
 * while such facts wait for a worker, the query travels with them; otherwise it is a task of its own. Closed runs answer too.
 */
export const queryWorkflow =
  (engine: Engine): Services["queryWorkflow"] =>
  async (request, caller) => {
    const { namespaces, runs, limits } = engine;
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const { workflowId = "", runId = "" } = request.execution ?? {};
    const { query } = request;
    if (query === undefined) return err({ kind: "invalid-argument", message: "WorkflowQuery is not set on request." });
    if (payloadsBytes(query.queryArgs) > limits.blobSizeError) return err(blobTooLarge);
    const until = Date.now() + patienceFor(caller, queryPatience);
    let execution = { namespaceId: namespace.value.id, workflowId, runId };
    while (Date.now() < until && !caller.signal.aborted) {
      const found = await runs.find(execution);
      if (!found.ok) return found;
      const cell = found.value;
      // Asked of the run that was current at the beginning, whatever becomes of its chain.
      execution = cell.key;
      await cell.settled;
      const { status } = cell.state.core;
      if (isRejected(request.queryRejectCondition, status)) return ok(make(QueryWorkflowResponse, { queryRejected: { status } }));
      const refusal = notReady(cell.state);
      if (refusal !== null) return err(refusal);
      const unpin = runs.pin(cell);
      const answer = await (travels(cell.state)
        ? withTask(engine, cell, query, until, caller)
        : direct(engine, cell, query, until, caller)
      ).finally(unpin);
      if (!answer.ok) return answer;
      if (answer.value === "again") continue;
      const { value } = answer;
      if (value.answered) return ok(make(QueryWorkflowResponse, { queryResult: value.result }));
      return err({ kind: "query-failed", message: value.message, failure: value.failure });
    }
    return err(timedOut);
  };

function isRejected(condition: QueryRejectCondition, status: WorkflowExecutionStatus): boolean {
  const running = status === WorkflowExecutionStatus.RUNNING;
  if (condition === QueryRejectCondition.NOT_OPEN) return !running;
  return condition === QueryRejectCondition.NOT_COMPLETED_CLEANLY && !running && status !== WorkflowExecutionStatus.COMPLETED;
}

function notReady(state: MutableState): Refusal | null {
  const neverRan = state.core.lastCompletedStartedEventId === 0;
  if (neverRan && !isRunning(state))
    return { kind: "workflow-not-ready", message: "workflow closed before its first workflow task completed" };
  if (isRunning(state) && state.core.workflowTaskAttempt >= 3)
    return failedPrecondition("Unable to query workflow due to Workflow Task in failed state.");
  return null;
}

/** Whether facts wait for a worker which the answer must reflect. */
const travels = (state: MutableState): boolean =>
  isRunning(state) && (state.core.workflowTask !== undefined || state.core.lastCompletedStartedEventId === 0);

type Outcome = Result<QueryAnswer | "again", Refusal>;

async function withTask(
  { queries, matching, newId }: Engine,
  cell: RunCell,
  query: WorkflowQuery,
  until: number,
  caller: Caller,
): Promise<Outcome> {
  const waiting = queries.get(cell.key.runId)?.size ?? 0;
  if (waiting >= pendingQueriesMax) {
    const message =
      "consistent query buffer is full, this may be caused by too many queries and workflow not able to process query fast enough";
    return err({
      kind: "resource-exhausted",
      message,
      cause: ResourceExhaustedCause.BUSY_WORKFLOW,
      scope: ResourceExhaustedScope.NAMESPACE,
    });
  }
  const { answer, cancel } = awaitWorkflowTask(queries, { cell, queryId: newId(), query });
  const normal = { namespaceId: cell.key.namespaceId, taskQueue: cell.state.started.taskQueue?.name ?? "", type: "workflow" } as const;
  const deserted = () => !matching.isPolled(normal, pollerSeenWithin);
  const result = await within(answer, { until, caller, deserted });
  if (!result.ok) {
    cancel();
    return result;
  }
  if (result.value === "again") return ok("again");
  const { resultType, answer: payloads, errorMessage, failure } = result.value;
  return ok(
    resultType === QueryResultType.ANSWERED ? { answered: true, result: payloads } : { answered: false, message: errorMessage, failure },
  );
}

/** Offers the query as a task of its own: first to the worker that has the run in its cache, then to any. */
async function direct(engine: Engine, cell: RunCell, query: WorkflowQuery, until: number, caller: Caller): Promise<Outcome> {
  const { matching } = engine;
  const { namespaceId } = cell.key;
  const { sticky } = cell.state.core;
  const normal = { namespaceId, taskQueue: cell.state.started.taskQueue?.name ?? "", type: "workflow" } as const;
  if (sticky !== undefined) {
    const queue = { namespaceId, taskQueue: sticky.name, type: "workflow" } as const;
    if (matching.isPolled(queue, stickyAliveFor)) {
      const tried = await offer(engine, cell, query, queue, {
        until: Math.min(until, Date.now() + stickyPatience),
        caller,
        deserted: () => !matching.isPolled(queue, stickyAliveFor),
      });
      if (tried.ok || (tried.error !== timedOut && tried.error !== noPoller) || Date.now() >= until) return tried;
    }
  }
  return offer(engine, cell, query, normal, { until, caller, deserted: () => !matching.isPolled(normal, pollerSeenWithin) });
}

type Wait = { readonly until: number; readonly caller: Caller; readonly deserted: () => boolean };

async function offer(
  { matching, directQueries, newId, store, tokens }: Engine,
  cell: RunCell,
  query: WorkflowQuery,
  queue: Parameters<Engine["matching"]["offer"]>[0],
  wait: Wait,
): Promise<Outcome> {
  const queryId = newId();
  const isSticky = queue.taskQueue === cell.state.core.sticky?.name;
  const answer = new Promise<QueryAnswer>((resolve) => directQueries.set(queryId, resolve));
  const takeBack = matching.offer(queue, {
    start: async () => (directQueries.has(queryId) ? async () => queryTask({ store, tokens }, cell, { queryId, query, isSticky }) : null),
  });
  const result = await within(answer, wait);
  takeBack();
  directQueries.delete(queryId);
  return result;
}

async function queryTask(
  { store, tokens }: Pick<Engine, "store" | "tokens">,
  cell: RunCell,
  task: { queryId: string; query: WorkflowQuery; isSticky: boolean },
) {
  const { key, state } = cell;
  const { workflowId, runId } = key;
  // A worker that has the run in its cache needs no history; any other needs all of it.
  const history = task.isSticky
    ? { bytes: new Uint8Array(0), nextPageToken: new Uint8Array(0) }
    : await firstHistoryPage(store, key, { fromEventId: 1, toEventId: state.core.nextEventId - 1, tail: [] });
  const response = make(PollWorkflowTaskQueueResponse, {
    taskToken: tokens.encode({ ...make(TaskToken), ...key, kind: TaskToken_Kind.QUERY, queryId: task.queryId }),
    workflowExecution: { workflowId, runId },
    workflowType: state.started.workflowType,
    previousStartedEventId: state.core.lastCompletedStartedEventId,
    attempt: 1,
    workflowExecutionTaskQueue: state.started.taskQueue,
    query: task.query,
    nextPageToken: history.nextPageToken,
  });
  return { response, history: history.bytes };
}

/** The answer, or why there will be none: the time is over, the caller is gone, or nobody polls. */
async function within<T>(answer: Promise<T>, { until, caller, deserted }: Wait): Promise<Result<T, Refusal>> {
  return new Promise((resolve) => {
    const startedAt = Date.now();
    const finish = (result: Result<T, Refusal>) => {
      clearTimeout(timer);
      clearInterval(watch);
      caller.signal.removeEventListener("abort", giveUp);
      resolve(result);
    };
    const giveUp = () => finish(err(timedOut));
    const timer = setTimeout(giveUp, Math.max(0, until - startedAt));
    const watch = setInterval(() => {
      if (deserted() && Date.now() - startedAt >= stickyAliveFor / 2) finish(err(noPoller));
    }, secondMs);
    caller.signal.addEventListener("abort", giveUp);
    answer.then((value) => finish(ok(value)));
  });
}

/** Takes in a worker's answer to a query that was a task of its own. Refused when nobody waits for it any more. */
export const respondQueryTaskCompleted =
  ({ directQueries, tokens }: Engine): Services["respondQueryTaskCompleted"] =>
  async (request) => {
    const token = tokens.decode(request.taskToken, TaskToken_Kind.QUERY);
    if (!token.ok) return token;
    const answer = directQueries.get(token.value.queryId);
    if (answer === undefined) return err(notFound("query not found: it timed out, or was answered already"));
    if (request.completedType === QueryResultType.ANSWERED) answer({ answered: true, result: request.queryResult });
    else answer({ answered: false, message: request.errorMessage, failure: request.failure });
    return ok({});
  };
