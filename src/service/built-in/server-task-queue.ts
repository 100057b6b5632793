import { err, type Result } from "../../base/result.ts";
import type { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import type { UseCase } from "../services.ts";

/** The task queue of what the server itself does, in every namespace. */
export const serverTaskQueue = "holdfast";
/** The task queue of runs of declarative workflows, which the server decides itself. */
export const dagTaskQueue = "holdfast-dag";
/** The task queue of jobs, each an execution that the server decides itself. */
export const jobTaskQueue = "holdfast-jobs";

const reservedQueues: readonly string[] = [serverTaskQueue, dagTaskQueue, jobTaskQueue];

/** Whether workflows on a task queue are decided by the server: what a client starts there would find no code. */
export const isServerTaskQueue = (name: string): boolean => reservedQueues.includes(name);

/** Keeps workers that are not the server's from its task queues: whoever takes an approval from there could grant it. */
export const exceptServerTaskQueues =
  <Request extends { readonly taskQueue: TaskQueue | undefined }, Response>(poll: UseCase<Request, Response>): UseCase<Request, Response> =>
  async (request, caller): Promise<Result<Response, Refusal>> => {
    const name = request.taskQueue?.name ?? "";
    if (!isServerTaskQueue(name)) return poll(request, caller);
    return err(invalidArgument(`task queue \`${name}\` is the server's own, no other worker can poll it`));
  };
