import { err } from "../../base/result.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import { jobTaskQueue } from "../built-in/server-task-queue.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { ServerWorker } from "../server-worker.ts";
import { createWorkflowTaskWorker, type WorkflowRequests } from "../workflow-task-worker.ts";
import { decideJob } from "./job-decider.ts";
import { jobHistory, readEvents } from "./job-history.ts";

/** The worker that decides jobs. It keeps nothing: the history of a job is a dozen events, read anew for each of its two or three tasks. */
export const createJobWorker = ({
  store,
  ...deps
}: {
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly requests: WorkflowRequests;
  readonly store: Pick<Store, "readHistory">;
  readonly log: Log;
}): ServerWorker =>
  createWorkflowTaskWorker({
    ...deps,
    taskQueue: jobTaskQueue,
    noun: "job",
    decide: async (key) => ({ commands: decideJob(key.workflowId, jobHistory(await readEvents(store, key))) }),
    // What a job does is in the state of its activity, which lists and the API look at; its history alone does not tell.
    answerQuery: async () => err("jobs answer no queries: read them over the REST API"),
  });
