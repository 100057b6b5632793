import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { ClientCertificate } from "../../src/access/certificate.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { identify, overwriteClaims, refusedTo } from "../../src/edge/rest/identify.ts";
import { routeAccess } from "../../src/edge/rest/route-access.ts";
import { permits } from "../../src/edge/temporal/authorize.ts";
import { credentialsOf } from "../../src/edge/temporal/credentials.ts";
import type { Call } from "../../src/edge/temporal/grpc/call.ts";
import { rpcAccess } from "../../src/edge/temporal/rpc-access.ts";
import { make } from "../../src/protocol/codec.ts";
import { SignalWorkflowExecutionRequest } from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { openAccess } from "../../src/service/access/access.ts";
import { openSession } from "../../src/service/access/session.ts";
import { createSystemClock } from "../../src/service/clock.ts";
import { type Core, startCore } from "../../src/service/core.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import type { Figure } from "../figure.ts";
import type { Scenario } from "../scenario.ts";
import { createIssuer } from "../tenant.ts";

const namespace = "default";
const dayMs = 86_400_000;
/** What a call may cost that has been seen before. */
const budgetUs = 30;
const address = "127.0.0.1";

const certificate: ClientCertificate = {
  commonName: "orders",
  dns: ["orders.internal"],
  uri: [],
  email: [],
  fingerprint: createHash("sha256").update("bench").digest("hex"),
  expiresAt: Date.now() + dayMs,
};

/**
 * From the headers of a call to knowing that it may go on, for credentials that were seen before: CPU of this process alone, since the rest of a
 * call costs more than that and varies by as much.
 */
export const access: Scenario = async ({ quick }) => {
  const issuer = await createIssuer();
  const store = await openSqlite({ path: ":memory:" });
  const core = await startCore({
    store,
    clock: createSystemClock(),
    log: silentLog,
    metrics: createMetrics(),
    limits: defaultConfig.limits,
    longPoll: defaultConfig.longPoll,
    newId: randomUUID,
    namespaces: [{ name: namespace, retention: dayMs, searchAttributes: {} }],
    retention: false,
    access: {
      ...openAccess,
      required: true,
      issuers: issuer.trusted,
      certificates: [
        { subject: "dns:orders.internal", id: "{name}", kind: "service", namespaces: [namespace], roles: ["admin"], taskQueues: null },
      ],
    },
  });
  const token = await issuer.token(namespace);
  const credentials = [
    { name: "API key", headers: { authorization: `Bearer ${await newKey(core)}` }, certificate: null },
    { name: "JWT", headers: { authorization: `Bearer ${token}` }, certificate: null },
    { name: "certificate", headers: {}, certificate },
  ];
  const rounds = quick ? 3 : 9;
  const calls = quick ? 20_000 : 100_000;
  const figures: Figure[] = [];
  for (const { name, headers, certificate } of credentials) {
    const overGrpc = grpcCall(core, headers, certificate);
    await each(overGrpc, calls);
    figures.push({
      name: `${name}, gRPC, CPU`,
      unit: "µs",
      rounds: await times(rounds, () => each(overGrpc, calls)),
      budget: { atMost: budgetUs },
    });
    // The certificate of an HTTP connection is read from its socket, which needs one.
    if (certificate !== null) continue;
    const overHttp = httpRequest(core, headers);
    await each(overHttp, calls);
    figures.push({
      name: `${name}, HTTP, CPU`,
      unit: "µs",
      rounds: await times(rounds, () => each(overHttp, calls)),
      budget: { atMost: budgetUs },
    });
  }
  await core.stop();
  await store.close();
  return figures;
};

async function newKey({ access: { keys } }: Core): Promise<string> {
  const made = await keys.create(
    { id: "bench", authority: openSession.authority },
    {
      name: "bench",
      principal: "bench",
      kind: "service",
      grants: [{ namespaces: [namespace], roles: ["admin"] }],
      taskQueues: null,
      expiresAt: null,
    },
  );
  if (!made.ok) throw new Error(`no key: ${JSON.stringify(made.error)}`);
  return made.value.text;
}

type Headers = { readonly [name: string]: string };

function grpcCall(
  { access: { authenticate, lookup } }: Core,
  headers: Headers,
  certificate: ClientCertificate | null,
): () => Promise<void> {
  const call: Pick<Call, "header" | "peer"> = { header: (name) => headers[name] ?? "", peer: { certificate, address } };
  const may = permits(rpcAccess.signalWorkflowExecution, lookup);
  const request = make(SignalWorkflowExecutionRequest, { namespace });
  const signal = new AbortController().signal;
  return async () => {
    const proved = await authenticate(credentialsOf(call as Call));
    if (!proved.ok) throw new Error(proved.error.kind);
    const stop = proved.value.onEnd(() => {});
    const caller = { session: proved.value, namespace, clientName: "", clientVersion: "", deadline: null, signal };
    const permitted = await may(request, caller);
    if (!permitted.ok) throw new Error(permitted.error.kind);
    stop();
  };
}

function httpRequest({ access }: Core, headers: Headers): () => Promise<void> {
  return async () => {
    const own = { ...headers, "x-tenant-id": namespace };
    const request = { headers: own, socket: { remoteAddress: address } };
    const proved = await identify(request as unknown as IncomingMessage, access);
    if (!proved.ok) throw new Error(proved.error.code);
    overwriteClaims(own, proved.value);
    const refused = refusedTo(proved.value, routeAccess.listRuns, namespace);
    if (refused !== null) throw new Error(refused.code);
  };
}

/** CPU of one call, microseconds. */
async function each(call: () => Promise<void>, calls: number): Promise<number> {
  const before = process.cpuUsage();
  for (let index = 0; index < calls; index++) await call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

async function times(count: number, measure: () => Promise<number>): Promise<readonly number[]> {
  const values: number[] = [];
  for (let round = 0; round < count; round++) values.push(await measure());
  return values;
}
