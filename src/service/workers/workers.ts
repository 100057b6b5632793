import { ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import { isServerTaskQueue } from "../built-in/server-task-queue.ts";
import type { Matching } from "../matching.ts";
import type { Namespaces } from "../namespaces.ts";

export type WorkerSeen = {
  /** As it calls itself. */
  readonly workerId: string;
  /** Where it came for activity tasks, in their order. */
  readonly taskQueues: readonly string[];
  readonly lastSeenAt: EpochMs;
};

/** Who came for activity tasks since this server started, as long as matching remembers them: over gRPC and over HTTP. */
export type Workers = {
  /** Those of a namespace, the one that came last first. */
  list(namespace: string): Result<readonly WorkerSeen[], Refusal>;
};

export function createWorkers({
  matching,
  namespaces,
}: {
  readonly matching: Pick<Matching, "queues" | "describe">;
  readonly namespaces: Pick<Namespaces, "get">;
}): Workers {
  return {
    list: (namespace) => {
      const found = namespaces.get(namespace);
      if (!found.ok) return found;
      const { id } = found.value;
      const seen = new Map<string, { readonly taskQueues: string[]; lastSeenAt: EpochMs }>();
      // Each SDK worker also has a sticky queue of its own for workflow tasks, which would tell nobody anything.
      const queues = matching.queues().filter(({ namespaceId, type }) => namespaceId === id && type === "activity");
      for (const queue of queues.filter(({ taskQueue }) => !isServerTaskQueue(taskQueue))) {
        for (const { identity, lastAccessTime } of matching.describe(queue).pollers) {
          const worker = seen.get(identity) ?? { taskQueues: [], lastSeenAt: 0 };
          seen.set(identity, worker);
          worker.taskQueues.push(queue.taskQueue);
          worker.lastSeenAt = Math.max(worker.lastSeenAt, lastAccessTime);
        }
      }
      return ok(
        [...seen]
          .map(([workerId, { taskQueues, lastSeenAt }]) => ({ workerId, taskQueues: taskQueues.sort(), lastSeenAt }))
          .sort((a, b) => b.lastSeenAt - a.lastSeenAt),
      );
    },
  };
}
