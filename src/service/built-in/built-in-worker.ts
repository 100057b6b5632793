import { err, type Result } from "../../base/result.ts";
import { type DurationMs, fromProtoTime, secondMs, toProtoTime } from "../../base/time.ts";
import { inputOfPayloads } from "../../governance/action-input.ts";
import { make } from "../../protocol/codec.ts";
import { Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { ApplicationFailureInfo, Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  type PollActivityTaskQueueResponse,
  RecordActivityTaskHeartbeatRequest,
  RespondActivityTaskCanceledRequest,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskFailedRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import { answerUntilHeard, createServerWorker, here, type ServerWorker, serverIdentity } from "../server-worker.ts";
import type { Services } from "../services.ts";
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
    const ended = new AbortController();
    const ending: { why: Ending | null } = { why: null };
    const end = (why: Ending) => {
      ending.why ??= why;
      ended.abort();
    };
    const stop = () => end("stopping");
    stopping.addEventListener("abort", stop);
    const lapse = setTimeout(() => end("gone"), Math.min(fromProtoTime(task.startToCloseTimeout) || timerMsMax, timerMsMax));
    const stopBeating = heartbeats(task, end);
    const outcome = await run(task, ended.signal);
    stopBeating();
    clearTimeout(lapse);
    stopping.removeEventListener("abort", stop);
    const answered = { taskToken, namespace, identity: serverIdentity };
    if (outcome.ok) {
      const result = make(Payloads, { payloads: [json(outcome.value)] });
      return answer(() =>
        requests.respondActivityTaskCompleted(make(RespondActivityTaskCompletedRequest, { ...answered, result }), here()),
      );
    }
    if (ending.why === "gone") return;
    if (ending.why === "cancelled")
      return answer(() => requests.respondActivityTaskCanceled(make(RespondActivityTaskCanceledRequest, answered), here()));
    const failure = failureOf(ending.why === "stopping" ? { ...outcome.error, isRetryable: true } : outcome.error);
    return answer(() => requests.respondActivityTaskFailed(make(RespondActivityTaskFailedRequest, { ...answered, failure }), here()));
  }

  /** Says that the attempt is alive as often as it has to, and hears whether it should stop. */
  function heartbeats(
    { taskToken, workflowNamespace, heartbeatTimeout }: PollActivityTaskQueueResponse,
    end: (why: Ending) => void,
  ): () => void {
    const every = fromProtoTime(heartbeatTimeout) / 2;
    if (every === 0) return () => {};
    const request = make(RecordActivityTaskHeartbeatRequest, { taskToken, namespace: workflowNamespace, identity: serverIdentity });
    const beat = async (): Promise<void> => {
      const heard = await requests.recordActivityTaskHeartbeat(request, here());
      if (heard.ok && heard.value.cancelRequested) end("cancelled");
      else if (!heard.ok && heard.error.kind === "not-found") end("gone");
    };
    const timer = setInterval(
      () => {
        beat().catch((error: unknown) => log.warn("cannot record a heartbeat", {}, error));
      },
      Math.min(every, heartbeatEveryMsMax),
    );
    return () => clearInterval(timer);
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

/** Why an attempt is over before its time: nobody waits for it, somebody cancelled it, or the server stops. */
type Ending = "gone" | "cancelled" | "stopping";

/** Cancellation is heard of by heartbeats, and should be soon. */
const heartbeatEveryMsMax: DurationMs = 5 * secondMs;
const timerMsMax = 2 ** 31 - 1;

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
