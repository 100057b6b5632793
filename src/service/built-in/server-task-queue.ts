import { err, type Result } from "../../base/result.ts";
import type { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { invalidArgument, type Refusal } from "../../protocol/refusal.ts";
import type { UseCase } from "../services.ts";

/** The task queue of what the server itself does, in every namespace. */
export const serverTaskQueue = "holdfast";

/** Keeps workers that are not the server's from its task queue: whoever takes an approval from there could grant it. */
export const exceptServerTaskQueue =
  <Request extends { readonly taskQueue: TaskQueue | undefined }, Response>(poll: UseCase<Request, Response>): UseCase<Request, Response> =>
  async (request, caller): Promise<Result<Response, Refusal>> =>
    request.taskQueue?.name === serverTaskQueue ? err(reserved) : poll(request, caller);

const reserved = invalidArgument(`task queue \`${serverTaskQueue}\` is the server's own, no other worker can poll it`);
