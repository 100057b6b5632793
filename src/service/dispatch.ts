import { present } from "../base/assert.ts";
import { type EpochMs, toProtoTime } from "../base/time.ts";
import { isDispatchable, startActivity, startToCloseOf } from "../execution/activity.ts";
import { type Admission, type Marks, markedHeader } from "../execution/admission.ts";
import { applyAdmission, permitAttempt, scheduledAttributes, wantedActivity } from "../execution/admitted-activity.ts";
import type { Draft } from "../execution/execution.ts";
import { isRunning } from "../execution/execution.ts";
import { failRefused } from "../execution/held-action.ts";
import { sendUpdates } from "../execution/update.ts";
import { startWorkflowTask } from "../execution/workflow-task.ts";
import { eventsOutsideHistory } from "../execution/workflow-task-events.ts";
import { make } from "../protocol/codec.ts";
import { type PendingActivity, TaskToken, TaskToken_Kind } from "../protocol/generated/holdfast/state/v1/state.ts";
import type { Priority } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { TaskQueueKind } from "../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { History, type HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import {
  PollActivityTaskQueueResponse,
  PollWorkflowTaskQueueResponse,
} from "../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { BacklogTask, QueueKey, Store } from "../store/store.ts";
import { type Handout, type Matching, type Poll, priorityMax, type Reservation } from "./matching.ts";
import type { SafetyKernel } from "./policy/safety-kernel.ts";
import type { Quotas } from "./quotas/quotas.ts";
import { firstHistoryPage } from "./requests/history-pages.ts";
import { attachQueries, type QueryRegistry } from "./requests/query-registry.ts";
import type { Part, RunCell, Staged } from "./runs.ts";
import type { WithHistory } from "./services.ts";
import type { TaskTokens } from "./workers/task-token.ts";

export type WorkflowTaskHandout = WithHistory<PollWorkflowTaskQueueResponse>;

/** The worker whose completion is being committed: it can take tasks together with its answer. */
export type InlineWorker = {
  readonly runId: string;
  readonly poll: Poll;
  readonly returnNewWorkflowTask: boolean;
  /** Filled in by the stage. */
  workflowTask: (() => Promise<WorkflowTaskHandout>) | null;
  readonly activityTasks: (() => Promise<PollActivityTaskQueueResponse>)[];
};

/** As many activities as a worker reserves slots for. */
const eagerActivitiesMax = 3;
const defaultPriority = 3;
/** 1 is the most urgent. What an activity does not say it has from its run. Source: temporal.api.common.v1.Priority. */
const priorityOf = (...said: readonly (Priority | undefined)[]): number => {
  const key = said.find((priority) => priority !== undefined && priority.priorityKey !== 0)?.priorityKey ?? defaultPriority;
  return Math.min(Math.max(key, 1), priorityMax);
};

export type Dispatch = {
  /** Hands tasks that became due to waiting workers, or makes rows of them. */
  stage(parts: readonly Part[], inline: InlineWorker | undefined): Staged;
  /**
   * Starts a task for a worker, if its run still wants it and the policy permits it; null otherwise. To be committed with the draft in
   * either case. `scheduled` is the event that scheduled an activity, needed when it has to be decided anew.
   */
  handOut(
    cell: RunCell,
    draft: Draft,
    task: Pick<BacklogTask, "type" | "scheduledEventId" | "stamp">,
    poll: Poll,
    scheduled?: HistoryEvent | null,
  ): Handout | null;
  /** Whether an activity has to be decided anew before a worker gets it. */
  mustDecide(draft: Pick<Draft, "activities"> & { readonly base: Pick<Draft["base"], "activities"> }, scheduledEventId: number): boolean;
};

export function createDispatch(deps: {
  readonly store: Pick<Store, "readHistory">;
  readonly matching: () => Matching;
  readonly queries: QueryRegistry;
  readonly kernel: SafetyKernel;
  readonly tokens: TaskTokens;
  readonly speculative: (cell: RunCell, queue: QueueKey) => void;
  readonly quotas: Pick<Quotas, "takeActivity">;
}): Dispatch {
  const { store, matching, queries, kernel, tokens, quotas } = deps;
  let order = 0;
  /** Grows from task to task, and from process to process with the clock. */
  const nextOrder = (now: EpochMs): number => {
    order = Math.max(order + 1, now * 1000);
    return order;
  };

  /** The one place where a task is given to a worker. */
  const handOut: Dispatch["handOut"] = (cell, draft, task, poll, scheduled = null) => {
    if (!isRunning(draft)) return null;
    if (task.type === "workflow") {
      const pending = draft.core.workflowTask;
      if (pending === undefined || pending.startedEventId !== 0 || pending.scheduledEventId !== task.scheduledEventId) return null;
      return handOutWorkflowTask(cell, draft, poll);
    }
    if (!isDispatchable(draft, task.scheduledEventId, task.stamp)) return null;
    const activity = present(draft.activities.get(task.scheduledEventId), "pending activity");
    if (!mustDecide(draft, task.scheduledEventId)) return handOutActivityTask(draft, task.scheduledEventId, poll, null);
    const permission = permit(draft, activity, scheduled);
    return permission && handOutActivityTask(draft, task.scheduledEventId, poll, permission.marks);
  };

  /** What was scheduled in this very draft has just been decided; what is limited asks for room whenever a worker is about to get it. */
  const mustDecide: Dispatch["mustDecide"] = (draft, scheduledEventId) => {
    const activity = draft.activities.get(scheduledEventId);
    if (activity === undefined) return false;
    return activity.limited || (draft.base.activities.has(scheduledEventId) && kernel.needsDecision(activity));
  };

  /** Decides an attempt by the policy now in force. What it refuses fails, waits or is delayed in this very draft: null. */
  function permit(draft: Draft, activity: PendingActivity, scheduled: HistoryEvent | null): Pick<Admission, "marks"> | null {
    const wanted = wantedActivity(activity, scheduledAttributes(scheduled ?? undefined));
    // Decided before under what is in force, it is here for the room it needs: the delay of its rule is over.
    const waited = kernel.needsDecision(activity) ? {} : { waitedUnder: activity.policySnapshot };
    const admission = kernel.admit({ ...wanted, ...waited }, draft);
    if (admission.effect === "allow") {
      permitAttempt(draft, activity, admission);
      return admission;
    }
    applyAdmission(draft, activity.scheduledEventId, admission, { eager: false });
    failRefused(draft);
    return null;
  }

  function handOutWorkflowTask(cell: RunCell, draft: Draft, poll: Poll): () => Promise<WorkflowTaskHandout> {
    startWorkflowTask(draft, poll);
    const messages = sendUpdates(draft);
    const task = present(draft.core.workflowTask, "workflow task");
    const attached = attachQueries(queries, cell, task.startedEventId);
    const { core, started, key } = draft;
    const sticky = task.taskQueue?.kind === TaskQueueKind.STICKY;
    const tail = eventsOutsideHistory(draft);
    const lastInHistory = core.nextEventId - 1;
    const response = make(PollWorkflowTaskQueueResponse, {
      taskToken: tokens.encode({
        ...make(TaskToken),
        ...key,
        kind: TaskToken_Kind.WORKFLOW_TASK,
        scheduledEventId: task.scheduledEventId,
        startedEventId: task.startedEventId,
        attempt: task.attempt,
        startedTime: task.startedTime,
      }),
      workflowExecution: { workflowId: key.workflowId, runId: key.runId },
      workflowType: started.workflowType,
      previousStartedEventId: core.lastCompletedStartedEventId,
      startedEventId: task.startedEventId,
      attempt: task.attempt,
      workflowExecutionTaskQueue: started.taskQueue,
      scheduledTime: new Date(task.scheduledTime),
      startedTime: new Date(task.startedTime),
      queries: attached,
      messages,
    });
    const fromEventId = sticky ? core.lastCompletedStartedEventId + 1 : 1;
    return async () => {
      const page = await firstHistoryPage(store, key, { fromEventId, toEventId: lastInHistory, tail });
      return { response: { ...response, nextPageToken: page.nextPageToken }, history: page.bytes };
    };
  }

  /** The worker reads in the header what was decided last, also when the event that scheduled the activity says something older. */
  function handOutActivityTask(
    draft: Draft,
    scheduledEventId: number,
    poll: Poll,
    marks: Marks | null,
  ): () => Promise<PollActivityTaskQueueResponse> {
    const activity = startActivity(draft, present(draft.activities.get(scheduledEventId), "pending activity"), poll);
    const { key, started, context } = draft;
    const fresh = draft.batches.flat().find((event) => event.eventId === scheduledEventId);
    return async () => {
      const scheduled = scheduledAttributes(fresh ?? (await readEvent(store, key, scheduledEventId)));
      return make(PollActivityTaskQueueResponse, {
        taskToken: tokens.encode({
          ...make(TaskToken),
          ...key,
          kind: TaskToken_Kind.ACTIVITY_TASK,
          scheduledEventId,
          attempt: activity.attempt,
          stamp: activity.stamp,
        }),
        workflowNamespace: context.namespaceName,
        workflowType: started.workflowType,
        workflowExecution: { workflowId: key.workflowId, runId: key.runId },
        activityType: scheduled.activityType,
        activityId: scheduled.activityId,
        header: markedHeader(scheduled.header, marks),
        input: scheduled.input,
        heartbeatDetails: activity.heartbeatDetails,
        scheduledTime: new Date(activity.scheduledTime),
        currentAttemptScheduledTime: new Date(activity.attemptScheduledTime),
        startedTime: new Date(activity.startedTime),
        attempt: activity.attempt,
        scheduleToCloseTimeout: toProtoTime(activity.scheduleToCloseTimeout),
        startToCloseTimeout: toProtoTime(startToCloseOf(activity)),
        heartbeatTimeout: toProtoTime(activity.heartbeatTimeout),
        retryPolicy: activity.retryPolicy,
        priority: activity.priority,
      });
    };
  }

  return {
    handOut,
    mustDecide,
    stage: (parts, inline) => {
      const putTasks: BacklogTask[] = [];
      const reserved: { readonly reservation: Reservation; readonly handout: Handout }[] = [];
      const offers: (() => void)[] = [];
      const rooms: (() => void)[] = [];

      const place = (
        cell: RunCell,
        draft: Draft,
        due: {
          type: "workflow" | "activity";
          scheduledEventId: number;
          stamp: number;
          taskQueue: string;
          priority: number;
          decided: boolean;
        },
      ) => {
        const queue: QueueKey = { namespaceId: cell.key.namespaceId, taskQueue: due.taskQueue, type: due.type };
        // What has to be decided anew takes the way over the backlog, where its event is read first.
        const reservation = due.decided ? matching().reserve(queue) : null;
        if (reservation !== null) {
          const handout = handOut(cell, draft, due, reservation.poll);
          if (handout === null) reservation.release();
          else reserved.push({ reservation, handout });
          return;
        }
        if (due.type === "workflow" && draft.core.workflowTask?.speculative) offers.push(() => deps.speculative(cell, queue));
        else
          putTasks.push({
            run: cell.key,
            ...queue,
            scheduledEventId: due.scheduledEventId,
            stamp: due.stamp,
            priority: due.priority,
            order: nextOrder(draft.context.now),
            enqueuedAt: draft.context.now,
          });
      };

      for (const { cell, draft } of parts) {
        const own = inline?.runId === cell.key.runId ? inline : undefined;
        for (const due of draft.dueTasks) {
          if (due.type === "workflow") {
            const task = draft.core.workflowTask;
            if (!isRunning(draft) || task === undefined || task.startedEventId !== 0) continue;
            if (own?.returnNewWorkflowTask) own.workflowTask = handOutWorkflowTask(cell, draft, own.poll);
            else {
              const taskQueue = task.taskQueue?.name ?? "";
              place(cell, draft, {
                type: "workflow",
                scheduledEventId: task.scheduledEventId,
                stamp: task.attempt,
                taskQueue,
                priority: priorityOf(draft.started.priority),
                decided: true,
              });
            }
          } else {
            const activity = draft.activities.get(due.scheduledEventId);
            if (activity === undefined || !isDispatchable(draft, due.scheduledEventId, activity.stamp)) continue;
            const { taskQueue, stamp, scheduledEventId, priority } = activity;
            const eager =
              due.eager &&
              own !== undefined &&
              own.activityTasks.length < eagerActivitiesMax &&
              !activity.limited &&
              taskQueue === draft.started.taskQueue?.name;
            const room = eager ? quotas.takeActivity(cell.key.namespaceId) : null;
            if (room !== null) rooms.push(room);
            if (eager && room !== null) own.activityTasks.push(handOutActivityTask(draft, scheduledEventId, own.poll, null));
            else
              place(cell, draft, {
                type: "activity",
                scheduledEventId,
                stamp,
                taskQueue,
                priority: priorityOf(priority, draft.started.priority),
                decided: !mustDecide(draft, scheduledEventId),
              });
          }
        }
      }
      return {
        putTasks,
        limits: [],
        committed: () => {
          for (const { reservation, handout } of reserved) reservation.deliver(handout);
          for (const task of putTasks) matching().added(task);
          for (const offer of offers) offer();
          for (const giveBack of rooms) giveBack();
        },
        failed: () => {
          for (const giveBack of rooms) giveBack();
          for (const { reservation } of reserved) reservation.release();
        },
      };
    },
  };
}

/** One event of a run. */
export async function readEvent(
  store: Pick<Store, "readHistory">,
  key: Parameters<Store["readHistory"]>[0],
  eventId: number,
): Promise<HistoryEvent | undefined> {
  const batches = await store.readHistory(key, { fromEventId: eventId, toEventId: eventId, eventsMax: 1 });
  return batches.flatMap(({ bytes }) => History.decode(bytes).events).find((event) => event.eventId === eventId);
}
