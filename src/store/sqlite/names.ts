import type { Database } from "better-sqlite3";
import { assert, present } from "../../base/assert.ts";
import type { QueueKey, TaskType } from "../store.ts";
import { Lru } from "./lru.ts";

const namesCachedMax = 4096;

/** Source: temporal.api.enums.v1.TaskQueueType */
const taskTypeNumbers: { readonly [T in TaskType]: number } = { workflow: 1, activity: 2 };

export const encodeTaskType = (type: TaskType): number => taskTypeNumbers[type];
export function decodeTaskType(stored: number): TaskType {
  assert(stored === 1 || stored === 2, `task type ${stored} is unknown`);
  return stored === 1 ? "workflow" : "activity";
}

/** Queues of worker processes that are gone (sticky ones have random names) would pile up. */
export function removeUnusedQueues(db: Database): void {
  db.prepare("DELETE FROM queue_numbers WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE queue = number)").run();
}

/** Small numbers for the names that rows repeat. `find…` only looks, `number…` gives a new one where there is none. */
export type Names = ReturnType<typeof openNames>;

export function openNames(db: Database) {
  const namespaces = new Lru<number>(namesCachedMax);
  const namespaceIds = new Map<number, string>();
  const queues = new Lru<number>(namesCachedMax);
  const selectNamespace = db.prepare<[string], number>("SELECT number FROM namespace_numbers WHERE namespace_id = ?").pluck();
  const selectNamespaceId = db.prepare<[number], string>("SELECT namespace_id FROM namespace_numbers WHERE number = ?").pluck();
  const insertNamespace = db.prepare<[string], number>("INSERT INTO namespace_numbers (namespace_id) VALUES (?) RETURNING number").pluck();
  const selectQueue = db
    .prepare<[number, number, string], number>("SELECT number FROM queue_numbers WHERE namespace = ? AND type = ? AND name = ?")
    .pluck();
  const insertQueue = db
    .prepare<[number, number, string], number>("INSERT INTO queue_numbers (namespace, type, name) VALUES (?, ?, ?) RETURNING number")
    .pluck();

  function findNamespace(namespaceId: string): number | null {
    const number = namespaces.get(namespaceId) ?? selectNamespace.get(namespaceId);
    if (number === undefined) return null;
    namespaces.set(namespaceId, number);
    return number;
  }

  function findQueue({ namespaceId, type, taskQueue }: QueueKey): number | null {
    const key = JSON.stringify([namespaceId, type, taskQueue]);
    const cached = queues.get(key);
    if (cached !== undefined) return cached;
    const namespace = findNamespace(namespaceId);
    const number = namespace === null ? undefined : selectQueue.get(namespace, encodeTaskType(type), taskQueue);
    if (number === undefined) return null;
    queues.set(key, number);
    return number;
  }

  function numberNamespace(namespaceId: string): number {
    return findNamespace(namespaceId) ?? present(insertNamespace.get(namespaceId), "number of the namespace");
  }

  return {
    findNamespace,
    findQueue,
    numberNamespace,
    numberQueue(queue: QueueKey): number {
      return (
        findQueue(queue) ??
        present(insertQueue.get(numberNamespace(queue.namespaceId), encodeTaskType(queue.type), queue.taskQueue), "number of the queue")
      );
    },
    namespaceId(number: number): string {
      const known = namespaceIds.get(number);
      if (known !== undefined) return known;
      const namespaceId = present(selectNamespaceId.get(number), `namespace ${number}`);
      namespaceIds.set(number, namespaceId);
      return namespaceId;
    },
    /** After a rollback: numbers given in it are void. */
    forget(): void {
      namespaces.clear();
      namespaceIds.clear();
      queues.clear();
    },
  };
}
