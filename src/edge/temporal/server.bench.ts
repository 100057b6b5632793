// What one call costs the server: npx tsx src/edge/temporal/server.bench.ts [seconds per row] [part of the names of rows]
// Clients run in a process of their own, with a bare HTTP/2 client that is cheaper than the servers it measures. Each row is measured in
// several short rounds, in turn with the others, since the machine is not equally fast at all times; the median is printed.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { type handleUnaryCall, Server, ServerCredentials } from "@grpc/grpc-js";
import { ok } from "../../base/result.ts";
import { hourMs } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import {
  PollWorkflowTaskQueueRequest,
  PollWorkflowTaskQueueResponse,
  SignalWorkflowExecutionRequest,
  SignalWorkflowExecutionResponse,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { authority, filesOf, forLoopback } from "../../tls/certificate.test-kit.ts";
import { openServerTls, type ServerTls } from "../../tls/server-tls.ts";
import { startTemporalEdge } from "./server.ts";
import { encoded, fakeServices, workflowService } from "./temporal.test-kit.ts";

const rounds = 9;
const callsAtOnce = 32;

type Role = "edge" | "edge with TLS" | "bare http2" | "grpc-js";
type Order = {
  readonly port: number;
  readonly secure: boolean;
  readonly rpc: string;
  readonly message: string;
  readonly gzip: boolean;
  readonly seconds: number;
};
type Row = { readonly name: string; readonly role: Role; readonly rpc: string; readonly message: Uint8Array; readonly gzip: boolean };

const signal = encoded(SignalWorkflowExecutionRequest, {
  namespace: "default",
  workflowExecution: { workflowId: "order-7", runId: "0b6c1a8e-6f1e-4a43-9b3c-5d1c0a4f2b11" },
  signalName: "ship",
  identity: "1234@worker",
  requestId: "6cbb9a51-6d5b-4c9e-8a3e-3a6e21e6a1ff",
});
const poll = encoded(PollWorkflowTaskQueueRequest, {
  namespace: "default",
  taskQueue: { name: "orders", kind: 1, normalName: "" },
  identity: "1234@worker",
});
const rows: readonly Row[] = [
  { name: "node:http2 alone, no codec", role: "bare http2", rpc: "SignalWorkflowExecution", message: signal, gzip: false },
  { name: "grpc-js alone, no codec", role: "grpc-js", rpc: "SignalWorkflowExecution", message: signal, gzip: false },
  { name: "the same, gzip", role: "grpc-js", rpc: "SignalWorkflowExecution", message: signal, gzip: true },
  { name: "small unary call", role: "edge", rpc: "SignalWorkflowExecution", message: signal, gzip: false },
  { name: "small unary call, TLS", role: "edge with TLS", rpc: "SignalWorkflowExecution", message: signal, gzip: false },
  { name: "small unary call, gzip", role: "edge", rpc: "SignalWorkflowExecution", message: signal, gzip: true },
  { name: "refused call", role: "edge", rpc: "SignalWorkflowExecution", message: new Uint8Array(0), gzip: false },
  { name: "poll answered with 64 KiB of history", role: "edge", rpc: "PollWorkflowTaskQueue", message: poll, gzip: false },
  { name: "poll answered with 64 KiB of history, TLS", role: "edge with TLS", rpc: "PollWorkflowTaskQueue", message: poll, gzip: false },
];

const task = make(PollWorkflowTaskQueueResponse, { taskToken: new Uint8Array(64) });
const history = new Uint8Array(64 * 1024);

async function measure(secondsPerRow: number, part: string): Promise<void> {
  const self = (as: string) => fork(fileURLToPath(import.meta.url), [as], { execArgv: process.execArgv });
  const client = self("client");
  const servers: { readonly [R in Role]: ChildProcess } = {
    edge: self("edge"),
    "edge with TLS": self("edge with TLS"),
    "bare http2": self("bare http2"),
    "grpc-js": self("grpc-js"),
  };
  const ports = new Map(
    await Promise.all(Object.entries(servers).map(async ([as, server]) => [as, Number(await answer(server))] as const)),
  );
  const cpuOf = async (server: ChildProcess): Promise<number> => {
    server.send("cpu");
    return Number(await answer(server));
  };
  const results = new Map<Row, { cpuUs: number; perSecond: number }[]>();
  for (let round = 0; round <= rounds; round++)
    for (const row of rows.filter(({ name }) => name.includes(part))) {
      const server = servers[row.role];
      const seconds = secondsPerRow / rounds;
      const cpuBefore = await cpuOf(server);
      client.send({
        port: ports.get(row.role),
        secure: row.role === "edge with TLS",
        rpc: row.rpc,
        message: Buffer.from(row.message).toString("base64"),
        gzip: row.gzip,
        seconds,
      });
      const calls = Number(await answer(client));
      const cpuUs = ((await cpuOf(server)) - cpuBefore) / calls;
      // The first round warms up.
      if (round > 0) results.set(row, [...(results.get(row) ?? []), { cpuUs, perSecond: calls / seconds }]);
    }
  for (const [{ name }, measured] of results)
    console.log(
      `${name.padEnd(44)} ${median(measured.map(({ cpuUs }) => cpuUs))
        .toFixed(1)
        .padStart(7)} µs server CPU per call ${Math.round(median(measured.map(({ perSecond }) => perSecond)))
        .toString()
        .padStart(8)} calls/s`,
    );
  for (const child of [client, ...Object.values(servers)]) child.kill();
}

async function answer(child: ChildProcess): Promise<unknown> {
  const [message] = await once(child, "message");
  return message;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function serveEdge(tls: ServerTls | null): Promise<void> {
  const { port } = await startTemporalEdge({
    services: fakeServices({
      signalWorkflowExecution: async () => ok(make(SignalWorkflowExecutionResponse)),
      // The edge does not look into a history, so any bytes will do.
      pollWorkflowTaskQueue: async () => ok({ response: task, history }),
    }),
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    metrics: createMetrics(),
    tls,
  });
  tellCpu(port);
}

async function benchTls(): Promise<ServerTls | null> {
  const { certificatePem: cert, keyPem: key } = authority().issue(forLoopback);
  const opened = await openServerTls(
    { ...filesOf({ cert, key }), clientCa: null, clientCert: "none", minVersion: "TLSv1.2", reload: hourMs },
    { log: silentLog, metrics: createMetrics() },
  );
  if (!opened.ok) throw new Error(opened.error);
  return opened.value;
}

/** The least that answers a gRPC call: what the platform costs under any server. */
async function serveBare(): Promise<void> {
  const server = createServer();
  const headers = { ":status": 200, "content-type": "application/grpc+proto" };
  server.on("stream", (stream) => {
    stream.resume();
    stream.on("end", () => {
      stream.respond(headers, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.alloc(5));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  tellCpu((server.address() as AddressInfo).port);
}

/** The usual gRPC server of Node, with its bookkeeping for channelz switched off and messages passed as bytes. */
async function serveGrpcJs(): Promise<void> {
  const server = new Server({ "grpc.enable_channelz": 0 });
  const handle: handleUnaryCall<Buffer, Buffer> = async (_call, respond) => respond(null, Buffer.alloc(0));
  server.register(
    `/${workflowService}/SignalWorkflowExecution`,
    handle,
    (bytes) => bytes,
    (bytes) => bytes,
    "unary",
  );
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_error, port) => tellCpu(port));
}

function tellCpu(port: number): void {
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  });
  process.send?.(port);
}

/** Answers each order with the number of calls that were answered within its time. */
function serveClient(): void {
  process.on("message", async ({ port, secure, rpc, message, gzip, seconds }: Order) => {
    // Whose certificate it is does not matter here, and costs nothing once the connection is open.
    const session = connect(`${secure ? "https" : "http"}://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const packed = gzip ? gzipSync(Buffer.from(message, "base64")) : Buffer.from(message, "base64");
    const frame = Buffer.concat([Buffer.from([gzip ? 1 : 0, 0, 0, 0, 0]), packed]);
    frame.writeUInt32BE(packed.length, 1);
    const headers = {
      ":method": "POST",
      ":path": `/${workflowService}/${rpc}`,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "tonic/0.14.2",
      "client-name": "temporal-typescript",
      "client-version": "1.24.0",
      "temporal-namespace": "default",
      "grpc-timeout": "30000000u",
      ...(gzip ? { "grpc-encoding": "gzip" } : {}),
    };
    const end = Date.now() + seconds * 1000;
    let calls = 0;
    const callInTurn = async (): Promise<void> => {
      while (Date.now() < end) {
        const stream = session.request(headers);
        stream.end(frame);
        stream.resume();
        await once(stream, "close");
        calls++;
      }
    };
    await Promise.all(Array.from({ length: callsAtOnce }, callInTurn));
    session.close();
    process.send?.(calls);
  });
}

const role = process.argv[2];
if (role === "edge") await serveEdge(null);
else if (role === "edge with TLS") await serveEdge(await benchTls());
else if (role === "bare http2") await serveBare();
else if (role === "grpc-js") await serveGrpcJs();
else if (role === "client") serveClient();
else await measure(Number(role ?? 5), process.argv[3] ?? "");
