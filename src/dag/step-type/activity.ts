import { type DurationMs, hourMs, secondMs } from "../../base/time.ts";
import { type Place, report } from "../../language/reader.ts";
import type { ActionFields, Priority } from "../spec/fields.ts";

/** An action that a worker carries out, as an activity of the run. */
export type ActivityKind = {
  readonly kind: "activity";
  readonly type: "job" | "activity" | "approval" | "notify" | "http";
  readonly target: ActivityTarget;
  readonly workerId: string | null;
  readonly priority: Priority | null;
  readonly labels: { readonly [name: string]: string };
  readonly capability: string | null;
  readonly riskTags: readonly string[];
  readonly requires: readonly string[];
  readonly packId: string | null;
  readonly actorId: string | null;
  readonly actorType: string | null;
  readonly idempotencyKey: string | null;
  readonly timeouts: ActivityTimeouts;
};

/** A topic is routed by configuration. Null is the topic of the workflow: `job.workflow.<workflow id>`. */
export type ActivityTarget =
  | { readonly to: "topic"; readonly topic: string | null }
  | { readonly to: "task-queue"; readonly taskQueue: string; readonly activityType: string };

/** Of one attempt. Null is unlimited. */
export type ActivityTimeouts = {
  readonly startToCloseMs: DurationMs;
  readonly heartbeatMs: DurationMs | null;
  readonly scheduleToStartMs: DurationMs | null;
  readonly scheduleToCloseMs: DurationMs | null;
};

/** For steps that set no time-out: longer than what people wait for, shorter than what they forget. */
export const startToCloseDefaultMs: DurationMs = 2.5 * hourMs;

/** The built-in activities of a server, which it serves itself. */
export const builtInTaskQueue = "holdfast";
/** The server's own worker says by itself that it is alive. What it had under way as it died is missed so soon, not with the time-out. */
export const builtInHeartbeatMs: DurationMs = 10 * secondMs;
export const builtIn = (activityType: string): ActivityTarget => ({ to: "task-queue", taskQueue: builtInTaskQueue, activityType });

const isBuiltIn = (target: ActivityTarget): boolean => target.to === "task-queue" && target.taskQueue === builtInTaskQueue;

export function linkActivity(fields: ActionFields, at: Place): ActivityKind | undefined {
  const { taskQueue, activityType, topic } = fields;
  if (taskQueue === undefined || activityType === undefined) return report(at, "an activity needs `task_queue` and `activity_type`");
  if (topic !== undefined) return report(topic.at, "an activity is routed by `task_queue`: a topic is for a job");
  return activityKind(fields, "activity", { to: "task-queue", taskQueue: taskQueue.value, activityType: activityType.value });
}

/** A step without `type` is a job as well; or an activity, if it names one. */
export function linkJob(fields: ActionFields, at: Place): ActivityKind | undefined {
  if (fields.type === undefined && fields.activityType !== undefined) return linkActivity(fields, at);
  return refuseTarget(fields, "a job is routed by its topic: `type: activity` names a task queue and an activity type")
    ? activityKind(fields, "job", { to: "topic", topic: fields.topic?.value ?? null })
    : undefined;
}

export function refuseTarget({ taskQueue, activityType }: ActionFields, message: string): boolean {
  for (const key of [taskQueue, activityType]) if (key !== undefined) report(key.at, message);
  return taskQueue === undefined && activityType === undefined;
}

export function activityKind(fields: ActionFields, type: ActivityKind["type"], target: ActivityTarget): ActivityKind {
  const { meta = {} } = fields;
  return {
    kind: "activity",
    type,
    target,
    workerId: fields.workerId ?? null,
    priority: fields.priority ?? null,
    labels: Object.fromEntries([...(meta.labels ?? []), ...(fields.labels ?? []), ...(fields.routeLabels ?? [])]),
    capability: fields.capability ?? meta.capability ?? null,
    riskTags: [...new Set([...(meta.riskTags ?? []), ...(fields.riskTags ?? [])])],
    requires: [...new Set([...(meta.requires ?? []), ...(fields.requires ?? [])])],
    packId: fields.packId ?? meta.packId ?? null,
    actorId: meta.actorId ?? null,
    actorType: meta.actorType ?? null,
    idempotencyKey: meta.idempotencyKey ?? null,
    timeouts: {
      startToCloseMs: timeoutOf(fields) ?? startToCloseDefaultMs,
      heartbeatMs: fields.heartbeatTimeout ?? (isBuiltIn(target) ? builtInHeartbeatMs : null),
      scheduleToStartMs: fields.scheduleToStartTimeout ?? null,
      scheduleToCloseMs: fields.scheduleToCloseTimeout ?? null,
    },
  };
}

export const timeoutOf = ({ timeout, timeoutSec }: Pick<ActionFields, "timeout" | "timeoutSec">): DurationMs | null =>
  timeout?.value ?? (timeoutSec === undefined ? null : Math.ceil(timeoutSec * secondMs));
