import { setTimeout as delay } from "node:timers/promises";
import type { Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { QueryResultType } from "../../protocol/generated/temporal/api/enums/v1/query.ts";
import { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { WorkflowQueryResult } from "../../protocol/generated/temporal/api/query/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollWorkflowTaskQueueRequest,
  type PollWorkflowTaskQueueResponse,
  RespondQueryTaskCompletedRequest,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskFailedRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { jobTaskQueue } from "../built-in/server-task-queue.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import { createServerWorker, type ServerWorker } from "../server-worker.ts";
import type { Caller, Services } from "../services.ts";
import { decideJob } from "./job-decider.ts";
import { jobHistory, readEvents } from "./job-history.ts";

const concurrencyMax = 64;
const answersMax = 5;
const answerAgainAfterMs: DurationMs = secondMs;
const identity = "holdfast-server";

type WorkflowRequests = Pick<
  Services,
  "pollWorkflowTaskQueue" | "respondWorkflowTaskCompleted" | "respondWorkflowTaskFailed" | "respondQueryTaskCompleted"
>;

/** The worker that decides jobs. It keeps nothing: the history of a job is a dozen events, read anew for each of its two or three tasks. */
export function createJobWorker(deps: {
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly requests: WorkflowRequests;
  readonly store: Pick<Store, "readHistory">;
  readonly log: Log;
}): ServerWorker {
  const { matching, namespaces, requests, store, log } = deps;

  /** Answers until the server has heard it. What is refused comes again as another task, with more history. */
  async function answer(respond: () => Promise<Result<unknown, Refusal>>): Promise<void> {
    for (let time = 1; time <= answersMax; time++) {
      const answered = await respond().catch((error: unknown) => {
        log.warn("cannot answer the task of a job, trying again", {}, error);
        return null;
      });
      if (answered !== null && (answered.ok || answered.error.kind !== "unavailable")) return;
      await delay(answerAgainAfterMs, undefined, { ref: false });
    }
  }

  type Task = PollWorkflowTaskQueueResponse & { readonly namespace: string; readonly namespaceId: string };

  async function handle({ taskToken, namespace, namespaceId, workflowExecution, query, queries }: Task): Promise<void> {
    if (query !== undefined) {
      const refused = { taskToken, namespace, completedType: QueryResultType.FAILED, errorMessage: noQueries };
      return answer(() => requests.respondQueryTaskCompleted(make(RespondQueryTaskCompletedRequest, refused), here()));
    }
    const { workflowId = "", runId = "" } = workflowExecution ?? {};
    const answered = { taskToken, namespace, identity };
    try {
      const commands = decideJob(workflowId, jobHistory(await readEvents(store, { namespaceId, workflowId, runId })));
      const refusedQuery = make(WorkflowQueryResult, { resultType: QueryResultType.FAILED, errorMessage: noQueries });
      const queryResults = Object.fromEntries(Object.keys(queries).map((id) => [id, refusedQuery]));
      const completed = make(RespondWorkflowTaskCompletedRequest, { ...answered, commands: [...commands], queryResults });
      return await answer(() => requests.respondWorkflowTaskCompleted(completed, here()));
    } catch (error) {
      // A bug, or a store that cannot be read: the task comes again, after a pause.
      log.error("a job cannot be decided", { workflowId, runId }, error);
      const failure = make(Failure, { message: "the server cannot decide the job, its log says why", source: "Server" });
      const cause = WorkflowTaskFailedCause.WORKFLOW_WORKER_UNHANDLED_FAILURE;
      const failed = make(RespondWorkflowTaskFailedRequest, { ...answered, cause, failure });
      return answer(() => requests.respondWorkflowTaskFailed(failed, here()));
    }
  }

  return createServerWorker<Task>({
    matching,
    queue: { taskQueue: jobTaskQueue, type: "workflow" },
    concurrencyMax,
    log,
    take: async ({ namespaceId }) => {
      const namespace = namespaces.byId(namespaceId)?.name ?? "";
      const poll = make(PollWorkflowTaskQueueRequest, { namespace, taskQueue: make(TaskQueue, { name: jobTaskQueue }), identity });
      const polled = await requests.pollWorkflowTaskQueue(poll, here());
      // A namespace that was deleted meanwhile has no work.
      return polled.ok && polled.value.response.taskToken.length > 0 ? { ...polled.value.response, namespace, namespaceId } : null;
    },
    handle,
  });
}

const noQueries = "jobs answer no queries: read them over the REST API";

/** Whoever calls from inside asks for what is there now. */
const here = (): Caller => ({ clientName: identity, clientVersion: "", deadline: Date.now(), signal: never });
const never = new AbortController().signal;
