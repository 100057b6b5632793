import { setTimeout as delay } from "node:timers/promises";
import type { Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import { decide } from "../../dag/decider/evolve.ts";
import { runStatus } from "../../dag/projection/run.ts";
import { make } from "../../protocol/codec.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
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
import type { RunKey } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import type { Clock } from "../clock.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import { createServerWorker, type ServerWorker } from "../server-worker.ts";
import type { Caller, Services } from "../services.ts";
import { commandOf, failRun, showStatus } from "./commands.ts";
import type { Definitions } from "./definitions.ts";
import type { FoldedRun, FoldedRuns, FoldRefusal } from "./folded-runs.ts";
import type { RouteTopic } from "./routes.ts";

const concurrencyMax = 64;
const answersMax = 5;
const answerAgainAfterMs: DurationMs = secondMs;
const identity = "holdfast-server";

export type WorkflowRequests = Pick<
  Services,
  "pollWorkflowTaskQueue" | "respondWorkflowTaskCompleted" | "respondWorkflowTaskFailed" | "respondQueryTaskCompleted"
>;

type Deps = {
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId" | "get">;
  readonly requests: WorkflowRequests;
  readonly definitions: Definitions;
  readonly folded: FoldedRuns;
  readonly routeTopic: RouteTopic;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
};

/**
 * The worker of declarative workflows: takes workflow tasks as any worker does, folds what is new in the history, and answers with what the
 * decider wants done. What it keeps in memory can be lost at any time.
 */
export function createDagWorker({ matching, namespaces, requests, definitions, folded, routeTopic, clock, log }: Deps): ServerWorker {
  /** Answers until the server has heard it. What is refused comes again as another task, with more history. */
  async function answer(respond: () => Promise<Result<unknown, Refusal>>): Promise<void> {
    for (let time = 1; time <= answersMax; time++) {
      const answered = await respond().catch((error: unknown) => {
        log.warn("cannot answer a workflow task, trying again", {}, error);
        return null;
      });
      if (answered !== null && (answered.ok || answered.error.kind !== "unavailable")) return;
      await delay(answerAgainAfterMs, undefined, { ref: false });
    }
  }

  async function commandsOf({ state, scheduledEventIdOf, shownStatus }: FoldedRun, key: RunKey): Promise<readonly Command[]> {
    const wanted = decide(state);
    const children = new Set(wanted.flatMap((effect) => (effect.type === "StartChild" ? [effect.workflowId] : [])));
    const versions = new Map<string, string>();
    for (const id of children) versions.set(id, (await definitions.current(key.namespaceId, id))?.key.sha256 ?? "");
    const scope = {
      now: clock.now(),
      runId: key.workflowId,
      routeTopic,
      scheduledEventIdOf,
      definitionOf: (id: string) => versions.get(id) ?? "",
    };
    const commands = wanted.map((effect) => commandOf(effect, scope)).filter((command) => command !== null);
    const closing = wanted.find(({ type }) => type === "CloseRun");
    const status = closing?.type === "CloseRun" ? closing.status : runStatus(state);
    // The status comes first: nothing follows what closes the run.
    return status === shownStatus ? commands : [showStatus(status), ...commands];
  }

  async function decided(key: RunKey, { startedEventId }: PollWorkflowTaskQueueResponse): Promise<readonly Command[]> {
    const run = await folded.at(key, startedEventId);
    return typeof run === "string" ? [failRun(refusals[run])] : commandsOf(run, key);
  }

  async function handle(task: PollWorkflowTaskQueueResponse & { readonly namespace: string }): Promise<void> {
    const { taskToken, namespace, workflowExecution, query, queries } = task;
    const { workflowId = "", runId = "" } = workflowExecution ?? {};
    if (query !== undefined) {
      const refused = { taskToken, namespace, completedType: QueryResultType.FAILED, errorMessage: noQueries };
      return answer(() => requests.respondQueryTaskCompleted(make(RespondQueryTaskCompletedRequest, refused), here()));
    }
    const found = namespaces.get(namespace);
    // Deleted meanwhile, with all that is in it.
    if (!found.ok) return;
    const key = { namespaceId: found.value.id, workflowId, runId };
    const answered = { taskToken, namespace, identity };
    let commands: readonly Command[];
    try {
      commands = await decided(key, task);
    } catch (error) {
      // A bug, or a store that cannot be read: the task comes again, after a pause.
      log.error("a run cannot be decided", { workflowId, runId }, error);
      folded.forget(key);
      const failure = make(Failure, { message: "the server cannot decide the run, its log says why", source: "Server" });
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

  return createServerWorker({
    matching,
    queue: { taskQueue: dagTaskQueue, type: "workflow" },
    concurrencyMax,
    log,
    take: async ({ namespaceId }) => {
      const namespace = namespaces.byId(namespaceId)?.name ?? "";
      const poll = make(PollWorkflowTaskQueueRequest, { namespace, taskQueue: make(TaskQueue, { name: dagTaskQueue }), identity });
      const polled = await requests.pollWorkflowTaskQueue(poll, here());
      // A namespace that was deleted meanwhile has no work.
      return polled.ok && polled.value.response.taskToken.length > 0 ? { ...polled.value.response, namespace } : null;
    },
    handle,
  });
}

const refusals: { readonly [R in FoldRefusal]: string } = {
  "no-history": "the run has no history",
  "not-a-run": "this task queue is for runs of declarative workflows: start them over the REST API",
  "no-definition": "there is no such workflow, or this server does not understand its definition",
};

const noQueries = "runs of declarative workflows answer no queries: read them over the REST API";

/** Whoever calls from inside asks for what is there now. */
const here = (): Caller => ({ clientName: identity, clientVersion: "", deadline: Date.now(), signal: never });
const never = new AbortController().signal;
