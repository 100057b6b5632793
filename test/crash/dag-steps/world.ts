import { setMaxListeners } from "node:events";
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { taskQueue } from "./workflows.ts";

// Everything around the server while it dies: workers over HTTP, an endpoint that is called, and whoever asks. All of it asks again until there
// is an answer.

export type World = {
  readonly endpoint: string;
  /** What was done for a run: job ids without the run, one for each attempt that reached a worker; and the keys of requests. */
  effectsOf(runId: string): readonly string[];
  /** Asks until there is an answer. 409 is one: it was done before, and the answer did not arrive. */
  ask<T>(method: string, path: string, given?: { readonly body?: unknown; readonly as?: string; readonly key?: string }): Promise<T>;
  end(): Promise<void>;
};

const workers = 4;
const againAfterMs = 15;

type Lease = {
  readonly lease: string;
  readonly workflow_id: string;
  readonly activity_id: string;
  readonly activity_type: string;
  readonly input: readonly unknown[];
};

export async function openWorld(httpPort: number): Promise<World> {
  const api = `http://127.0.0.1:${httpPort}/api/v1`;
  const effects = new Map<string, string[]>();
  const did = (runId: string, action: string): void => {
    effects.set(runId, [...(effects.get(runId) ?? []), action]);
  };
  const over = new AbortController();
  // Each request under way listens.
  setMaxListeners(0, over.signal);

  const endpoint = createServer((request, response) => {
    const key = String(request.headers["idempotency-key"] ?? "");
    const at = key.lastIndexOf(":");
    did(key.slice(0, at), key.slice(at + 1));
    response.end("{}");
  });
  await new Promise<void>((resolve) => void endpoint.listen(0, "127.0.0.1", resolve));
  const address = endpoint.address();
  if (address === null || typeof address === "string") throw new Error("the endpoint has no port");

  async function ask<T>(method: string, path: string, { body, as = "ada", key }: Parameters<World["ask"]>[2] = {}): Promise<T> {
    const isText = typeof body === "string";
    const headers = {
      "x-principal-id": as,
      ...(body === undefined ? {} : { "content-type": isText ? "application/yaml" : "application/json" }),
      ...(key === undefined ? {} : { "idempotency-key": key }),
    };
    for (;;) {
      over.signal.throwIfAborted();
      const answer = await fetch(api + path, {
        method,
        headers,
        signal: over.signal,
        ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
      })
        .then(async (response) => ({ status: response.status, text: await response.text() }))
        .catch(() => null);
      if (answer !== null && answer.status < 500) {
        if (answer.status >= 400 && answer.status !== 409 && answer.status !== 410)
          throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
        return JSON.parse(answer.text === "" ? "null" : answer.text);
      }
      await delay(againAfterMs);
    }
  }

  async function work(): Promise<void> {
    for (;;) {
      const task = await ask<Lease | null>("POST", "/workers/lease", { body: { task_queue: taskQueue, wait_ms: 5_000 } });
      if (task === null) continue;
      did(task.workflow_id, task.activity_id);
      const failed = { error: { message: "it cannot be", type: "Impossible", retryable: false } };
      const outcome = task.activity_type === "job.fail" ? failed : { result: task.input[0] ?? null };
      await ask("POST", "/workers/complete", { body: { lease: task.lease, ...outcome } });
    }
  }
  const working = Array.from({ length: workers }, () =>
    work().catch((error: unknown) => {
      if (!over.signal.aborted) throw error;
    }),
  );

  return {
    endpoint: `http://127.0.0.1:${address.port}/`,
    effectsOf: (runId) => effects.get(runId) ?? [],
    ask,
    async end() {
      over.abort();
      await Promise.all(working);
      endpoint.closeAllConnections();
      endpoint.close();
    },
  };
}
