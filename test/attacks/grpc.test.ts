import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encode, make } from "../../src/protocol/codec.ts";
import {
  ListWorkflowExecutionsRequest,
  PollActivityTaskQueueRequest,
} from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { admin, frame, grpcCall, inTenant, startTarget, type Target, workflowService } from "./attack-server.ts";

let target: Target;
let key: string;
beforeAll(async () => {
  target = await startTarget({
    grpc: {
      requestMsMax: 500,
      firstCallMsMax: 500,
      connectionsPerAddressMax: 20,
      receivingBytesPerAddressMax: 2 ** 20,
      pollsPerPrincipalMax: 3,
      pollsPerNamespaceMax: 5,
    },
  });
  key = (await target.key(admin)).text;
});
afterAll(() => target.stop());

const path = `${workflowService}/ListWorkflowExecutions`;
const list = encode(ListWorkflowExecutionsRequest, make(ListWorkflowExecutionsRequest, { namespace: "default" }));
const isUp = async (): Promise<boolean> => (await grpcCall(target.grpcPort, path, list, { authorization: `Bearer ${key}` })).code === 0;
const refusedBy = (limit: string): number =>
  Number(new RegExp(`holdfast_refused_by_limit_total\\{port="grpc",limit="${limit}"\\} (\\d+)`).exec(target.metrics())?.[1] ?? 0);

/** HTTP/2 by hand. Source: RFC 9113, section 4.1. */
function http2Frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
const [headers, resetStream, settings, ping, goAway, continuation] = [1, 3, 4, 6, 7, 9];
const [endStream, endHeaders] = [1, 4];
const preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), http2Frame(settings, 0, 0)]);
/** Literals without indexing. Source: RFC 7541, section 6.2.2. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
const requestHeaders = Buffer.concat([
  literal(":method", "POST"),
  literal(":scheme", "http"),
  literal(":authority", "localhost"),
  literal(":path", path),
  literal("content-type", "application/grpc"),
]);

/** Floods one connection until the server closes it, or everything is written. Says how the server defended itself. */
async function flood(
  address: string,
  chunks: Iterable<Buffer>,
): Promise<"closes the connection" | "reads no more of it" | "refuses the stream" | "nothing"> {
  const socket: Socket = connect({ host: "127.0.0.1", port: target.grpcPort, localAddress: address });
  let closed = false;
  socket.on("error", () => {});
  const close = new Promise<void>((resolve) =>
    socket.on("close", () => {
      closed = true;
      resolve();
    }),
  );
  const received: Buffer[] = [];
  socket.on("data", (part) => received.push(part));
  socket.write(preface);
  for (const chunk of chunks) {
    if (closed) break;
    if (!socket.write(chunk)) await Promise.race([new Promise((drained) => socket.once("drain", drained)), close]);
  }
  // What the server has to say of it comes before the answer to a request on another connection.
  for (let turns = 0; turns < 20 && !closed; turns++) await isUp();
  socket.destroy();
  if (closed) return "closes the connection";
  const types = typesOf(Buffer.concat(received));
  return types.includes(goAway) ? "reads no more of it" : types.includes(resetStream) ? "refuses the stream" : "nothing";
}

function typesOf(frames: Buffer): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= frames.length; at += 9 + frames.readUIntBE(at, 3)) types.push(frames.readUInt8(at + 3));
  return types;
}

function* times(many: number, make: (at: number) => Buffer): Generator<Buffer> {
  for (let at = 0; at < many; at++) yield make(at);
}

const begunAndReset = (at: number): Buffer =>
  Buffer.concat([
    http2Frame(headers, endHeaders, 2 * at + 1, requestHeaders),
    http2Frame(resetStream, 0, 2 * at + 1, Buffer.from([0, 0, 0, 8])),
  ]);

describe("a flood of", () => {
  test.each([
    ["pings", "closes the connection", times(200, () => Buffer.concat([...times(100, () => http2Frame(ping, 0, 0, Buffer.alloc(8)))]))],
    ["settings", "closes the connection", times(200, () => Buffer.concat([...times(100, () => http2Frame(settings, 0, 0))]))],
    ["streams that are reset at once", "reads no more of it", times(5_000, begunAndReset)],
    [
      "headers that go on and on",
      "closes the connection",
      [http2Frame(headers, endStream, 1, requestHeaders), ...times(2_000, () => http2Frame(continuation, 0, 1, literal("a", "b")))],
    ],
    [
      "headers that are too many",
      "refuses the stream",
      [http2Frame(headers, endHeaders, 1, Buffer.concat([...times(3_000, () => literal("a", "b"))]))],
    ],
    ["what is no HTTP/2", "reads no more of it", times(100, () => Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n"))],
  ] as const)("%s: the server %s, and goes on", async (_, defence, chunks) => {
    const before = process.memoryUsage().rss;
    expect(await flood("127.0.4.1", chunks)).toBe(defence);
    expect(await isUp()).toBe(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  });
});

describe("who is slow", () => {
  /** Opens a stream, sends this of a request, and says how it ended. */
  function stalled(sent: Buffer, address: string): Promise<{ readonly code: number; readonly ms: number }> {
    const socket = connect({ host: "127.0.0.1", port: target.grpcPort, localAddress: address });
    const session = connectHttp2(`http://127.0.0.1:${target.grpcPort}`, { createConnection: () => socket });
    session.on("error", () => {});
    const began = performance.now();
    return new Promise((resolve) => {
      const stream = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        authorization: `Bearer ${key}`,
      });
      let code = -1;
      stream.on("response", (given) => {
        code = Number(given["grpc-status"] ?? -1);
      });
      stream.on("error", () => {});
      stream.on("close", () => {
        session.destroy();
        resolve({ code, ms: performance.now() - began });
      });
      stream.resume();
      stream.write(sent);
    });
  }

  test.each([
    ["sends half of a message", frame(list).subarray(0, 8)],
    ["sends a message and no end", frame(list)],
  ])("and %s is answered with DEADLINE_EXCEEDED", async (_, sent) => {
    const { code, ms } = await stalled(sent, "127.0.5.1");
    expect(code).toBe(4);
    expect(ms).toBeLessThan(5_000);
    expect(refusedBy("slow")).toBeGreaterThan(0);
  });

  test("and connects without a call is gone", async () => {
    const socket = connect({ host: "127.0.0.1", port: target.grpcPort, localAddress: "127.0.5.2" });
    socket.on("error", () => {});
    socket.write(preface);
    socket.resume();
    await new Promise((closed) => socket.once("close", closed));
    expect(await isUp()).toBe(true);
  });
});

test("requests that are not complete take so much memory of one address, and no more", async () => {
  const socket = connect({ host: "127.0.0.1", port: target.grpcPort, localAddress: "127.0.6.1" });
  const session = connectHttp2(`http://127.0.0.1:${target.grpcPort}`, { createConnection: () => socket });
  session.on("error", () => {});
  const part = frame(Buffer.alloc(300_000)).subarray(0, 200_000);
  const codes = await Promise.all(
    Array.from({ length: 8 }, () => {
      const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
      stream.on("error", () => {});
      stream.write(part);
      return new Promise<number>((resolve) => stream.once("response", (given) => resolve(Number(given["grpc-status"]))));
    }),
  );
  session.destroy();
  // Some were too many; the others were too slow.
  expect(new Set(codes)).toEqual(new Set([8, 4]));
  expect(refusedBy("memory")).toBeGreaterThan(0);
  expect(await isUp()).toBe(true);
});

test.each([
  ["gzip", gzipSync(Buffer.alloc(64 * 2 ** 20))],
  ["gzip", gzipSync(Buffer.alloc(4 * 2 ** 20 + 1))],
])("a bomb in %s is not unpacked beyond the bound of a message", async (encoding, bomb) => {
  const session = connectHttp2(`http://127.0.0.1:${target.grpcPort}`);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", "grpc-encoding": encoding });
  stream.on("error", () => {});
  const answered = new Promise<number>((resolve) => stream.once("response", (given) => resolve(Number(given["grpc-status"]))));
  const before = process.memoryUsage().rss;
  stream.end(frame(bomb, true));
  expect(await answered).toBe(8);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  session.destroy();
});

test("connections of one address are bounded", async () => {
  const sockets = Array.from({ length: 30 }, () => connect({ host: "127.0.0.1", port: target.grpcPort, localAddress: "127.0.7.1" }));
  for (const socket of sockets) socket.on("error", () => {});
  await Promise.all(sockets.slice(20).map((socket) => new Promise((closed) => socket.once("close", closed))));
  expect(refusedBy("connections-per-address")).toBe(10);
  expect(await isUp()).toBe(true);
  for (const socket of sockets) socket.destroy();
});

test("no principal and no namespace takes all polls", async () => {
  const leaving = new AbortController();
  const poll = (text: string, namespace: string) =>
    grpcCall(
      target.grpcPort,
      `${workflowService}/PollActivityTaskQueue`,
      encode(
        PollActivityTaskQueueRequest,
        make(PollActivityTaskQueueRequest, { namespace, taskQueue: { name: "q", kind: 1, normalName: "" }, identity: "w" }),
      ),
      { authorization: `Bearer ${text}` },
      { signal: leaving.signal },
    );
  const [ada, bob, eve] = await Promise.all(["default", "default", "other"].map((tenant) => target.key(inTenant(tenant, "worker"))));
  const open = (): number => Number(/holdfast_polls_open\{type="activity"\} (\d+)/.exec(target.metrics())?.[1] ?? 0);
  const waiting = [];
  for (let many = 1; many <= 3; many++) {
    waiting.push(poll(ada?.text ?? "", "default"));
    await expect.poll(open).toBe(many);
  }
  expect(await poll(ada?.text ?? "", "default")).toEqual({
    code: 8,
    message: "limit on concurrent polls of one principal has been reached (3)",
  });
  for (let many = 4; many <= 5; many++) {
    waiting.push(poll(bob?.text ?? "", "default"));
    await expect.poll(open).toBe(many);
  }
  expect(await poll(bob?.text ?? "", "default")).toEqual({
    code: 8,
    message: "limit on concurrent polls of one namespace has been reached (5)",
  });
  waiting.push(poll(eve?.text ?? "", "other"));
  await expect.poll(open).toBe(6);
  leaving.abort();
  await Promise.all(waiting);
  // Who leaves gives back.
  await expect.poll(open).toBe(0);
  const again = new AbortController();
  const late = grpcCall(
    target.grpcPort,
    `${workflowService}/PollActivityTaskQueue`,
    encode(
      PollActivityTaskQueueRequest,
      make(PollActivityTaskQueueRequest, { namespace: "default", taskQueue: { name: "q", kind: 1, normalName: "" }, identity: "w" }),
    ),
    { authorization: `Bearer ${ada?.text}` },
    { signal: again.signal },
  );
  await expect.poll(open).toBe(1);
  again.abort();
  await late;
});
