import { decide } from "../../dag/decider/evolve.ts";
import { runStatus } from "../../dag/projection/run.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import type { PollWorkflowTaskQueueResponse } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { RunKey } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import type { Clock } from "../clock.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { ServerWorker } from "../server-worker.ts";
import { createWorkflowTaskWorker, type WorkflowRequests } from "../workflow-task-worker.ts";
import { commandOf, failRun, showStatus } from "./commands.ts";
import type { Definitions } from "./definitions.ts";
import type { FoldedRun, FoldedRuns, FoldRefusal } from "./folded-runs.ts";
import type { RouteTopic } from "./routes.ts";

type Deps = {
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
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
export function createDagWorker({ definitions, folded, routeTopic, clock, ...worker }: Deps): ServerWorker {
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

  return createWorkflowTaskWorker({
    taskQueue: dagTaskQueue,
    noun: "run",
    noQueries: "runs of declarative workflows answer no queries: read them over the REST API",
    decide: (key, task) =>
      decided(key, task).catch((error: unknown) => {
        folded.forget(key);
        throw error;
      }),
    ...worker,
  });
}

const refusals: { readonly [R in FoldRefusal]: string } = {
  "no-history": "the run has no history",
  "not-a-run": "this task queue is for runs of declarative workflows: start them over the REST API",
  "no-definition": "there is no such workflow, or this server does not understand its definition",
};
