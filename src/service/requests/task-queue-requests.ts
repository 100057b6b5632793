import { ok } from "../../base/result.ts";
import { toProtoTime } from "../../base/time.ts";
import { timeOutWorkflowTask } from "../../execution/workflow-task.ts";
import { make } from "../../protocol/codec.ts";
import { TaskQueueType } from "../../protocol/generated/temporal/api/enums/v1/task_queue.ts";
import { TimeoutType } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import {
  PollerInfo,
  TaskQueuePartitionMetadata,
  TaskQueueStats,
  TaskQueueStatus,
} from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { DescribeTaskQueueResponse } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { QueueKey } from "../../store/store.ts";
import type { Engine } from "../engine.ts";
import type { Services } from "../services.ts";
import { clusterName } from "./system-info.ts";

/** Who polls a task queue, and what waits there. */
export const describeTaskQueue =
  ({ namespaces, matching }: Engine): Services["describeTaskQueue"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const type = request.taskQueueType === TaskQueueType.ACTIVITY ? "activity" : "workflow";
    const info = matching.describe({ namespaceId: namespace.value.id, taskQueue: request.taskQueue?.name ?? "", type });
    return ok(
      make(DescribeTaskQueueResponse, {
        pollers: info.pollers.map(({ identity, lastAccessTime, ratePerSecond }) =>
          make(PollerInfo, { identity, ratePerSecond, lastAccessTime: new Date(lastAccessTime) }),
        ),
        stats: request.reportStats
          ? make(TaskQueueStats, {
              approximateBacklogCount: info.backlogCount,
              approximateBacklogAge: toProtoTime(info.backlogAge),
              tasksAddRate: info.addRate,
              tasksDispatchRate: info.dispatchRate,
            })
          : undefined,
        taskQueueStatus: request.includeTaskQueueStatus ? make(TaskQueueStatus, { backlogCountHint: info.backlogCount }) : undefined,
      }),
    );
  };

/** A task queue is one partition here. */
export const listTaskQueuePartitions =
  ({ namespaces }: Engine): Services["listTaskQueuePartitions"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const partition = make(TaskQueuePartitionMetadata, { key: request.taskQueue?.name ?? "", ownerHostName: clusterName });
    return ok({ activityTaskQueuePartitions: [partition], workflowTaskQueuePartitions: [partition] });
  };

/** A worker goes: what waits on its sticky queue is for any worker from now on. */
export const shutdownWorker =
  ({ namespaces, matching, store, runs }: Engine): Services["shutdownWorker"] =>
  async (request) => {
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    if (request.stickyTaskQueue === "") return ok({});
    const queue: QueueKey = { namespaceId: namespace.value.id, taskQueue: request.stickyTaskQueue, type: "workflow" };
    matching.forget(queue);
    const waiting = await store.readTasks(queue, null, stickyTasksMax);
    for (const task of waiting) {
      await runs.transact(task.run, (draft) => {
        const pending = draft.core.workflowTask;
        if (pending?.taskQueue?.name === request.stickyTaskQueue && pending.startedEventId === 0)
          timeOutWorkflowTask(draft, TimeoutType.SCHEDULE_TO_START);
        return ok(undefined);
      });
    }
    return ok({});
  };

/** What a worker leaves behind beyond this goes back by its schedule-to-start time-out. */
const stickyTasksMax = 1_000;
