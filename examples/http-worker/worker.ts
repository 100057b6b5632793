// A worker that needs nothing but Node: takes jobs over HTTP, one at a time, and does them.
//
//     npx tsx worker.ts job.greet

import { setTimeout as delay } from "node:timers/promises";

const server = process.env.HOLDFAST_URL ?? "http://127.0.0.1:8081";
const tenant = process.env.HOLDFAST_TENANT ?? "default";
const workerId = `node-${process.pid}`;

type Task = {
  readonly lease: string;
  readonly job_id: string;
  readonly activity_type: string;
  readonly attempt: number;
  readonly input: readonly unknown[];
  readonly heartbeat_timeout_ms: number;
};

async function ask<T>(path: string, body: object): Promise<T | null> {
  const response = await fetch(`${server}/api/v1/workers/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-tenant-id": tenant },
    body: JSON.stringify({ ...body, worker_id: workerId }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response.status === 204 ? null : ((await response.json()) as T);
}

/** The input is wrong: it would be wrong again. */
class BadInput extends Error {}

/** The work itself. What takes long looks at the signal. */
async function greet({ input: [argument], attempt }: Task, signal: AbortSignal): Promise<object> {
  signal.throwIfAborted();
  const { name } = (argument ?? {}) as { readonly name?: string };
  if (name === undefined) throw new BadInput("whom to greet?");
  return { greeting: `Hello, ${name}!`, attempt };
}

async function work(task: Task): Promise<void> {
  const cancelled = new AbortController();
  const every = task.heartbeat_timeout_ms > 0 ? task.heartbeat_timeout_ms / 3 : 10_000;
  const beats = setInterval(() => {
    ask<{ cancel_requested: boolean }>("heartbeat", { lease: task.lease }).then(
      (heard) => heard?.cancel_requested === true && cancelled.abort(),
      (error: unknown) => console.error("heartbeat:", error),
    );
  }, every);
  const outcome = await greet(task, cancelled.signal)
    .then((result) => ({ result }))
    .catch((error: Error) =>
      cancelled.signal.aborted
        ? { cancelled: true }
        : { error: { message: error.message, type: error.constructor.name, retryable: !(error instanceof BadInput) } },
    );
  clearInterval(beats);
  await ask("complete", { lease: task.lease, ...outcome });
}

const taskQueue = process.argv[2] ?? "job.greet";
console.log(`${workerId} waits for ${taskQueue}`);
for (;;) {
  try {
    const task = await ask<Task>("lease", { task_queue: taskQueue, wait_ms: 30_000 });
    if (task === null) continue;
    console.log(task.activity_type, task.job_id);
    await work(task);
  } catch (error) {
    console.error(error);
    await delay(1_000);
  }
}
