import { ok, type Result } from "../../base/result.ts";
import {
  attemptOf,
  completeActivity,
  confirmActivityCanceled,
  failActivity,
  recordHeartbeat,
  startedActivity,
} from "../../execution/activity.ts";
import type { Draft } from "../../execution/execution.ts";
import { make } from "../../protocol/codec.ts";
import { type PendingActivity, TaskToken_Kind } from "../../protocol/generated/holdfast/state/v1/state.ts";
import {
  PollActivityTaskQueueResponse,
  RecordActivityTaskHeartbeatByIdResponse,
  RecordActivityTaskHeartbeatResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { notFound, type Refusal } from "../../protocol/refusal.ts";
import type { Engine } from "../engine.ts";
import type { Services } from "../services.ts";
import { patienceFor } from "./await-run.ts";

/** Waits for an activity task of a queue, 60 s at most; an empty task token says that none came. */
export const pollActivityTaskQueue =
  ({ namespaces, matching, longPoll }: Engine): Services["pollActivityTaskQueue"] =>
  async (request, caller) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const queue = { namespaceId: namespace.value.id, taskQueue: request.taskQueue?.name ?? "", type: "activity" } as const;
    const poll = {
      identity: request.identity,
      requestId: "",
      buildId: request.workerVersionCapabilities?.buildId ?? "",
      tasksPerSecond: request.taskQueueMetadata?.maxTasksPerSecond ?? null,
    };
    const handout = await matching.poll(queue, poll, { patience: patienceFor(caller, longPoll.poll), signal: caller.signal });
    return ok(handout === null ? make(PollActivityTaskQueueResponse) : ((await handout()) as PollActivityTaskQueueResponse));
  };

type OnAttempt<T> = (draft: Draft, activity: PendingActivity) => Result<T, Refusal>;

/** Acts on the attempt that a task token names. */
async function byToken<T>({ runs, tokens }: Engine, taskToken: Uint8Array, act: OnAttempt<T>): Promise<Result<T, Refusal>> {
  const token = tokens.decode(taskToken, TaskToken_Kind.ACTIVITY_TASK);
  if (!token.ok) return token;
  const done = await runs.transact(token.value, (draft) => {
    const activity = startedActivity(draft, token.value);
    return activity.ok ? act(draft, activity.value) : activity;
  });
  return done.ok || done.error.kind !== "not-found" ? done : { ok: false, error: gone };
}

const gone = notFound("invalid activityID or activity already timed out or invoking workflow is completed");

/** Acts on the attempt that runs now for an activity id. */
async function byId<T>(
  { namespaces, runs }: Engine,
  request: { namespace: string; workflowId: string; runId: string; activityId: string },
  act: OnAttempt<T>,
): Promise<Result<T, Refusal>> {
  const namespace = namespaces.get(request.namespace);
  if (!namespace.ok) return namespace;
  const { workflowId, runId, activityId } = request;
  return runs.transact({ namespaceId: namespace.value.id, workflowId, runId }, (draft) => {
    const attempt = attemptOf(draft, activityId);
    if (!attempt.ok) return attempt;
    const activity = startedActivity(draft, attempt.value);
    return activity.ok ? act(draft, activity.value) : activity;
  });
}

export const recordActivityTaskHeartbeat =
  (engine: Engine): Services["recordActivityTaskHeartbeat"] =>
  async (request) => {
    const done = await byToken(engine, request.taskToken, (draft, activity) => ok(recordHeartbeat(draft, activity, request)));
    return done.ok ? ok(make(RecordActivityTaskHeartbeatResponse, done.value)) : done;
  };

/** A sign of life by who does not know how far the worker is: what that said last stays. */
export const keepActivityAlive =
  (engine: Engine): Services["recordActivityTaskHeartbeat"] =>
  async ({ taskToken, identity }) => {
    const done = await byToken(engine, taskToken, (draft, activity) =>
      ok(recordHeartbeat(draft, activity, { details: activity.heartbeatDetails, identity })),
    );
    return done.ok ? ok(make(RecordActivityTaskHeartbeatResponse, done.value)) : done;
  };

export const recordActivityTaskHeartbeatById =
  (engine: Engine): Services["recordActivityTaskHeartbeatById"] =>
  async (request) => {
    const done = await byId(engine, request, (draft, activity) => ok(recordHeartbeat(draft, activity, request)));
    return done.ok ? ok(make(RecordActivityTaskHeartbeatByIdResponse, done.value)) : done;
  };

/** The three ways in which an attempt ends, counted by outcome. */
const ends = {
  completed:
    ({ metrics }: Engine, answer: Parameters<typeof completeActivity>[2]): OnAttempt<void> =>
    (draft, activity) => {
      metrics.activityAttempts.add(1, "completed");
      completeActivity(draft, activity, answer);
      return ok(undefined);
    },
  failed:
    ({ metrics }: Engine, answer: Parameters<typeof failActivity>[2]): OnAttempt<void> =>
    (draft, activity) => {
      metrics.activityAttempts.add(1, "failed");
      failActivity(draft, activity, answer);
      return ok(undefined);
    },
  canceled:
    ({ metrics }: Engine, answer: Parameters<typeof confirmActivityCanceled>[2]): OnAttempt<void> =>
    (draft, activity) => {
      metrics.activityAttempts.add(1, "canceled");
      return confirmActivityCanceled(draft, activity, answer);
    },
};

export const respondActivityTaskCompleted =
  (engine: Engine): Services["respondActivityTaskCompleted"] =>
  async (request) => {
    const done = await byToken(engine, request.taskToken, ends.completed(engine, request));
    return done.ok ? ok({}) : done;
  };

export const respondActivityTaskCompletedById =
  (engine: Engine): Services["respondActivityTaskCompletedById"] =>
  async (request) => {
    const done = await byId(engine, request, ends.completed(engine, request));
    return done.ok ? ok({}) : done;
  };

export const respondActivityTaskFailed =
  (engine: Engine): Services["respondActivityTaskFailed"] =>
  async (request) => {
    const done = await byToken(engine, request.taskToken, ends.failed(engine, request));
    return done.ok ? ok({ failures: [] }) : done;
  };

export const respondActivityTaskFailedById =
  (engine: Engine): Services["respondActivityTaskFailedById"] =>
  async (request) => {
    const done = await byId(engine, request, ends.failed(engine, request));
    return done.ok ? ok({ failures: [] }) : done;
  };

export const respondActivityTaskCanceled =
  (engine: Engine): Services["respondActivityTaskCanceled"] =>
  async (request) => {
    const done = await byToken(engine, request.taskToken, ends.canceled(engine, request));
    return done.ok ? ok({}) : done;
  };

export const respondActivityTaskCanceledById =
  (engine: Engine): Services["respondActivityTaskCanceledById"] =>
  async (request) => {
    const done = await byId(engine, request, ends.canceled(engine, request));
    return done.ok ? ok({}) : done;
  };
