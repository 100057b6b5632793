import { err, type Result } from "../../base/result.ts";
import { type DurationMs, toProtoTime } from "../../base/time.ts";
import { inputOfPayloads } from "../../governance/action-input.ts";
import { make } from "../../protocol/codec.ts";
import { Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  type PollActivityTaskQueueResponse,
  RespondActivityTaskCanceledRequest,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskFailedRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Services } from "../services.ts";
import { watchAttempt } from "../workers/attempt-watch.ts";
import { answerUntilHeard, createServerWorker, here, type ServerWorker, serverIdentity } from "../workers/server-worker.ts";
import { serverTaskQueue } from "./server-task-queue.ts";

/** One attempt of an activity, its arguments read. The signal aborts when nobody wants the outcome any more. */
export type ActivityCall = {
  readonly task: PollActivityTaskQueueResponse;
  readonly args: readonly unknown[];
  readonly signal: AbortSignal;
};
/** An activity that the server carries out itself. Answers with a JSON value, or with how it failed. */
export type BuiltInActivity = (call: ActivityCall) => Promise<Result<unknown, ActivityProblem>>;

/** Why an attempt failed. Another attempt follows if `isRetryable`, after `retryAfter` if that is given. */
export type ActivityProblem = {
  readonly type: string;
  readonly message: string;
  readonly isRetryable: boolean;
  readonly retryAfter?: DurationMs;
};

/** The arguments are not what the activity takes. */
export const invalidInput = (message: string): ActivityProblem => ({ type: "InvalidInput", message, isRetryable: false });

const concurrencyMax = 64;

export type ActivityRequests = Pick<
  Services,
  | "pollActivityTaskQueue"
  | "recordActivityTaskHeartbeat"
  | "respondActivityTaskCompleted"
  | "respondActivityTaskFailed"
  | "respondActivityTaskCanceled"
>;

/** A worker for the activities of the server's own task queue, which asks for tasks and answers them as any worker does. */
export function createBuiltInWorker(deps: {
  readonly matching: Pick<Matching, "watch">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly requests: ActivityRequests;
  readonly activities: { readonly [activityType: string]: BuiltInActivity };
  readonly log: Log;
}): ServerWorker {
  const { matching, namespaces, requests, activities, log } = deps;
  const answer = answerUntilHeard(log, "an activity");
  const known = Object.keys(activities).map((type) => `\`${type}\``);

  async function run(task: PollActivityTaskQueueResponse, signal: AbortSignal): Promise<Result<unknown, ActivityProblem>> {
    const type = task.activityType?.name ?? "";
    const activity = Object.hasOwn(activities, type) ? activities[type] : undefined;
    if (activity === undefined) {
      const message = `unknown activity type \`${type}\`: task queue \`${serverTaskQueue}\` knows ${known.join(", ")}`;
      return err({ type: "UnknownActivityType", message, isRetryable: false });
    }
    const args = inputOfPayloads(task.input).args();
    if (!args.ok) return err(invalidInput(args.error));
    try {
      return await activity({ task, args: args.value, signal });
    } catch (error) {
      log.error("an activity of the server's own failed", { activityType: type }, error);
      return err({ type: "InternalError", message: "the server failed, its log says why", isRetryable: true });
    }
  }

  async function handle(task: PollActivityTaskQueueResponse, stopping: AbortSignal): Promise<void> {
    const { taskToken, workflowNamespace: namespace } = task;
    const attempt = watchAttempt(task, { requests, stopping, identity: serverIdentity, log });
    const outcome = await run(task, attempt.signal);
    attempt.end();
    const answered = { taskToken, namespace, identity: serverIdentity };
    if (outcome.ok) {
      const result = make(Payloads, { payloads: [json(outcome.value)] });
      return answer(() =>
        requests.respondActivityTaskCompleted(make(RespondActivityTaskCompletedRequest, { ...answered, result }), here()),
      );
    }
    if (attempt.why === "gone") return;
    if (attempt.why === "cancelled")
      return answer(() => requests.respondActivityTaskCanceled(make(RespondActivityTaskCanceledRequest, answered), here()));
    const failure = failureOf(attempt.why === "stopping" ? { ...outcome.error, isRetryable: true } : outcome.error);
    return answer(() => requests.respondActivityTaskFailed(make(RespondActivityTaskFailedRequest, { ...answered, failure }), here()));
  }

  return createServerWorker({
    matching,
    queue: { taskQueue: serverTaskQueue, type: "activity" },
    concurrencyMax,
    log,
    take: async ({ namespaceId }) => {
      const namespace = namespaces.byId(namespaceId)?.name ?? "";
      const poll = make(PollActivityTaskQueueRequest, {
        namespace,
        taskQueue: make(TaskQueue, { name: serverTaskQueue }),
        identity: serverIdentity,
      });
      const polled = await requests.pollActivityTaskQueue(poll, here());
      // A namespace that was deleted meanwhile has no work.
      return polled.ok && polled.value.taskToken.length > 0 ? polled.value : null;
    },
    handle,
  });
}

const json = (value: unknown): Payload =>
  make(Payload, { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(value)) });

function failureOf({ type, message, isRetryable, retryAfter }: ActivityProblem): Failure {
  return make(Failure, {
    message,
    source: "Server",
    failureInfo: {
      $case: "applicationFailureInfo",
      value: make(ApplicationFailureInfo, {
        type,
        nonRetryable: !isRetryable,
        nextRetryDelay: retryAfter === undefined ? undefined : toProtoTime(retryAfter),
      }),
    },
  });
}
