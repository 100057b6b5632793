import { err, type Result } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import type { DagQuery } from "../../dag/projection/query.ts";
import { make } from "../../protocol/codec.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import { WorkflowTaskFailedCause } from "../../protocol/generated/temporal/api/enums/v1/failed_cause.ts";
import { QueryResultType } from "../../protocol/generated/temporal/api/enums/v1/query.ts";
import { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { type WorkflowQuery, WorkflowQueryResult } from "../../protocol/generated/temporal/api/query/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollWorkflowTaskQueueRequest,
  type PollWorkflowTaskQueueResponse,
  RespondQueryTaskCompletedRequest,
  RespondWorkflowTaskCompletedRequest,
  RespondWorkflowTaskFailedRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { RunKey } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Services } from "../services.ts";
import { answerUntilHeard, createServerWorker, here, type ServerWorker, serverIdentity } from "./server-worker.ts";

export type WorkflowRequests = Pick<
  Services,
  "pollWorkflowTaskQueue" | "respondWorkflowTaskCompleted" | "respondWorkflowTaskFailed" | "respondQueryTaskCompleted"
>;

/** `again` asks for another workflow task at once, since what is done here decides on what comes next. */
export type Decided = { readonly commands: readonly Command[]; readonly again?: boolean };

const concurrencyMax = 64;

type Task = PollWorkflowTaskQueueResponse & { readonly namespace: string; readonly namespaceId: string };

/**
 * A worker inside of the server for the workflow tasks of one of its own task queues: takes them as any worker does, and answers with the
 * commands that `decide` gives. When that throws, the task fails and comes again, after a pause. Queries are answered by `answerQuery`.
 */
export function createWorkflowTaskWorker(deps: {
  readonly taskQueue: string;
  /** What an execution is called: "run" or "job". */
  readonly noun: string;
  readonly decide: (key: RunKey, task: PollWorkflowTaskQueueResponse) => Promise<Decided>;
  /** Of the execution up to an event, or to the last one. A refusal is a sentence for whoever asked. */
  readonly answerQuery: (key: RunKey, query: DagQuery, toEventId: number) => Promise<Result<Json, string>>;
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly requests: WorkflowRequests;
  readonly log: Log;
}): ServerWorker {
  const { taskQueue, noun, decide, answerQuery, matching, namespaces, requests, log } = deps;
  const answer = answerUntilHeard(log, `the task of a ${noun}`);

  async function handle(task: Task): Promise<void> {
    const { taskToken, namespace, namespaceId, workflowExecution, startedEventId, query, queries } = task;
    const { workflowId = "", runId = "" } = workflowExecution ?? {};
    const key = { namespaceId, workflowId, runId };
    if (query !== undefined) {
      const { resultType, answer: queryResult, errorMessage } = await answered(key, query, Number.MAX_SAFE_INTEGER);
      const response = { taskToken, namespace, completedType: resultType, queryResult, errorMessage };
      return answer(() => requests.respondQueryTaskCompleted(make(RespondQueryTaskCompletedRequest, response), here()));
    }
    const by = { taskToken, namespace, identity: serverIdentity };
    let decided: Decided;
    try {
      decided = await decide(key, task);
    } catch (error) {
      // A bug, or a store that cannot be read.
      log.error(`a ${noun} cannot be decided`, { workflowId, runId }, error);
      const failure = make(Failure, { message: `the server cannot decide the ${noun}, its log says why`, source: "Server" });
      const cause = WorkflowTaskFailedCause.WORKFLOW_WORKER_UNHANDLED_FAILURE;
      const failed = make(RespondWorkflowTaskFailedRequest, { ...by, cause, failure });
      return answer(() => requests.respondWorkflowTaskFailed(failed, here()));
    }
    const { commands, again: forceCreateNewWorkflowTask = false } = decided;
    const queryResults: { [id: string]: WorkflowQueryResult } = {};
    for (const [id, asked] of Object.entries(queries)) queryResults[id] = await answered(key, asked, startedEventId);
    const completion = { ...by, commands: [...commands], queryResults, forceCreateNewWorkflowTask };
    const completed = make(RespondWorkflowTaskCompletedRequest, completion);
    return answer(async () => {
      const accepted = await requests.respondWorkflowTaskCompleted(completed, here());
      if (!accepted.ok) log.info("a workflow task was refused", { workflowId, runId, why: accepted.error.kind });
      return accepted;
    });
  }

  async function answered(key: RunKey, { queryType, queryArgs }: WorkflowQuery, toEventId: number): Promise<WorkflowQueryResult> {
    const args = (queryArgs?.payloads ?? []).map((payload) => fromPayloads({ payloads: [payload] }));
    const result = await answerQuery(key, { name: queryType, args }, toEventId).catch((error: unknown) => {
      log.error(`a query of a ${noun} cannot be answered`, { workflowId: key.workflowId, runId: key.runId }, error);
      return err(`the server cannot answer for the ${noun}, its log says why`);
    });
    return result.ok
      ? make(WorkflowQueryResult, { resultType: QueryResultType.ANSWERED, answer: { payloads: [toPayload(result.value)] } })
      : make(WorkflowQueryResult, { resultType: QueryResultType.FAILED, errorMessage: result.error });
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
