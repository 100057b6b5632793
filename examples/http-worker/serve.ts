// The three requests of a worker that needs nothing but Node: lease a task, keep it alive, complete it.

import { setTimeout as delay } from "node:timers/promises";

export type Task = {
  readonly lease: string;
  readonly job_id: string;
  readonly activity_type: string;
  readonly attempt: number;
  readonly input: readonly unknown[];
  readonly heartbeat_timeout_ms: number;
};

/** The work itself. What takes long looks at the signal, which says that nobody waits for the outcome any more. */
export type Work = (task: Task, signal: AbortSignal) => unknown;

/** The input is wrong: it would be wrong again, so that the task is not tried again. */
export class BadInput extends Error {}

export type Place = { readonly server?: string; readonly tenant?: string; readonly signal?: AbortSignal };

const workerId = `node-${process.pid}`;

/** Takes tasks of one task queue, one at a time, and does them until the signal is aborted. A server that is away is asked again. */
export async function serve(taskQueue: string, work: Work, place: Place = {}): Promise<void> {
  const {
    server = process.env.HOLDFAST_URL ?? "http://127.0.0.1:8081",
    tenant = process.env.HOLDFAST_TENANT ?? "default",
    signal = new AbortController().signal,
  } = place;

  async function ask<T>(path: string, body: object, until?: AbortSignal): Promise<T | null> {
    const response = await fetch(`${server}/api/v1/workers/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-tenant-id": tenant },
      body: JSON.stringify({ ...body, worker_id: workerId }),
      ...(until === undefined ? {} : { signal: until }),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return response.status === 204 ? null : ((await response.json()) as T);
  }

  async function carryOut(task: Task): Promise<void> {
    const cancelled = new AbortController();
    const every = task.heartbeat_timeout_ms > 0 ? task.heartbeat_timeout_ms / 3 : 10_000;
    const beats = setInterval(() => {
      ask<{ cancel_requested: boolean }>("heartbeat", { lease: task.lease }).then(
        (heard) => heard?.cancel_requested === true && cancelled.abort(),
        (error: unknown) => console.error("heartbeat:", error),
      );
    }, every);
    const outcome = await Promise.resolve()
      .then(() => work(task, cancelled.signal))
      .then((result) => ({ result }))
      .catch((error: Error) =>
        cancelled.signal.aborted
          ? { cancelled: true }
          : { error: { message: error.message, type: error.constructor.name, retryable: !(error instanceof BadInput) } },
      );
    clearInterval(beats);
    await ask("complete", { lease: task.lease, ...outcome });
  }

  while (!signal.aborted) {
    try {
      const task = await ask<Task>("lease", { task_queue: taskQueue, wait_ms: 30_000 }, signal);
      if (task !== null) await carryOut(task);
    } catch (error) {
      if (signal.aborted) return;
      console.error(error);
      await delay(1_000);
    }
  }
}
