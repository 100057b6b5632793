import type { Log } from "../../telemetry/log.ts";
import type { Committer } from "../committer.ts";
import type { Configs } from "../configs/configs.ts";
import type { Engine } from "../engine.ts";
import type { SafetyKernel } from "../policy/safety-kernel.ts";
import { respondQueryTaskCompleted } from "../requests/query-workflow.ts";
import { pollWorkflowTaskQueue, respondWorkflowTaskCompleted, respondWorkflowTaskFailed } from "../requests/workflow-tasks.ts";
import type { ServerWorker } from "../workers/server-worker.ts";
import { createDagRuns, type DagRuns } from "./dag-runs.ts";
import { createDagWorker } from "./dag-worker.ts";
import { createDagWorkflows, type DagWorkflows } from "./dag-workflows.ts";
import { createDefinitions } from "./definitions.ts";
import { createFoldedRuns } from "./folded-runs.ts";
import type { RouteTopic } from "./routes.ts";
import type { RunSlots } from "./run-slots.ts";

/** Declarative workflows: their definitions, their runs, and the worker that decides the runs. */
export type Dag = { readonly workflows: DagWorkflows; readonly runs: DagRuns; readonly worker: ServerWorker };

/**
 * A run is a workflow execution on the task queue `holdfast-dag`, of the type that its workflow is called. Its steps are activities, timers and
 * children, so that retries, cancellation, visibility, approvals and policy are those of every other execution.
 */
export function createDag(deps: {
  readonly engine: Engine;
  readonly committer: Pick<Committer, "commit">;
  readonly kernel: Pick<SafetyKernel, "snapshot">;
  readonly routeTopic: RouteTopic;
  readonly slots: RunSlots;
  readonly configs: Configs;
  readonly log: Log;
}): Dag {
  const { engine, committer, kernel, routeTopic, slots, configs, log } = deps;
  const { store, clock, matching, namespaces } = engine;
  const definitions = createDefinitions({ documents: store, committer, clock });
  const folded = createFoldedRuns({ store, definitions });
  const requests = {
    pollWorkflowTaskQueue: pollWorkflowTaskQueue(engine),
    respondWorkflowTaskCompleted: respondWorkflowTaskCompleted(engine),
    respondWorkflowTaskFailed: respondWorkflowTaskFailed(engine),
    respondQueryTaskCompleted: respondQueryTaskCompleted(engine),
  };
  return {
    workflows: createDagWorkflows({ namespaces, definitions, slots }),
    runs: createDagRuns({ engine, definitions, folded, kernel, routeTopic, configs }),
    worker: createDagWorker({ matching, namespaces, requests, definitions, folded, slots, configs, routeTopic, clock, log }),
  };
}
