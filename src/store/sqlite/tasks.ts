import type { Database } from "better-sqlite3";
import type { EpochMs } from "../../base/time.ts";
import type { BacklogTask, QueueKey, TaskKey, TaskType } from "../store.ts";
import { decodeTaskType, encodeTaskType, type Names } from "./names.ts";
import { decodeRunId, encodeRunId, type StoredRunId } from "./run-id.ts";

export type Tasks = ReturnType<typeof openTasks>;

/** The backlog of each task queue. */
export function openTasks(db: Database, names: Names) {
  const upsert = db.prepare<[number, number, number, number, number, number, number, EpochMs]>(
    "INSERT OR REPLACE INTO tasks (run, type, scheduled_event_id, queue, priority, task_order, stamp, enqueued_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const remove = db.prepare<[number, number, number]>("DELETE FROM tasks WHERE run = ? AND type = ? AND scheduled_event_id = ?");
  const selectOne = db
    .prepare<[StoredRunId, number, number], number>(
      "SELECT 1 FROM tasks WHERE run = (SELECT number FROM runs WHERE run_id = ?) AND type = ? AND scheduled_event_id = ?",
    )
    .pluck();
  const removeOfRun = db.prepare<[number]>("DELETE FROM tasks WHERE run = ?");

  type TaskRow = Pick<BacklogTask, "scheduledEventId" | "priority" | "order" | "stamp" | "enqueuedAt"> & {
    workflowId: string;
    runId: StoredRunId;
  };
  const select = db.prepare<[number, number, number, number], TaskRow>(
    `SELECT t.scheduled_event_id AS scheduledEventId, t.priority, t.task_order AS "order", t.stamp, t.enqueued_at AS enqueuedAt,
            r.workflow_id AS workflowId, r.run_id AS runId
     FROM tasks t INDEXED BY tasks_by_order CROSS JOIN runs r ON r.number = t.run
     WHERE t.queue = ? AND (t.priority, t.task_order) > (?, ?) ORDER BY t.priority, t.task_order LIMIT ?`,
  );
  const selectQueues = db.prepare<[], { namespace: number; type: number; taskQueue: string; count: number; oldestEnqueuedAt: EpochMs }>(
    `SELECT q.namespace, q.type, q.name AS taskQueue, t.count, t.oldestEnqueuedAt
     FROM (SELECT queue, count(*) AS count, min(enqueued_at) AS oldestEnqueuedAt FROM tasks GROUP BY queue) t JOIN queue_numbers q ON q.number = t.queue`,
  );

  return {
    put(run: number, task: BacklogTask): void {
      const queue = names.numberQueue(task);
      upsert.run(run, encodeTaskType(task.type), task.scheduledEventId, queue, task.priority, task.order, task.stamp, task.enqueuedAt);
    },
    delete: (run: number, { type, scheduledEventId }: { type: TaskType; scheduledEventId: number }): void =>
      void remove.run(run, encodeTaskType(type), scheduledEventId),
    read(
      { namespaceId, taskQueue, type }: QueueKey,
      after: { priority: number; order: number } | null,
      limit: number,
    ): readonly BacklogTask[] {
      const queue = names.findQueue({ namespaceId, taskQueue, type });
      if (queue === null) return [];
      const from = after ?? { priority: Number.MIN_SAFE_INTEGER, order: 0 };
      return select.all(queue, from.priority, from.order, limit).map(({ workflowId, runId, ...task }) => ({
        ...task,
        run: { namespaceId, workflowId, runId: decodeRunId(runId) },
        type,
        namespaceId,
        taskQueue,
      }));
    },
    has: ({ run, type, scheduledEventId }: TaskKey): boolean =>
      selectOne.get(encodeRunId(run.runId), encodeTaskType(type), scheduledEventId) !== undefined,
    readQueues: (): readonly (QueueKey & { readonly count: number; readonly oldestEnqueuedAt: EpochMs })[] =>
      selectQueues
        .all()
        .map(({ namespace, type, ...queue }) => ({ ...queue, namespaceId: names.namespaceId(namespace), type: decodeTaskType(type) })),
    removeOfRun: (run: number): void => void removeOfRun.run(run),
  };
}
