import { type DurationMs, type EpochMs, secondMs } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  type PollActivityTaskQueueResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { QueueKey } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { ActivityRequests } from "../built-in/built-in-worker.ts";
import type { SendRequest } from "../built-in/outgoing-request.ts";
import type { Clock } from "../clock.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";
import { watchAttempt } from "../workers/attempt-watch.ts";
import { leaseJson } from "../workers/lease-json.ts";
import { answerAttempt, deadlineOf, type LeaseEnd } from "../workers/leases.ts";
import { answerUntilHeard, here, type ServerWorker } from "../workers/server-worker.ts";
import type { Endpoints, Served } from "./endpoints.ts";
import { failed, pushTask } from "./push-request.ts";

/** Requests that are open at one time, all endpoints together. */
const openMax = 256;
/** How long a queue whose task could not be had waits for the next try. */
const retryAfterMs: DurationMs = secondMs;
/** How long open requests may go on when the server stops. */
const graceMs: DurationMs = 5 * secondMs;

/**
 * The worker that pushes tasks to endpoints. It takes a task only when an endpoint of the task queue may have one more, says that the
 * attempt is alive while the request is open, and gives the request up when nobody wants the outcome any more. Endpoints of one task queue
 * are tried in the order of their ids.
 */
export function createPushWorker(deps: {
  readonly matching: Pick<Matching, "watch" | "queues">;
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly endpoints: Pick<Endpoints, "serving" | "onChange">;
  /** Their heartbeats keep what the endpoint itself said of how far it is. */
  readonly requests: ActivityRequests;
  readonly send: SendRequest;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}): ServerWorker {
  const { matching, namespaces, endpoints, requests, send, clock, log } = deps;
  const answer = answerUntilHeard(log, "a pushed task");
  /** Queues in which something may wait, in the order in which they get their turn. */
  const ready = new Map<string, QueueKey>();
  /** Requests that are open, by the name of their endpoint. */
  const open = new Map<string, number>();
  /** Until when endpoints want to be left alone. */
  const paused = new Map<string, EpochMs>();
  const underWay = new Set<Promise<void>>();
  const stopping = new AbortController();
  let draining = false;

  function told(key: QueueKey): void {
    if (draining || endpoints.serving(key).length === 0) return;
    ready.set(`${key.namespaceId}\n${key.taskQueue}`, key);
    pump();
  }

  const mayTake = ({ name, endpoint }: Served): boolean =>
    (open.get(name) ?? 0) < endpoint.maxConcurrent && (paused.get(name) ?? 0) <= Date.now();

  function pump(): void {
    for (const [queue, key] of ready) {
      if (draining || underWay.size >= openMax) return;
      const serving = endpoints.serving(key);
      const served = serving.find(mayTake);
      // It stays ready while there is somebody to wait for.
      if (served === undefined && serving.length > 0) continue;
      ready.delete(queue);
      if (served !== undefined) begin(served, key);
    }
  }

  function begin(served: Served, key: QueueKey): void {
    const { name } = served;
    open.set(name, (open.get(name) ?? 0) + 1);
    const work = workOnce(served, key).finally(() => {
      underWay.delete(work);
      const left = (open.get(name) ?? 1) - 1;
      if (left > 0) open.set(name, left);
      else open.delete(name);
      pump();
    });
    underWay.add(work);
  }

  async function workOnce(served: Served, key: QueueKey): Promise<void> {
    let task: PollActivityTaskQueueResponse | null;
    try {
      task = await take(served, key);
    } catch (error) {
      log.warn("cannot take a task, trying again", { ...key }, error);
      setTimeout(() => told(key), retryAfterMs).unref();
      return;
    }
    if (task === null) return;
    // There may be more.
    told(key);
    await push(served, key, task).catch((error: unknown) => log.error("cannot push a task", { ...key, endpoint: served.name }, error));
  }

  async function take({ endpoint }: Served, { namespaceId, taskQueue }: QueueKey): Promise<PollActivityTaskQueueResponse | null> {
    const namespace = namespaces.byId(namespaceId)?.name ?? "";
    const queue = make(TaskQueue, { name: taskQueue });
    const poll = make(PollActivityTaskQueueRequest, { namespace, taskQueue: queue, identity: identityOf(endpoint) });
    const polled = await requests.pollActivityTaskQueue(poll, here());
    // A namespace that was deleted meanwhile has no work.
    return polled.ok && polled.value.taskToken.length > 0 ? polled.value : null;
  }

  async function push({ name, endpoint }: Served, { taskQueue }: QueueKey, task: PollActivityTaskQueueResponse): Promise<void> {
    const identity = identityOf(endpoint);
    const attempt = watchAttempt(task, {
      requests,
      stopping: stopping.signal,
      identity,
      log,
      always: true,
    });
    const lease = leaseJson({ token: task.taskToken, task, deadline: deadlineOf(task) }, taskQueue);
    const pushed = await pushTask({ endpoint, task: lease, now: clock.now(), signal: attempt.signal }, send);
    attempt.end();
    if (pushed.kind === "accepted") return;
    if (pushed.pause !== null) pause(name, pushed.pause);
    // An answer that came in time counts, whatever was asked meanwhile.
    if (pushed.end.how !== "completed" && attempt.why === "gone") return;
    const end = pushed.end.how === "completed" ? pushed.end : endedBy(attempt.why, pushed.end);
    const by = { taskToken: task.taskToken, namespace: task.workflowNamespace, identity };
    await answer(() => answerAttempt(requests, end, by));
  }

  function pause(name: string, wait: DurationMs): void {
    paused.set(name, Date.now() + wait);
    setTimeout(() => {
      if ((paused.get(name) ?? 0) <= Date.now()) paused.delete(name);
      pump();
    }, wait + 1).unref();
  }

  matching.watch({ taskQueue: null, type: "activity" }, told);
  endpoints.onChange(() => {
    for (const key of matching.queues()) if (key.type === "activity") told(key);
  });

  const drain = async (): Promise<void> => {
    draining = true;
    ready.clear();
    await Promise.all(underWay);
  };
  return {
    drain,
    stop: async () => {
      const grace = setTimeout(() => stopping.abort(), graceMs);
      await drain();
      clearTimeout(grace);
      stopping.abort();
    },
  };
}

const identityOf = ({ id }: { readonly id: string }): string => `endpoint:${id}`;

/** What becomes of an attempt whose request was given up. */
function endedBy(why: "cancelled" | "stopping" | "gone" | null, end: LeaseEnd): LeaseEnd {
  if (why === "cancelled") return { how: "cancelled", details: undefined };
  return why === "stopping" ? failed({ message: "the server stopped before the endpoint answered", type: "PushFailed" }) : end;
}
