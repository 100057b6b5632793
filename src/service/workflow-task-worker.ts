import { make } from "../protocol/codec.ts";
import type { Command } from "../protocol/generated/temporal/api/command/v1/message.ts";
import { WorkflowTaskFailedCause } from "../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { QueryResultType } from "../protocol/generated/temporal/api/enums/v1/query.ts";
import { Failure } from "../protocol/generated/temporal/api/failure/v1/message.ts";
import { WorkflowQueryResult } from "../protocol/generated/temporal/api/query/v1/message.ts";
import { TaskQueue } from "../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollWorkflowTaskQueueRequest,
  type PollWorkflowTaskQueueResponse,
  RespondQueryTaskCompletedRequest,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskFailedRequest,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { RunKey } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Matching } from "./matching.ts";
import type { Namespaces } from "./namespaces.ts";
import { answerUntilHeard, createServerWorker, here, type ServerWorker, serverIdentity } from "./server-worker.ts";
import type { Services } from "./services.ts";

export type WorkflowRequests = Pick<
  Services,
  "pollWorkflowTaskQueue" | "respondWorkflowTaskCompleted" | "respondWorkflowTaskFailed" | "respondQueryTaskCompleted"
>;

const concurrencyMax = 64;

type Task = PollWorkflowTaskQueueResponse & { readonly namespace: string; readonly namespaceId: string };

/**
 * A worker inside of the server for the workflow tasks of one of its own task queues: takes them as any worker does, and answers with the
 * commands that `decide` gives. When that throws, the task fails and comes again, after a pause. Queries are refused in the words given.
 */
export function createWorkflowTaskWorker(deps: {
  readonly taskQueue: string;
  /** What an execution is called: "run" or "job". */
  readonly noun: string;
  readonly noQueries: string;
  readonly decide: (key: RunKey, task: PollWorkflowTaskQueueResponse) => Promise<readonly Command[]>;
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly requests: WorkflowRequests;
  readonly log: Log;
}): ServerWorker {
  const { taskQueue, noun, noQueries, decide, matching, namespaces, requests, log } = deps;
  const answer = answerUntilHeard(log, `the task of a ${noun}`);

  async function handle(task: Task): Promise<void> {
    const { taskToken, namespace, namespaceId, workflowExecution, query, queries } = task;
    if (query !== undefined) {
      const refused = { taskToken, namespace, completedType: QueryResultType.FAILED, errorMessage: noQueries };
      return answer(() => requests.respondQueryTaskCompleted(make(RespondQueryTaskCompletedRequest, refused), here()));
    }
    const { workflowId = "", runId = "" } = workflowExecution ?? {};
    const answered = { taskToken, namespace, identity: serverIdentity };
    let commands: readonly Command[];
    try {
      commands = await decide({ namespaceId, workflowId, runId }, task);
    } catch (error) {
      // A bug, or a store that cannot be read.
      log.error(`a ${noun} cannot be decided`, { workflowId, runId }, error);
      const failure = make(Failure, { message: `the server cannot decide the ${noun}, its log says why`, source: "Server" });
      const cause = WorkflowTaskFailedCause.WORKFLOW_WORKER_UNHANDLED_FAILURE;
      const failed = make(RespondWorkflowTaskFailedRequest, { ...answered, cause, failure });
      return answer(() => requests.respondWorkflowTaskFailed(failed, here()));
    }
    const refusedQuery = make(WorkflowQueryResult, { resultType: QueryResultType.FAILED, errorMessage: noQueries });
    const queryResults = Object.fromEntries(Object.keys(queries).map((id) => [id, refusedQuery]));
    const completed = make(RespondWorkflowTaskCompletedRequest, { ...answered, commands: [...commands], queryResults });
    return answer(async () => {
      const accepted = await requests.respondWorkflowTaskCompleted(completed, here());
      if (!accepted.ok) log.info("a workflow task was refused", { workflowId, runId, why: accepted.error.kind });
      return accepted;
    });
  }

  return createServerWorker<Task>({
    matching,
    queue: { taskQueue, type: "workflow" },
    concurrencyMax,
    log,
    take: async ({ namespaceId }) => {
      const namespace = namespaces.byId(namespaceId)?.name ?? "";
      const poll = { namespace, taskQueue: make(TaskQueue, { name: taskQueue }), identity: serverIdentity };
      const polled = await requests.pollWorkflowTaskQueue(make(PollWorkflowTaskQueueRequest, poll), here());
      // A namespace that was deleted meanwhile has no work.
      return polled.ok && polled.value.response.taskToken.length > 0 ? { ...polled.value.response, namespace, namespaceId } : null;
    },
    handle,
  });
}
