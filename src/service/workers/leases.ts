import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, type EpochMs, fromProtoTime } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { TaskToken_Kind } from "../../protocol/generated/holdfast/state/v1/state.ts";
import type { Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import type { Failure } from "../../protocol/generated/temporal/api/failure/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  PollActivityTaskQueueRequest,
  type PollActivityTaskQueueResponse,
  RecordActivityTaskHeartbeatRequest,
  RespondActivityTaskCanceledRequest,
  RespondActivityTaskCompletedRequest,
  RespondActivityTaskFailedRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Caller, Services } from "../services.ts";
import type { TaskTokens } from "./task-token.ts";

export type LeaseRefusal =
  /** As many wait for tasks as may. */
  { readonly kind: "too-many-leases" | "no-such-lease" | "lease-gone" } | { readonly kind: "refused"; readonly refusal: Refusal };

/** One attempt of an activity, given to a worker until it answers or its time is over. */
export type Lease = {
  /** Proves which attempt is answered. */
  readonly token: Uint8Array;
  readonly task: PollActivityTaskQueueResponse;
  /** When the attempt times out whatever happens; null for never. */
  readonly deadline: EpochMs | null;
};

export type LeaseEnd =
  | { readonly how: "completed"; readonly result: Payloads }
  | { readonly how: "failed"; readonly failure: Failure }
  | { readonly how: "cancelled"; readonly details: Payloads | undefined };

/** Whoever speaks for a worker. */
export type LeaseHolder = { readonly namespace: string; readonly workerId: string };

/** Activity tasks for workers that are no Temporal workers: taken, kept alive and answered one by one. */
export type Leases = {
  /** Waits for a task of a queue, `wait` and 60 s at most; null when none came, or when the signal aborted first. */
  take(
    holder: LeaseHolder,
    wanted: { readonly taskQueue: string; readonly wait: DurationMs; readonly signal: AbortSignal },
  ): Promise<Result<Lease | null, LeaseRefusal>>;
  /** Says that the attempt is alive. A lease that is gone is as good as cancelled: nobody waits for its outcome. */
  heartbeat(
    holder: LeaseHolder,
    beat: { readonly token: Uint8Array; readonly details: Payloads | undefined },
  ): Promise<Result<{ readonly cancelRequested: boolean; readonly isGone: boolean }, LeaseRefusal>>;
  /** Answers. Refused as gone when the attempt has been answered, has timed out, or its run is closed. */
  end(holder: LeaseHolder, answer: { readonly token: Uint8Array; readonly end: LeaseEnd }): Promise<Result<void, LeaseRefusal>>;
};

/** Leases that wait for tasks at one time. */
export const waitingLeasesMax = 1_000;
/** What a request needs besides its waiting. */
const answerMarginMs: DurationMs = 500;

export function createLeases({
  namespaces,
  services,
  tokens,
  waitingMax = waitingLeasesMax,
}: {
  readonly namespaces: Pick<Namespaces, "byId">;
  readonly tokens: TaskTokens;
  readonly services: Pick<
    Services,
    | "pollActivityTaskQueue"
    | "recordActivityTaskHeartbeat"
    | "respondActivityTaskCompleted"
    | "respondActivityTaskFailed"
    | "respondActivityTaskCanceled"
  >;
  readonly waitingMax?: number;
}): Leases {
  let waiting = 0;

  /** A lease of another tenant does not exist. */
  function known(token: Uint8Array, namespace: string): boolean {
    const decoded = tokens.decode(token, TaskToken_Kind.ACTIVITY_TASK);
    return decoded.ok && namespaces.byId(decoded.value.namespaceId)?.name === namespace;
  }

  return {
    take: async ({ namespace, workerId }, { taskQueue, wait, signal }) => {
      if (waiting >= waitingMax) return err({ kind: "too-many-leases" });
      waiting++;
      try {
        const poll = make(PollActivityTaskQueueRequest, { namespace, taskQueue: make(TaskQueue, { name: taskQueue }), identity: workerId });
        const caller: Caller = { clientName: "http-worker", clientVersion: "", deadline: Date.now() + wait + answerMarginMs, signal };
        const polled = await services.pollActivityTaskQueue(poll, caller);
        if (!polled.ok) return refused(polled.error);
        const { taskToken: token } = polled.value;
        return ok(token.length === 0 ? null : { token, task: polled.value, deadline: deadlineOf(polled.value) });
      } finally {
        waiting--;
      }
    },

    heartbeat: async ({ namespace, workerId: identity }, { token: taskToken, details }) => {
      if (!known(taskToken, namespace)) return err({ kind: "no-such-lease" });
      const request = make(RecordActivityTaskHeartbeatRequest, { taskToken, namespace, identity, details });
      const heard = await services.recordActivityTaskHeartbeat(request, here());
      if (heard.ok) return ok({ cancelRequested: heard.value.cancelRequested, isGone: false });
      return heard.error.kind === "not-found" ? ok({ cancelRequested: true, isGone: true }) : refused(heard.error);
    },

    end: async ({ namespace, workerId: identity }, { token: taskToken, end }) => {
      if (!known(taskToken, namespace)) return err({ kind: "no-such-lease" });
      const by = { taskToken, namespace, identity };
      const ended = await answerAttempt(services, end, by);
      if (ended.ok) return ok(undefined);
      return ended.error.kind === "not-found" ? err({ kind: "lease-gone" }) : refused(ended.error);
    },
  };
}

/** How an attempt ended, told as any worker tells it. */
export function answerAttempt(
  services: Pick<Services, "respondActivityTaskCompleted" | "respondActivityTaskFailed" | "respondActivityTaskCanceled">,
  end: LeaseEnd,
  by: { readonly taskToken: Uint8Array; readonly namespace: string; readonly identity: string },
): Promise<Result<unknown, Refusal>> {
  switch (end.how) {
    case "completed":
      return services.respondActivityTaskCompleted(make(RespondActivityTaskCompletedRequest, { ...by, result: end.result }), here());
    case "failed":
      return services.respondActivityTaskFailed(make(RespondActivityTaskFailedRequest, { ...by, failure: end.failure }), here());
    case "cancelled":
      return services.respondActivityTaskCanceled(make(RespondActivityTaskCanceledRequest, { ...by, details: end.details }), here());
  }
}

/** The earlier of what the attempt has and what all attempts together have. */
export function deadlineOf({
  startedTime,
  startToCloseTimeout,
  scheduledTime,
  scheduleToCloseTimeout,
}: PollActivityTaskQueueResponse): EpochMs | null {
  const ends = [[startedTime, startToCloseTimeout] as const, [scheduledTime, scheduleToCloseTimeout] as const].flatMap(([from, timeout]) =>
    from === undefined || fromProtoTime(timeout) === 0 ? [] : [from.getTime() + fromProtoTime(timeout)],
  );
  return ends.length === 0 ? null : Math.min(...ends);
}

const refused = (refusal: Refusal): Result<never, LeaseRefusal> => err({ kind: "refused", refusal });

const here = (): Caller => ({ clientName: "http-worker", clientVersion: "", deadline: null, signal: never });
const never = new AbortController().signal;
