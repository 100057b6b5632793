import type { Log } from "../../telemetry/log.ts";
import { jobTaskQueue } from "../built-in/server-task-queue.ts";
import type { Engine } from "../engine.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { ServerWorker } from "../workers/server-worker.ts";
import { createWorkflowTaskWorker, type WorkflowRequests } from "../workers/workflow-task-worker.ts";
import { jobAt } from "./job.ts";
import { decideJob } from "./job-decider.ts";
import { jobHistory, readEvents } from "./job-history.ts";
import { answerJobQuery } from "./job-query.ts";

/** The worker that decides jobs. It keeps nothing: the history of a job is a dozen events, read anew for each of its two or three tasks. */
export const createJobWorker = ({
  runs,
  store,
  ...deps
}: {
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly requests: WorkflowRequests;
  readonly runs: Engine["runs"];
  readonly store: Engine["store"];
  readonly log: Log;
}): ServerWorker =>
  createWorkflowTaskWorker({
    ...deps,
    taskQueue: jobTaskQueue,
    noun: "job",
    decide: async (key) => ({ commands: decideJob(key.workflowId, jobHistory(await readEvents(store, key))) }),
    // What a job does is in the state of its activity; its history alone does not tell.
    answerQuery: async (key, { name }) => answerJobQuery(await jobAt({ runs, store }, key), name),
  });
