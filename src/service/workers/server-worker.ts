import { setTimeout as delay } from "node:timers/promises";
import type { Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Refusal } from "../../protocol/refusal.ts";
import type { QueueKey } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Matching } from "../matching.ts";
import type { Caller } from "../services.ts";

/** A worker inside of the server. */
export type ServerWorker = {
  /** Takes no more tasks. Resolves when those under way have ended. */
  drain(): Promise<void>;
  /** Takes no more tasks, aborts those under way, and resolves when they have ended. */
  stop(): Promise<void>;
};

/** Tasks under way in one namespace, so that none takes all. */
const perNamespaceMax = 16;
/** How long a namespace whose task could not be had waits for the next try. */
const retryAfterMs: DurationMs = secondMs;

/**
 * Works on one task queue in every namespace. It is told where something waits and polls nowhere else, so that it costs nothing while
 * there is nothing to do; namespaces take turns. `take` polls without waiting, null when nothing was there; `handle` never rejects for a
 * reason that lies in the task.
 */
export function createServerWorker<Task>(deps: {
  readonly matching: Pick<Matching, "watch">;
  readonly queue: Pick<QueueKey, "taskQueue" | "type">;
  /** Tasks under way in all namespaces together. */
  readonly concurrencyMax: number;
  readonly take: (queue: QueueKey) => Promise<Task | null>;
  readonly handle: (task: Task, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}): ServerWorker {
  const { matching, queue, concurrencyMax, take, handle, log } = deps;
  /** Queues in which something may wait, by namespace, in the order in which they get their turn. */
  const ready = new Map<string, QueueKey>();
  const active = new Map<string, number>();
  const underWay = new Set<Promise<void>>();
  const stopping = new AbortController();
  let draining = false;

  function told(key: QueueKey): void {
    if (draining) return;
    ready.set(key.namespaceId, key);
    pump();
  }

  function pump(): void {
    for (const [namespaceId, key] of ready) {
      if (draining || underWay.size >= concurrencyMax) return;
      const count = active.get(namespaceId) ?? 0;
      // It stays ready, and gets its turn when one of its tasks ends.
      if (count >= perNamespaceMax) continue;
      ready.delete(namespaceId);
      active.set(namespaceId, count + 1);
      const work = workOnce(key).finally(() => {
        underWay.delete(work);
        const left = (active.get(namespaceId) ?? 1) - 1;
        if (left > 0) active.set(namespaceId, left);
        else active.delete(namespaceId);
        pump();
      });
      underWay.add(work);
    }
  }

  async function workOnce(key: QueueKey): Promise<void> {
    let task: Task | null;
    try {
      task = await take(key);
    } catch (error) {
      log.warn("cannot take a task, trying again", { ...key }, error);
      setTimeout(() => told(key), retryAfterMs).unref();
      return;
    }
    if (task === null) return;
    // There may be more.
    told(key);
    await handle(task, stopping.signal).catch((error: unknown) => log.error("a task of the server's own failed", { ...key }, error));
  }

  matching.watch(queue, told);
  const drain = async (): Promise<void> => {
    draining = true;
    ready.clear();
    await Promise.all(underWay);
  };
  return {
    drain,
    stop: () => {
      stopping.abort();
      return drain();
    },
  };
}

/** How the server's own workers call themselves. */
export const serverIdentity = "holdfast-server";

/** Whoever calls from inside asks for what is there now. */
export const here = (): Caller => ({ clientName: serverIdentity, clientVersion: "", deadline: Date.now(), signal: never });
const never = new AbortController().signal;

const answersMax = 5;
const answerAgainAfterMs: DurationMs = secondMs;

/**
 * Answers `what` until the server has heard it: a store that fails now may be back soon. Refused for another reason, it has timed out, its
 * run is gone, or it comes again as another task.
 */
export function answerUntilHeard(log: Log, what: string): (respond: () => Promise<Result<unknown, Refusal>>) => Promise<void> {
  return async (respond) => {
    for (let time = 1; ; time++) {
      const answered = await respond().catch((error: unknown) => {
        log.warn(`cannot answer ${what}, trying again`, {}, error);
        return null;
      });
      if (answered !== null && (answered.ok || answered.error.kind !== "unavailable")) return;
      if (time >= answersMax) return;
      await delay(answerAgainAfterMs, undefined, { ref: false });
    }
  };
}
