import { createServer } from "node:http";
import { ApplicationFailure, activityInfo, heartbeat, sleep } from "@temporalio/activity";
import { Client, Connection } from "@temporalio/client";
import { NativeConnection, Worker } from "@temporalio/worker";
import { afterAll, beforeAll } from "vitest";
import { Holdfast } from "../../../src/main.ts";
import { taskQueue } from "./cells.ts";

// A server with its REST API, a worker of the published SDK, and an HTTP endpoint, all of which say what they were asked to do.

/** Something that was done for a run outside of it: a job id as a worker was given it, or the key of a request. */
export type Effect = { readonly runId: string; readonly action: string };

export type Answer = { readonly status: number; readonly body: unknown };

export type DagServer = {
  readonly client: Client;
  /** `http://127.0.0.1:1234`: `/ok` takes everything, `/refuse` nothing, `/hang` never answers. */
  readonly endpoint: string;
  readonly effects: readonly Effect[];
  /** Throws unless the answer is good. */
  ask<T>(method: string, path: string, body?: unknown, as?: string): Promise<T>;
};

/** Starts all of it before the first test of the file, and stops it after the last. */
export function dagServer(): DagServer {
  const effects: Effect[] = [];
  const did = (): void => {
    const { activityId, workflowExecution } = activityInfo();
    effects.push({ runId: workflowExecution?.workflowId ?? "", action: activityId });
  };
  const echo = async (input: unknown): Promise<unknown> => {
    did();
    return input;
  };
  const activities = {
    "job.echo": echo,
    "job.undo": echo,
    greet: async () => {
      did();
      return "hello";
    },
    "job.fail": async () => {
      did();
      throw ApplicationFailure.nonRetryable("it cannot be", "Impossible");
    },
    "job.slow": async () => {
      did();
      for (;;) {
        heartbeat();
        await sleep(10);
      }
    },
  };
  const endpoint = createServer((request, response) => {
    const key = String(request.headers["idempotency-key"] ?? "");
    const [, runId = "", action = ""] = /^(.*):([^:]+)$/.exec(key) ?? [];
    effects.push({ runId, action });
    if (request.url === "/hang") return;
    response.writeHead(request.url === "/ok" ? 200 : 400, { "content-type": "application/json" });
    response.end('{"ok":true}');
  });

  let parts: {
    readonly server: Holdfast;
    readonly connection: NativeConnection;
    readonly worker: Worker;
    readonly running: Promise<void>;
    readonly client: Client;
    readonly url: string;
  };
  beforeAll(async () => {
    await new Promise<void>((resolve) => void endpoint.listen(0, "127.0.0.1", resolve));
    const address = endpoint.address();
    if (address === null || typeof address === "string") throw new Error("the endpoint has no port");
    const server = await Holdfast.start({
      db: ":memory:",
      port: 0,
      httpPort: 0,
      log: { level: "error" },
      routes: { "job.*": taskQueue },
      http: { allowPrivate: ["127.0.0.1"] },
      notify: { allowPrivate: ["127.0.0.1"] },
    });
    const connection = await NativeConnection.connect({ address: server.address });
    const worker = await Worker.create({ connection, taskQueue, activities, shutdownGraceTime: "100ms" });
    const client = new Client({ connection: await Connection.connect({ address: server.address }) });
    parts = { server, connection, worker, running: worker.run(), client, url: `http://127.0.0.1:${address.port}` };
  });
  afterAll(async () => {
    parts.worker.shutdown();
    await parts.running;
    await parts.connection.close();
    await parts.client.connection.close();
    await parts.server.stop();
    endpoint.closeAllConnections();
    endpoint.close();
  });

  return {
    get client() {
      return parts.client;
    },
    get endpoint() {
      return parts.url;
    },
    effects,
    async ask<T>(method: string, path: string, body?: unknown, as = "ada"): Promise<T> {
      const isText = typeof body === "string";
      const response = await fetch(`http://${parts.server.httpAddress}/api/v1${path}`, {
        method,
        headers: {
          "x-principal-id": as,
          ...(body === undefined ? {} : { "content-type": isText ? "application/yaml" : "application/json" }),
        },
        ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return JSON.parse(text === "" ? "{}" : text);
    },
  };
}
