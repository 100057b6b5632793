import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Config, type ConfigValues, resolveConfig, type SearchAttributeType } from "./config/config.ts";
import { startHttpEdge } from "./edge/http/server.ts";
import { credentialsOf } from "./edge/temporal/credentials.ts";
import { startTemporalEdge } from "./edge/temporal/server.ts";
import { IndexedValueType } from "./protocol/generated/temporal/api/enums/v1/common.ts";
import type { AccessOptions } from "./service/access/access.ts";
import { createSystemClock } from "./service/clock.ts";
import { startCore } from "./service/core.ts";
import { watchHost } from "./service/doctor/host.ts";
import { readCheckpointOptions } from "./service/ledger/checkpoint-options.ts";
import { readSigning } from "./service/policy/signing.ts";
import { createSkippingClock } from "./service/skipping-clock.ts";
import { createTestServices } from "./service/test-service.ts";
import { openEncrypted, refuseEncrypted } from "./store/encryption/encryption.ts";
import { type MasterKey, readMasterKeys } from "./store/encryption/master-key.ts";
import { openSqlite } from "./store/sqlite/sqlite.ts";
import type { Store } from "./store/store.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { openServerTls } from "./tls/server-tls.ts";

/** A configuration in part: what is left out has its default, see `docs/configuration.md`. */
export type StartOptions = { readonly [K in keyof Config]?: Config[K] extends object ? Partial<Config[K]> | Config[K] : Config[K] };

/** A running server. */
export type Holdfast = {
  /** `host:port` of the gRPC port, for Temporal clients and workers. */
  readonly address: string;
  /** `host:port` of health checks and metrics, null when they are off. */
  readonly httpAddress: string | null;
  /** Looks for new certificates now, rather than at the next time. */
  reloadCertificate(): Promise<void>;
  /** Takes no new polls, answers open ones empty and finishes what is in flight. */
  drain(): Promise<void>;
  /** Stops at once; everything answered is on disk. */
  stop(): Promise<void>;
};

export const Holdfast = {
  /**
   * Starts a server in this process. Resolves when it answers.
   * Rejects when a setting is wrong, a port cannot be had, or the database cannot be opened.
   */
  start: async (options: StartOptions = {}): Promise<Holdfast> => {
    const resolved = resolveConfig([{ values: options as ConfigValues, nameOf: (path) => path.join(".") }]);
    if (!resolved.ok) throw new Error(resolved.error.join("; "));
    return start(resolved.value);
  },
};

const measureEveryMs = 15_000;

async function start(config: Config): Promise<Holdfast> {
  const log = createLog(config.log);
  const metrics = createMetrics();
  const signing = readSigning({ keys: config.policyKeys, required: config.requirePolicySignature });
  if (!signing.ok) throw new Error(signing.error.join("\n"));
  const checkpoints = readCheckpointOptions(config.checkpoints);
  if (!checkpoints.ok) throw new Error(checkpoints.error);
  const masterKeys = readMasterKeys(config.encryption);
  if (!masterKeys.ok) throw new Error(masterKeys.error);
  const tls = await openServerTls(config.tls, { log: log.child("tls"), metrics });
  if (!tls.ok) throw new Error(tls.error);
  if (config.db !== ":memory:") mkdirSync(dirname(config.db), { recursive: true });
  const store = await openStore(config, masterKeys.value, { log: log.child("encryption"), metrics });
  const skipping = config.timeSkipping ? createSkippingClock() : null;
  const searchAttributes = Object.fromEntries(Object.entries(config.searchAttributes).map(([name, type]) => [name, attributeTypes[type]]));
  const clock = skipping ?? createSystemClock();
  const core = await startCore({
    store,
    clock,
    log,
    metrics,
    limits: config.limits,
    longPoll: config.longPoll,
    newId: randomUUID,
    namespaces: config.namespaces.map(({ name, retention }) => ({ name, retention: retention ?? config.retention, searchAttributes })),
    // A test that skips a month still wants to read what happened before.
    retention: skipping === null,
    requirePolicy: config.requirePolicy,
    policy: { files: config.policy, signing: signing.value },
    // A clock that skips time is ahead of whatever is due, and catches up by itself.
    ...(skipping === null ? { reconcile: config.reconcile, host: watchHost(config.db) } : {}),
    ...(checkpoints.value === null ? {} : { checkpoints: checkpoints.value }),
    http: config.http,
    access: accessOf(config),
    artifacts: artifactOptions(config.artifacts),
    push: config.push,
    routes: config.routes,
    quotas: config.quotas,
    notify: { ...config.notify, approvals: config.approvals.notify },
    ...(skipping === null ? {} : { onCommit: skipping.consider }),
  }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  skipping?.drive({ isBusy: core.isBusy, nextWake: core.nextWake, jumped: core.clockJumped });

  const measure = () =>
    store.sizeBytes().then(metrics.databaseBytes.set, (error: unknown) => log.warn("cannot measure the database", {}, error));
  await measure();
  const measuring = setInterval(measure, measureEveryMs).unref();

  let ready = false;
  const closeStore = async () => {
    clearInterval(measuring);
    tls.value?.stop();
    await core.stop();
    await store.close();
  };
  try {
    const { grpcReceiveBytes, openPolls, pollsPerPrincipal, pollsPerNamespace, callsPerPrincipal, connectionsPerAddress } = config.limits;
    const temporal = await startTemporalEdge({
      services: core.services,
      admission: core.admission,
      access: { authenticate: (call) => core.access.authenticate(credentialsOf(call)), lookup: core.access.lookup },
      host: config.ip,
      port: config.port,
      log,
      metrics,
      limits: {
        receiveBytesMax: grpcReceiveBytes,
        openPollsMax: openPolls,
        pollsPerPrincipalMax: pollsPerPrincipal,
        pollsPerNamespaceMax: pollsPerNamespace,
        callsPerPrincipalMax: callsPerPrincipal,
        connectionsPerAddressMax: connectionsPerAddress,
      },
      ...(skipping === null ? {} : { testService: createTestServices(skipping) }),
      tls: tls.value,
    });
    const { headersTimeout, requestTimeout } = config.api;
    const api = async () =>
      (await import("./edge/rest/rest.ts")).createRestApi({ services: core, options: config.api, metrics, log: log.child("api") });
    const http =
      config.httpPort === null
        ? null
        : await startHttpEdge({
            host: config.ip,
            port: config.httpPort,
            ready: () => ready,
            metrics,
            api,
            log,
            refuseMetrics: async (request) => (await import("./edge/rest/metrics-access.ts")).refuseMetrics(request, core.access),
            limits: { headersTimeout, requestTimeout, connectionsPerAddressMax: connectionsPerAddress },
            refused: (limit) => metrics.refusedByLimit.add(1, "http", limit),
            tls: tls.value,
          });
    ready = true;
    if (!config.auth.required && config.auth.allowUnauthenticated)
      log.warn("whoever reaches these ports may do everything: callers need not say who they are", { ip: config.ip });
    log.info("server started", { address: temporal.address, httpAddress: http?.address ?? null, db: config.db });
    return {
      address: temporal.address,
      httpAddress: http?.address ?? null,
      reloadCertificate: async () => tls.value?.reload(),
      drain: async () => {
        ready = false;
        await Promise.all([temporal.drain(), core.drain()]);
      },
      stop: async () => {
        ready = false;
        core.stream.end();
        await temporal.stop();
        await http?.stop();
        await closeStore();
        log.info("server stopped");
      },
    };
  } catch (error) {
    await closeStore();
    throw error;
  }
}

/** The database, encrypted when there are keys. */
async function openStore(
  { db, encryption: { dataKeyAge } }: Config,
  masterKeys: readonly MasterKey[] | null,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): Promise<Store> {
  const inner = await openSqlite({ path: db });
  try {
    if (masterKeys === null) {
      await refuseEncrypted(inner);
      return inner;
    }
    const { store, rewrappedFrom, ...opened } = await openEncrypted(inner, {
      masterKeys,
      usage: { dataKeyAge },
      refused: (place) => {
        metrics.storedBodiesRefused.add(1);
        log.error("what is stored is not what was encrypted there", { place: JSON.stringify(place) });
      },
    });
    log.info("what is stored is encrypted", opened);
    if (rewrappedFrom !== null) log.info("the data keys are wrapped by a new master key", { formerMasterKey: rewrappedFrom });
    return store;
  } catch (error) {
    await inner.close();
    throw error;
  }
}

const artifactOptions = ({ bytesMax, totalBytesMax, retentionShort, retentionStandard, retentionAudit }: Config["artifacts"]) => ({
  bytesMax,
  totalBytesMax,
  retention: { short: retentionShort, standard: retentionStandard, audit: retentionAudit },
});

function accessOf({ auth, db }: Config): AccessOptions {
  const { required, roles, jwt, certificates, bootstrapToken } = auth;
  const bootstrapFile = db === ":memory:" ? null : join(dirname(db), "bootstrap-token");
  return { required, roles, issuers: jwt, certificates, bootstrapToken, bootstrapFile };
}

const attributeTypes: { readonly [T in SearchAttributeType]: IndexedValueType } = {
  Text: IndexedValueType.TEXT,
  Keyword: IndexedValueType.KEYWORD,
  Int: IndexedValueType.INT,
  Double: IndexedValueType.DOUBLE,
  Bool: IndexedValueType.BOOL,
  Datetime: IndexedValueType.DATETIME,
  KeywordList: IndexedValueType.KEYWORD_LIST,
};
