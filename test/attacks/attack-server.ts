import { randomUUID } from "node:crypto";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { connect, type Socket } from "node:net";
import type { Grant } from "../../src/access/principal.ts";
import { dayMs } from "../../src/base/time.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { type HttpLimits, startHttpEdge } from "../../src/edge/http/server.ts";
import type { RestOptions } from "../../src/edge/rest/hooks.ts";
import { refuseMetrics } from "../../src/edge/rest/metrics-access.ts";
import { createRestApi } from "../../src/edge/rest/rest.ts";
import { credentialsOf } from "../../src/edge/temporal/credentials.ts";
import { startTemporalEdge, type TemporalEdgeLimits } from "../../src/edge/temporal/server.ts";
import { type AccessOptions, openAccess } from "../../src/service/access/access.ts";
import type { ApiKey } from "../../src/service/access/directory.ts";
import type { Manager, WantedKey } from "../../src/service/access/keys.ts";
import { openSession } from "../../src/service/access/session.ts";
import { createSystemClock } from "../../src/service/clock.ts";
import { type Core, type CoreOptions, startCore } from "../../src/service/core.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

// What the tests of this folder share: a whole server on loopback that asks everybody who they are, whose log and metrics a test reads, and
// clients that send exactly what they are told to.

export type Target = {
  readonly core: Core;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly url: string;
  /** Everything that was logged, as it was written. */
  log(): string;
  metrics(): string;
  /** Makes a key, and gives its text. */
  key(grants: readonly Grant[], wanted?: Partial<WantedKey>): Promise<{ readonly key: ApiKey; readonly text: string }>;
  revoke(key: ApiKey): Promise<void>;
  stop(): Promise<void>;
};

/** Whoever runs the tests may do everything. */
export const root: Manager = { id: "root", authority: openSession.authority };

export const admin: readonly Grant[] = [{ namespaces: ["*"], roles: ["admin"] }];
export const inTenant = (namespace: string, ...roles: readonly string[]): readonly Grant[] => [{ namespaces: [namespace], roles }];

export type TargetOptions = {
  readonly access?: Partial<AccessOptions>;
  readonly core?: Partial<CoreOptions>;
  readonly rest?: Partial<RestOptions>;
  readonly http?: Partial<HttpLimits>;
  readonly grpc?: Partial<TemporalEdgeLimits>;
};

/** With the namespaces `default` and `other`. */
export async function startTarget({ access, core: coreOptions, rest, http: httpLimits, grpc }: TargetOptions = {}): Promise<Target> {
  const written: string[] = [];
  const log = createLog({ level: "debug", format: "json" }, { write: (line) => written.push(line) });
  const metrics = createMetrics();
  const store = await openSqlite({ path: ":memory:" });
  const core = await startCore({
    store,
    clock: createSystemClock(),
    log,
    metrics,
    limits: defaultConfig.limits,
    longPoll: { poll: 20_000, history: 20_000, update: 20_000 },
    newId: randomUUID,
    namespaces: ["default", "other"].map((name) => ({ name, retention: dayMs, searchAttributes: {} })),
    retention: true,
    access: { ...openAccess, required: true, ...access },
    ...coreOptions,
  });
  const temporal = await startTemporalEdge({
    services: core.services,
    access: { authenticate: (call) => core.access.authenticate(credentialsOf(call)), lookup: core.access.lookup },
    host: "127.0.0.1",
    port: 0,
    log,
    metrics,
    limits: grpc ?? {},
  });
  const api = () =>
    createRestApi({ services: core, options: { ...defaultConfig.api, requestsPerSecond: null, ...rest }, metrics, log: log.child("api") });
  const http = await startHttpEdge({
    host: "127.0.0.1",
    port: 0,
    ready: () => true,
    metrics,
    api,
    log,
    refuseMetrics: (request) => refuseMetrics(request, core.access),
    limits: httpLimits ?? {},
    refused: (limit) => metrics.refusedByLimit.add(1, "http", limit),
  });
  let keys = 0;
  return {
    core,
    grpcPort: temporal.port,
    httpPort: Number(http.address.split(":").at(-1)),
    url: `http://${http.address}`,
    log: () => written.join(""),
    metrics: () => metrics.render(),
    key: async (grants, wanted = {}) => {
      const name = `key-${++keys}`;
      const made = await core.access.keys.create(root, {
        name,
        principal: name,
        kind: "service",
        taskQueues: null,
        expiresAt: null,
        grants,
        ...wanted,
      });
      if (!made.ok) throw new Error(JSON.stringify(made.error));
      return made.value;
    },
    revoke: async ({ id }) => {
      const revoked = await core.access.keys.revoke(root, id);
      if (!revoked.ok) throw new Error(revoked.error.kind);
    },
    stop: async () => {
      core.stream.end();
      await temporal.stop();
      await http.stop();
      await core.stop();
      await store.close();
    },
  };
}

export type RawAnswer = { readonly status: number; readonly text: string };

/** Sends these bytes over TCP, from an address of loopback, and reads until the server closes. Status 0: it closed without an answer. */
export function sendRaw(port: number, bytes: string | Buffer, { address = "127.0.0.1", patience = 10_000 } = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress: address });
    const parts: Buffer[] = [];
    const impatience = setTimeout(() => socket.destroy(new Error("the server did not close")), patience);
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (part) => parts.push(part));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("close", () => {
      clearTimeout(impatience);
      const text = Buffer.concat(parts).toString();
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text });
    });
  });
}

/** A request whose lines are as given, and after which the connection ends. */
export const request = (lines: readonly string[], body = ""): string => `${[...lines, "connection: close"].join("\r\n")}\r\n\r\n${body}`;

export type Ended = { readonly code: number; readonly message: string };

/** One gRPC call with these bytes as its message. */
export function grpcCall(
  port: number,
  path: string,
  message: Uint8Array,
  headers: { readonly [name: string]: string } = {},
  { address = "127.0.0.1", signal }: { readonly address?: string; readonly signal?: AbortSignal } = {},
): Promise<Ended> {
  const socket: Socket = connect({ host: "127.0.0.1", port, localAddress: address });
  const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => socket });
  session.on("error", () => {});
  return new Promise((resolve) => {
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
    let ended: Ended = { code: -1, message: "no status" };
    const read = (given: IncomingHttpHeaders): void => {
      if (given["grpc-status"] !== undefined)
        ended = { code: Number(given["grpc-status"]), message: decodeURI(String(given["grpc-message"] ?? "")) };
    };
    stream
      .on("response", read)
      .on("trailers", read)
      .on("data", () => {});
    stream.on("error", () => {});
    stream.on("close", () => {
      session.destroy();
      resolve(ended);
    });
    signal?.addEventListener("abort", () => session.destroy());
    stream.end(frame(message));
  });
}

export function frame(message: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export const workflowService = "/temporal.api.workflowservice.v1.WorkflowService";
