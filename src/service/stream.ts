import { err, ok, type Result } from "../base/result.ts";
import type { EpochMs } from "../base/time.ts";
import { minuteMs } from "../base/time.ts";
import { isRunning } from "../execution/execution.ts";
import { WorkflowExecutionStatus } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { Change } from "../store/store.ts";
import { decodeApproval } from "./approvals/approval-record.ts";
import { isServerTaskQueue, jobTaskQueue } from "./built-in/server-task-queue.ts";
import type { Clock } from "./clock.ts";
import type { Committer } from "./committer.ts";
import { serverNamespaceId } from "./ledger/audit.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Part } from "./runs.ts";

export const streamEventTypes = [
  "run.started",
  "run.closed",
  "activity.scheduled",
  "activity.completed",
  "activity.failed",
  "activity.timed-out",
  "activity.canceled",
  "approval.requested",
  "approval.voted",
  "approval.changed",
  "approval.closed",
  "policy.published",
  "policy.rolled-back",
] as const;
export type StreamEventType = (typeof streamEventTypes)[number];

/** Something that has happened, and is on disk. Texts that do not apply are empty. */
export type StreamEvent = {
  /** To go on after it. Grows along a stream. */
  readonly id: string;
  /** `reset`: what happened since the id that was asked for is not known any more; look at the lists again. */
  readonly type: StreamEventType | "reset";
  readonly at: EpochMs;
  /** Null for what concerns the whole server. */
  readonly namespaceId: string | null;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly runId: string;
  readonly topic: string;
  /** What else there is to say, in the words of the HTTP API. */
  readonly details: { readonly [name: string]: unknown };
};

export type Subscription = AsyncIterable<StreamEvent> & {
  /** Ends it. */
  stop(): void;
};

export type StreamRefusal = "no-such-namespace" | "too-many-streams";

/** What happens, for those who watch: derived from what was committed. Not a record: the histories and the ledger are. */
export type Stream = {
  /**
   * What happens in a namespace and to the whole server, from now on or after the event of that id, and passes the filter. Whoever is more than `behindMax` (1,000) events behind is
   * cut off: `tooSlow` is called, and the subscription ends. Refused when `subscribersMax` (256) watch already. Between two of one subscriber,
   * events are kept for `lingerMs` (5 min), at most `keptMax` (10,000).
   */
  subscribe(options: {
    readonly namespace: string;
    readonly filter: (event: StreamEvent) => boolean;
    readonly after: string | null;
    readonly tooSlow: () => void;
  }): Result<Subscription, StreamRefusal>;
  /** Ends all subscriptions, and admits no others. */
  end(): void;
  /** To be told of runs that were committed. */
  readonly committed: (parts: readonly Part[]) => void;
  /** A committer that tells of what goes to the ledger. */
  readonly following: (committer: Committer) => Committer;
};

const keptMax = 10_000;
const behindMax = 1_000;
const subscribersMax = 256;
const lingerMs = 5 * minuteMs;

type Happened = Omit<StreamEvent, "id">;
type Subscriber = { readonly push: (event: StreamEvent) => void; readonly end: () => void };

export function createStream({
  clock,
  namespaces,
  newId,
}: {
  readonly clock: Pick<Clock, "now" | "schedule">;
  readonly namespaces: Pick<Namespaces, "get">;
  readonly newId: () => string;
}): Stream {
  const subscribers = new Set<Subscriber>();
  /** Null while nobody watches, so that watching costs nothing then. Ids of another epoch are not known. */
  let kept: { readonly epoch: string; readonly events: StreamEvent[]; last: number } | null = null;
  let forget = () => {};
  let isOver = false;

  function publish(happened: Happened): void {
    if (kept === null) return;
    const event: StreamEvent = { id: `${kept.epoch}-${++kept.last}`, ...happened };
    kept.events.push(event);
    // Cut in larger pieces, so that it costs little each.
    if (kept.events.length > keptMax * 1.25) kept.events.splice(0, kept.events.length - keptMax);
    for (const subscriber of [...subscribers]) subscriber.push(event);
  }

  /** Events after the one of that id; null when that cannot be told. */
  function since(after: string, { epoch, events, last }: NonNullable<typeof kept>): readonly StreamEvent[] | null {
    const [ofEpoch, number] = after.split("-");
    const from = Number(number);
    if (ofEpoch !== epoch || !Number.isInteger(from) || from > last || from < last - events.length) return null;
    return events.slice(events.length - (last - from));
  }

  const leave = (subscriber: Subscriber): void => {
    if (!subscribers.delete(subscriber) || subscribers.size > 0) return;
    forget = clock.schedule(clock.now() + lingerMs, () => {
      kept = null;
    });
  };

  return {
    subscribe: ({ namespace, filter: passes, after, tooSlow }) => {
      const found = namespaces.get(namespace);
      if (!found.ok) return err("no-such-namespace");
      if (isOver || subscribers.size >= subscribersMax) return err("too-many-streams");
      const filter = (event: StreamEvent) => (event.namespaceId === null || event.namespaceId === found.value.id) && passes(event);
      forget();
      kept ??= { epoch: newId().slice(0, 8), events: [], last: 0 };
      const missed = after === null ? [] : since(after, kept);
      const reset: StreamEvent = { ...nothing, id: `${kept.epoch}-${kept.last}`, type: "reset", at: clock.now() };
      const queue: StreamEvent[] = missed === null ? [reset] : missed.filter(filter);
      // What was missed may be more than a reader may be behind.
      const queuedMax = queue.length + behindMax;
      let wake = () => {};
      let ended = false;
      const subscriber: Subscriber = {
        push: (event) => {
          if (!filter(event)) return;
          queue.push(event);
          wake();
          if (queue.length <= queuedMax) return;
          subscriber.end();
          queue.length = 0;
          tooSlow();
        },
        end: () => {
          ended = true;
          leave(subscriber);
          wake();
        },
      };
      subscribers.add(subscriber);
      const next = async (): Promise<IteratorResult<StreamEvent>> => {
        for (;;) {
          const event = queue.shift();
          if (event !== undefined) return { done: false, value: event };
          if (ended) return { done: true, value: undefined };
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      };
      const stop = async (): Promise<IteratorResult<StreamEvent>> => {
        subscriber.end();
        return { done: true, value: undefined };
      };
      return ok({ stop: subscriber.end, [Symbol.asyncIterator]: () => ({ next, return: stop }) });
    },
    end: () => {
      isOver = true;
      for (const subscriber of [...subscribers]) subscriber.end();
      forget();
      kept = null;
    },
    committed: (parts) => {
      if (kept === null) return;
      for (const part of parts) for (const happened of happenedTo(part)) publish(happened);
    },
    following: (committer) => ({
      ...committer,
      commit: async (change) => {
        const outcome = await committer.commit(change);
        if (kept !== null && outcome === "committed") for (const happened of recordedBy(change)) publish(happened);
        return outcome;
      },
    }),
  };
}

const nothing: Omit<Happened, "type" | "at"> = { namespaceId: null, workflowId: "", workflowType: "", runId: "", topic: "", details: {} };

/** What the new events of a run say. */
function happenedTo({ draft, becomeCurrent }: Part): readonly Happened[] {
  const { namespaceId, workflowId, runId } = draft.key;
  const workflowType = draft.started.workflowType?.name ?? "";
  const queue = draft.started.taskQueue?.name ?? "";
  const of = { ...nothing, namespaceId, workflowId, workflowType, runId, topic: queue === jobTaskQueue ? workflowType : "" };
  const happened = draft.batches.flat().flatMap((event): readonly Happened[] => {
    const said = activityChange(event, draft);
    if (said === null) return [];
    const topic = isServerTaskQueue(queue) ? topicOf(said.details.activity_type) : "";
    return [{ ...of, topic, type: said.type, at: event.eventTime?.getTime() ?? 0, details: said.details }];
  });
  const at = draft.context.now;
  const isNew = becomeCurrent !== undefined;
  return [
    ...(isNew ? [{ ...of, type: "run.started" as const, at }] : []),
    ...happened,
    ...((isNew || isRunning(draft.base)) && !isRunning(draft)
      ? [{ ...of, type: "run.closed" as const, at, details: { status: statusNames.get(draft.core.status) ?? "" } }]
      : []),
  ];
}

/** Of a job or of a step that is one: its activity type is its topic. Of other activities, their callers may say any, and say it elsewhere. */
const topicOf = (activityType: string): string => (activityType.startsWith(topicPrefix) ? activityType : "");
const topicPrefix = "job.";

const statusNames = new Map<number, string>(Object.entries(WorkflowExecutionStatus).map(([name, value]) => [value, name]));

function activityChange(
  { attributes }: HistoryEvent,
  draft: Part["draft"],
): { readonly type: StreamEventType; readonly details: { readonly activity_type: string; readonly [name: string]: unknown } } | null {
  const ofScheduled = (type: StreamEventType, scheduledEventId: number) => {
    // Scheduled before, or in this very transition.
    const activity = draft.base.activities.get(scheduledEventId) ?? draft.activities.get(scheduledEventId);
    const { activityId = "", activityType = "", attempt } = activity ?? {};
    return { type, details: { activity_id: activityId, activity_type: activityType, ...(attempt === undefined ? {} : { attempt }) } };
  };
  switch (attributes?.$case) {
    case "activityTaskScheduledEventAttributes": {
      const { activityId, activityType, taskQueue } = attributes.value;
      const details = { activity_id: activityId, activity_type: activityType?.name ?? "", task_queue: taskQueue?.name ?? "" };
      return { type: "activity.scheduled", details };
    }
    case "activityTaskCompletedEventAttributes":
      return ofScheduled("activity.completed", attributes.value.scheduledEventId);
    case "activityTaskFailedEventAttributes": {
      const { type, details } = ofScheduled("activity.failed", attributes.value.scheduledEventId);
      return { type, details: { ...details, message: attributes.value.failure?.message.slice(0, messageLettersMax) ?? "" } };
    }
    case "activityTaskTimedOutEventAttributes":
      return ofScheduled("activity.timed-out", attributes.value.scheduledEventId);
    case "activityTaskCanceledEventAttributes":
      return ofScheduled("activity.canceled", attributes.value.scheduledEventId);
    default:
      return null;
  }
}

/** Of a failure, so much is told. */
const messageLettersMax = 500;

const types: { readonly [kind: string]: StreamEventType } = {
  "approval-requested": "approval.requested",
  "approval-vote": "approval.voted",
  "approval-changed": "approval.changed",
  "approval-closed": "approval.closed",
  "policy-published": "policy.published",
  "policy-rolled-back": "policy.rolled-back",
};

/** What the ledger says of approvals and policies. */
function recordedBy({ ledger, putApprovals }: Change): readonly Happened[] {
  return ledger.flatMap(({ kind, at, namespaceId, body }): readonly Happened[] => {
    const type = types[kind];
    if (type === undefined) return [];
    const said = JSON.parse(Buffer.from(body).toString()) as { readonly [field: string]: unknown };
    if (namespaceId === serverNamespaceId) {
      const { snapshot_before, snapshot_after, publication } = said;
      return [{ ...nothing, type, at, details: { snapshot_before, snapshot_after, publication } }];
    }
    const { approval: id, change, status, verdict } = said;
    const stored = putApprovals.find((one) => one.id === id);
    if (stored === undefined) return [];
    const { workflowId, workflowType, runId, topic } = decodeApproval({ ...stored, version: stored.expectedVersion + 1 });
    return [{ type, at, namespaceId, workflowId, workflowType, runId, topic, details: { approval_id: id, change, status, verdict } }];
  });
}
