import { roughDuration } from "../../base/quantity.ts";
import { type DurationMs, minuteMs, secondMs } from "../../base/time.ts";
import type { QueueKey, Store } from "../../store/store.ts";
import type { Matching } from "../matching.ts";
import { type Checkup, counted, examplesMax, type Symptom } from "./symptom.ts";

/** A worker that restarts is back by then. */
const noWorkerAfter: DurationMs = 10 * secondMs;
const slowAfter: DurationMs = 5 * minuteMs;
const polledWithin: DurationMs = minuteMs;

/** Task queues whose tasks nobody takes, or not in time. */
export function taskQueues({
  store,
  matching,
}: {
  readonly store: Pick<Store, "readQueues" | "readTasks">;
  readonly matching: Pick<Matching, "isPolled" | "describe">;
}): Checkup {
  return async (now) => {
    const symptoms: Symptom[] = [];
    for (const { count, oldestEnqueuedAt: since, ...queue } of await store.readQueues()) {
      const isPolled = matching.isPolled(queue, polledWithin);
      if (now - since < (isPolled ? slowAfter : noWorkerAfter)) continue;
      const rows = await store.readTasks(queue, null, examplesMax);
      const named = `${queue.type} task queue \`${queue.taskQueue}\``;
      const { pollers } = matching.describe(queue);
      const about = { namespaceId: queue.namespaceId, since, count, examples: rows.map(({ run }) => run) };
      const executed = `nothing of ${count === 1 ? "this task" : "these tasks"}: each starts when a worker takes it`;
      symptoms.push(
        isPolled
          ? {
              ...about,
              kind: "slow-workers",
              severity: "warning",
              what: `${counted(count, "task")} in the ${named} for up to ${roughDuration(now - since)}`,
              why: `${counted(pollers.length, "worker")} came for tasks within the last minutes, and could not keep up`,
              executed,
              safe: "start more workers for this task queue; give those there are more slots or a higher rate",
            }
          : {
              ...about,
              kind: "no-worker",
              severity: "critical",
              what: `no worker polls the ${named}, where ${counted(count, "task")} ${count === 1 ? "waits" : "wait"}`,
              why: lastSeen(queue, pollers),
              executed,
              safe: "start a worker for this task queue: what waits goes on by itself, and nothing has to be started again",
            },
      );
    }
    return symptoms;
  };
}

function lastSeen({ taskQueue }: QueueKey, pollers: ReturnType<Matching["describe"]>["pollers"]): string {
  const [last] = [...pollers].sort((a, b) => b.lastAccessTime - a.lastAccessTime);
  return last === undefined
    ? `no worker has polled \`${taskQueue}\` within the last five minutes: it is not running, cannot reach the server, or polls another task queue or namespace`
    : `the last to poll it was \`${last.identity}\`, at ${new Date(last.lastAccessTime).toISOString()}`;
}
