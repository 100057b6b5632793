import { writeFileSync } from "node:fs";
import { connect } from "node:tls";
import { Client, Connection, type ConnectionOptions } from "@temporalio/client";
import { NativeConnection, Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { send } from "../../src/cli/http-client.ts";
import { Holdfast, type StartOptions } from "../../src/main.ts";
import { authority, filesOf, forLoopback, type Issued } from "../../src/tls/certificate.test-kit.ts";
import { bundleOf, eventNamed, unique } from "./kit.ts";
import { enough, listener, note } from "./workflows/signals.ts";

type Tls = Exclude<ConnectionOptions["tls"], boolean | null | undefined>;

const ca = authority();
const [own, renewed] = [ca.issue(forLoopback), ca.issue({ ...forLoopback, commonName: "renewed" })];
const files = filesOf({ ca: ca.certificatePem, cert: own.certificatePem, key: own.keyPem });
const put = ({ certificatePem, keyPem }: Issued): void => {
  writeFileSync(files.cert, certificatePem);
  writeFileSync(files.key, keyPem);
};

const trusting: Tls = { serverRootCACertificate: Buffer.from(ca.certificatePem) };
const showing = ({ certificatePem, keyPem }: Issued): Tls => ({
  ...trusting,
  clientCertPair: { crt: Buffer.from(certificatePem), key: Buffer.from(keyPem) },
});
const ada = ca.issue({ commonName: "ada" });
const expired = { from: Date.UTC(2020, 0, 1), until: Date.UTC(2021, 0, 1) };

let bundle: { readonly code: string };
beforeAll(async () => {
  bundle = await bundleOf("signals");
});

const isAda = { subject: "ada", id: "ada", kind: "service", namespaces: ["*"], roles: ["admin"], taskQueues: null } as const;

const start = (tls: StartOptions["tls"]): Promise<Holdfast> =>
  Holdfast.start({
    db: ":memory:",
    port: 0,
    httpPort: 0,
    log: { level: "silent" },
    auth: { certificates: [isAda] },
    tls: { cert: files.cert, key: files.key, reload: 1_000, ...tls },
  });

/** Runs a worker and a client with these certificates until `use` is through. */
async function withWorker<T>(address: string, tls: Tls, use: (client: Client, taskQueue: string) => Promise<T>): Promise<T> {
  const taskQueue = unique("tls");
  const connection = await Connection.connect({ address, tls });
  const native = await NativeConnection.connect({ address, tls });
  const worker = await Worker.create({ connection: native, taskQueue, workflowBundle: bundle, shutdownGraceTime: "100ms" });
  const result = await worker.runUntil(use(new Client({ connection }), taskQueue));
  await native.close();
  await connection.close();
  return result;
}

const listen = async (client: Client, taskQueue: string) => {
  const handle = await client.workflow.start(listener, { taskQueue, workflowId: unique("listener") });
  await handle.signal(note, 7);
  await handle.signal(enough);
  return handle.result();
};

const metricsOf = async ({ httpAddress }: Holdfast, tls: object): Promise<string> =>
  (await send(new URL(`https://${httpAddress}/metrics`), { method: "GET", headers: {}, tls })).text();

describe("a server with TLS", () => {
  let server: Holdfast;
  beforeAll(async () => {
    server = await start({});
  });
  afterAll(() => server.stop());

  test("serves the published client and worker", async () => {
    expect(await withWorker(server.address, trusting, listen)).toEqual([7]);
  });

  test("gets another certificate while a worker's poll is open, which goes on", async () => {
    const [host = "", port] = server.address.split(":");
    await withWorker(server.address, trusting, async (client, taskQueue) => {
      const handle = await client.workflow.start(listener, { taskQueue, workflowId: unique("listener") });
      await eventNamed(handle, "WorkflowTaskCompleted");
      put(renewed);
      await server.reloadCertificate();
      const shown = connect({ host, port: Number(port), ca: ca.certificatePem, ALPNProtocols: ["h2"] });
      const subject = await new Promise((resolve, reject) => {
        shown.once("error", reject);
        shown.once("secureConnect", () => resolve(shown.getPeerCertificate().subject.CN));
      });
      shown.destroy();
      expect(subject).toBe("renewed");
      await handle.signal(enough);
      expect(await handle.result()).toEqual([]);
    });
    put(own);
    expect(await metricsOf(server, { ca: ca.certificatePem })).toContain('holdfast_tls_reloads_total{outcome="loaded"} 1');
  });

  test.each<[string, Tls | boolean]>([
    ["without TLS", false],
    ["that trusts the public authorities only", true],
    ["that trusts another authority", { serverRootCACertificate: Buffer.from(authority("another").certificatePem) }],
  ])("does not serve a client %s", async (_what, tls) => {
    await expect(Connection.connect({ address: server.address, tls, connectTimeout: "500ms" })).rejects.toThrow();
    await expect(NativeConnection.connect({ address: server.address, tls })).rejects.toThrow();
  });
});

describe("a server that wants certificates", () => {
  let server: Holdfast;
  beforeAll(async () => {
    server = await start({ clientCa: files.ca, clientCert: "required" });
  });
  afterAll(() => server.stop());

  test("serves the published client and worker that have one", async () => {
    expect(await withWorker(server.address, showing(ada), listen)).toEqual([7]);
  });

  test.each<[string, Tls]>([
    ["no certificate", trusting],
    ["one of another authority", showing(authority("another").issue({ commonName: "ada" }))],
    ["one that has expired", showing(ca.issue({ commonName: "ada", ...expired }))],
  ])("does not serve clients with %s", async (_what, tls) => {
    await expect(Connection.connect({ address: server.address, tls, connectTimeout: "500ms" })).rejects.toThrow();
    await expect(NativeConnection.connect({ address: server.address, tls })).rejects.toThrow();
  });

  test("wants them at its HTTP port too", async () => {
    await expect(metricsOf(server, { ca: ca.certificatePem })).rejects.toThrow();
    const counted = await metricsOf(server, { ca: ca.certificatePem, cert: ada.certificatePem, key: ada.keyPem });
    expect(counted).toMatch(/holdfast_tls_failures_total\{port="http",cause="no-certificate"\} 1/);
    expect(counted).toMatch(/holdfast_tls_failures_total\{port="grpc",cause="untrusted-certificate"\} \d/);
  });
});

test("a certificate that has expired is refused at the start", async () => {
  const late = ca.issue({ ...forLoopback, ...expired });
  const { cert, key } = filesOf({ cert: late.certificatePem, key: late.keyPem });
  await expect(start({ cert, key })).rejects.toThrow(`tls.cert: the certificate in ${cert} expired on 2021-01-01T00:00:00.000Z`);
});
