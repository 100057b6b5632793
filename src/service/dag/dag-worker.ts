import { err } from "../../base/result.ts";
import type { RunConfig } from "../../dag/decider/event.ts";
import { decide } from "../../dag/decider/evolve.ts";
import { answerQuery } from "../../dag/projection/query.ts";
import { runStatus } from "../../dag/projection/run.ts";
import type { Command } from "../../protocol/generated/temporal/api/command/v1/message.ts";
import type { PollWorkflowTaskQueueResponse } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { RunKey } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import type { Clock } from "../clock.ts";
import type { Configs } from "../configs/configs.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { ServerWorker } from "../workers/server-worker.ts";
import { createWorkflowTaskWorker, type Decided, type WorkflowRequests } from "../workers/workflow-task-worker.ts";
import { commandOf, failRun, showStatus } from "./commands.ts";
import { type Definition, type Definitions, ownerOf } from "./definitions.ts";
import type { FoldedRun, FoldedRuns, FoldRefusal } from "./folded-runs.ts";
import { queriedRun } from "./queried-run.ts";
import type { RouteTopic } from "./routes.ts";
import type { RunSlots } from "./run-slots.ts";

type Deps = {
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly requests: WorkflowRequests;
  readonly definitions: Definitions;
  readonly folded: FoldedRuns;
  readonly slots: Pick<RunSlots, "enter">;
  readonly configs: Pick<Configs, "pinned">;
  readonly routeTopic: RouteTopic;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
};

/**
 * The worker of declarative workflows: takes workflow tasks as any worker does, folds what is new in the history, and answers with what the
 * decider wants done. What it keeps in memory can be lost at any time.
 */
export function createDagWorker({ definitions, folded, slots, configs, routeTopic, clock, ...worker }: Deps): ServerWorker {
  async function commandsOf({ state, record, scheduledEventIdOf, shownStatus, cost }: FoldedRun, key: RunKey): Promise<readonly Command[]> {
    const wanted = decide(state);
    const children = new Set(wanted.flatMap((effect) => (effect.type === "StartChild" ? [effect.workflowId] : [])));
    const versions = new Map<string, Definition | null>();
    const configured = new Map<string, RunConfig | null>();
    for (const id of children) {
      const definition = await definitions.current(key.namespaceId, id);
      versions.set(id, definition);
      configured.set(id, definition === null ? null : await configs.pinned(key.namespaceId, ownerOf(definition), definition.spec));
    }
    const now = clock.now();
    const scope = {
      now,
      runId: key.workflowId,
      routeTopic,
      scheduledEventIdOf,
      definitionOf: (id: string) => versions.get(id) ?? null,
      configOf: (id: string) => configured.get(id) ?? null,
      cost,
      // One that was started by an earlier version of this server is a trace of its own.
      traceId: record.traceId || key.workflowId,
    };
    const commands = wanted.map((effect) => commandOf(effect, scope)).filter((command) => command !== null);
    const closing = wanted.find(({ type }) => type === "CloseRun");
    const status = closing?.type === "CloseRun" ? closing.status : runStatus(state);
    // The status comes first: nothing follows what closes the run.
    return status === shownStatus ? commands : [showStatus({ status, cost, now }), ...commands];
  }

  async function decided(key: RunKey, { startedEventId }: PollWorkflowTaskQueueResponse): Promise<Decided> {
    const run = await folded.at(key, startedEventId);
    if (typeof run === "string") return { commands: [failRun(refusals[run])] };
    if (!run.isQueued) return { commands: await commandsOf(run, key) };
    const { workflowId } = run.definition.key;
    const current = await definitions.current(key.namespaceId, workflowId);
    const { maxConcurrentRuns: max } = (current ?? run.definition).spec;
    // It begins with the event in which it says that it runs, which the next task has.
    if (!(await slots.enter(key, { workflowId, max }))) return { commands: [] };
    return { commands: [showStatus({ status: "running", cost: run.cost, now: clock.now() })], again: true };
  }

  return createWorkflowTaskWorker({
    taskQueue: dagTaskQueue,
    noun: "run",
    answerQuery: async (key, query, toEventId) => {
      const run = await folded.at(key, toEventId);
      return typeof run === "string" ? err(refusals[run]) : answerQuery(queriedRun(run, key, folded), query);
    },
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
