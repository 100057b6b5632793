import { randomUUID } from "node:crypto";
import type { Grant } from "../src/access/principal.ts";
import { dayMs } from "../src/base/time.ts";
import { defaultConfig } from "../src/config/config.ts";
import { type HttpLimits, startHttpEdge } from "../src/edge/http/server.ts";
import type { RestOptions } from "../src/edge/rest/hooks.ts";
import { refuseMetrics } from "../src/edge/rest/metrics-access.ts";
import { createRestApi } from "../src/edge/rest/rest.ts";
import { credentialsOf } from "../src/edge/temporal/credentials.ts";
import { startTemporalEdge, type TemporalEdgeLimits } from "../src/edge/temporal/server.ts";
import { type AccessOptions, openAccess } from "../src/service/access/access.ts";
import type { ApiKey } from "../src/service/access/directory.ts";
import type { Manager, WantedKey } from "../src/service/access/keys.ts";
import { openSession } from "../src/service/access/session.ts";
import { createSystemClock } from "../src/service/clock.ts";
import { type Core, type CoreOptions, startCore } from "../src/service/core.ts";
import { openSqlite } from "../src/store/sqlite/sqlite.ts";
import type { Store } from "../src/store/store.ts";
import { createLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import type { ServerTls } from "../src/tls/server-tls.ts";

// A whole server on loopback that asks everybody who they are, with both ports, whose log and metrics a test reads. Keys are made without asking the
// API, which has tests of its own.

export type GuardedServer = {
  readonly core: Core;
  readonly store: Store;
  /** `host:port` */
  readonly grpc: string;
  readonly http: string;
  /** Everything that was logged, as it was written. */
  log(): string;
  metrics(): string;
  /** Makes a key, of a service and without an end unless it is said. */
  key(wanted: Partial<WantedKey> & { readonly grants: readonly Grant[] }): Promise<{ readonly key: ApiKey; readonly text: string }>;
  revoke(key: ApiKey): Promise<void>;
  stop(): Promise<void>;
};

/** Whoever runs the tests may do everything. */
export const root: Manager = { id: "root", authority: openSession.authority };

export type GuardedServerOptions = {
  readonly access?: Partial<AccessOptions>;
  readonly core?: Partial<CoreOptions>;
  readonly rest?: Partial<RestOptions>;
  readonly http?: Partial<HttpLimits>;
  readonly grpc?: Partial<TemporalEdgeLimits>;
  /** Of both ports; without it they speak in the clear. */
  readonly tls?: ServerTls;
};

/** With the namespace `default` and whatever others are wanted. */
export async function startGuardedServer(
  others: readonly string[],
  { access, core: coreOptions, rest, http: httpLimits, grpc, tls }: GuardedServerOptions = {},
): Promise<GuardedServer> {
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
    namespaces: ["default", ...others].map((name) => ({ name, retention: dayMs, searchAttributes: {} })),
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
    tls: tls ?? null,
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
    tls: tls ?? null,
  });
  let keys = 0;
  return {
    core,
    store,
    grpc: temporal.address,
    http: http.address,
    log: () => written.join(""),
    metrics: () => metrics.render(),
    key: async (wanted) => {
      const name = `key-${++keys}`;
      const made = await core.access.keys.create(root, {
        name,
        principal: name,
        kind: "service",
        taskQueues: null,
        expiresAt: null,
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
