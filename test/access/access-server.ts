import { randomUUID } from "node:crypto";
import type { CertificateMapping } from "../../src/access/certificate.ts";
import type { Grant } from "../../src/access/principal.ts";
import { type DurationMs, dayMs } from "../../src/base/time.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { startHttpEdge } from "../../src/edge/http/server.ts";
import { refuseMetrics } from "../../src/edge/rest/metrics-access.ts";
import { createRestApi } from "../../src/edge/rest/rest.ts";
import { credentialsOf } from "../../src/edge/temporal/credentials.ts";
import { startTemporalEdge } from "../../src/edge/temporal/server.ts";
import { snapshotFrom } from "../../src/governance/policy/policy.test-kit.ts";
import { openAccess } from "../../src/service/access/access.ts";
import type { ApiKey } from "../../src/service/access/directory.ts";
import { startTestIssuer, type TestIssuer } from "../../src/service/access/issuer.test-kit.ts";
import type { Manager, WantedKey } from "../../src/service/access/keys.ts";
import { openSession } from "../../src/service/access/session.ts";
import { createSystemClock } from "../../src/service/clock.ts";
import { type Core, startCore } from "../../src/service/core.ts";
import { createTaskTokens, type TaskTokens, taskTokenKey } from "../../src/service/workers/task-token.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { type Authority, authority, filesOf, forLoopback } from "../../src/tls/certificate.test-kit.ts";
import { openServerTls } from "../../src/tls/server-tls.ts";

// What the tests of this folder share: a whole server that asks everybody who they are, with both ports behind TLS, an issuer of tokens and an
// authority for certificates. Keys and roles are made without asking the API, which has tests of its own.

/** There are two; `nowhere` is the name of none. */
export const [own, foreign, nowhere] = ["own", "foreign", "nowhere"] as const;

export type AccessServer = {
  readonly core: Core;
  /** `host:port` */
  readonly grpc: string;
  readonly http: string;
  readonly ca: Authority;
  readonly issuer: TestIssuer;
  /** Task tokens as the server makes them. */
  readonly tokens: TaskTokens;
  /** Makes a key, of a service and without an end unless it is said. */
  key(wanted: Partial<WantedKey> & { readonly grants: readonly Grant[] }): Promise<{ readonly key: ApiKey; readonly text: string }>;
  revoke(key: ApiKey): Promise<void>;
  stop(): Promise<void>;
};

/** Whoever runs the tests may do everything. */
export const root: Manager = { id: "root", authority: openSession.authority };

export async function startAccessServer(
  options: { readonly certificates?: readonly CertificateMapping[]; readonly policy?: string; readonly poll?: DurationMs } = {},
): Promise<AccessServer> {
  const ca = authority();
  const shown = ca.issue(forLoopback);
  const files = filesOf({ ca: ca.certificatePem, cert: shown.certificatePem, key: shown.keyPem });
  const metrics = createMetrics();
  const issuer = await startTestIssuer();
  const tls = await openServerTls(
    { cert: files.cert, key: files.key, clientCa: files.ca, clientCert: "optional", reload: dayMs, minVersion: "TLSv1.2" },
    { log: silentLog, metrics },
  );
  if (!tls.ok || tls.value === null) throw new Error("no TLS");
  const store = await openSqlite({ path: ":memory:" });
  const core = await startCore({
    store,
    clock: createSystemClock(),
    log: silentLog,
    metrics,
    limits: defaultConfig.limits,
    longPoll: { poll: options.poll ?? 60_000, history: options.poll ?? 20_000, update: options.poll ?? 20_000 },
    newId: randomUUID,
    namespaces: ["default", own, foreign].map((name) => ({ name, retention: dayMs, searchAttributes: {} })),
    retention: true,
    access: { ...openAccess, required: true, issuers: [issuer.settings({ clockTolerance: 0 })], certificates: options.certificates ?? [] },
  });
  if (options.policy !== undefined) core.kernel.enforce(snapshotFrom(options.policy));
  const temporal = await startTemporalEdge({
    services: core.services,
    access: { authenticate: (call) => core.access.authenticate(credentialsOf(call)), lookup: core.access.lookup },
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    metrics,
    tls: tls.value,
  });
  const api = () =>
    createRestApi({
      services: core,
      options: { ...defaultConfig.api, requestsPerSecond: null },
      metrics,
      log: silentLog,
    });
  const http = await startHttpEdge({
    host: "127.0.0.1",
    port: 0,
    ready: () => true,
    metrics,
    api,
    log: silentLog,
    refuseMetrics: (request) => refuseMetrics(request, core.access),
    tls: tls.value,
  });
  let keys = 0;
  return {
    core,
    grpc: temporal.address,
    http: http.address,
    ca,
    issuer,
    tokens: createTaskTokens(await taskTokenKey({ store, committer: { commit: () => Promise.reject(new Error("it has one")) } })),
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
      tls.value?.stop();
      await core.stop();
      await store.close();
      await issuer.stop();
    },
  };
}
