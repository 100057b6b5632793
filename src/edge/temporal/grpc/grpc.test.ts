import { once } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { ok } from "../../../base/result.ts";
import type { Handler } from "./call.ts";
import { Code } from "./code.ts";
import { framed } from "./frames.ts";
import { type GrpcLimits, type GrpcServer, startGrpcServer } from "./grpc.ts";
import { status } from "./status.ts";
import { unary } from "./unary.ts";

const limits: GrpcLimits = {
  receiveBytesMax: 4_000_000,
  sendBytesMax: 4_000_000,
  connectionsMax: 100,
  callsPerConnectionMax: 100,
  keepaliveMs: 60_000,
  keepaliveAnswerMsMax: 60_000,
  connectionAgeMaxMs: null,
  connectionsPerAddressMax: 100,
  requestMsMax: 60_000,
  answerMsMax: 60_000,
  firstCallMsMax: 60_000,
  receivingBytesPerAddressMax: 100_000_000,
};
const echo: Handler = unary(async (message) => ok(message));

let server: GrpcServer | undefined;
let session: ClientHttp2Session | undefined;
afterEach(() => {
  session?.destroy();
  server?.stop();
});

async function serve(handler: Handler = echo, changed: Partial<GrpcLimits> = {}): Promise<ClientHttp2Session> {
  server = await startGrpcServer({ host: "127.0.0.1", port: 0, limits: { ...limits, ...changed }, handlerOf: () => handler });
  session = connect(`http://127.0.0.1:${server.port}`);
  session.on("error", () => {});
  return session;
}

type Answer = { readonly http: unknown; readonly status: number; readonly message: string; readonly body: Buffer };

/** Sends `body` as it is and collects what comes back. */
async function call(client: ClientHttp2Session, body: Uint8Array, headers: IncomingHttpHeaders = {}): Promise<Answer> {
  const stream = client.request(
    { ":method": "POST", ":path": "/a.B/C", "content-type": "application/grpc", te: "trailers", ...headers },
    { endStream: false },
  );
  const parts: Buffer[] = [];
  let received: IncomingHttpHeaders = {};
  stream.on("response", (head) => {
    received = { ...received, ...head };
  });
  stream.on("trailers", (trailers) => {
    received = { ...received, ...trailers };
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("error", () => {});
  stream.end(body);
  await once(stream, "close");
  return {
    http: received[":status"],
    status: Number(received["grpc-status"]),
    message: decodeURI(String(received["grpc-message"] ?? "")),
    body: Buffer.concat(parts),
  };
}

const message = (bytes: Uint8Array, compressed = false): Buffer => {
  const frame = Buffer.concat(framed(bytes));
  frame[0] = compressed ? 1 : 0;
  return frame;
};
const hello = Buffer.from("hello");

/** What a client says first: the magic words and an empty SETTINGS frame. */
const preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);

describe("a unary call", () => {
  test.each([
    ["an empty message", Buffer.alloc(0)],
    ["a small message", hello],
    ["a message of many frames", Buffer.alloc(3_000_000, "x")],
  ])("carries %s there and back", async (_what, bytes) => {
    const answer = await call(await serve(), message(bytes));
    expect([answer.http, answer.status]).toEqual([200, Code.OK]);
    expect(answer.body.equals(message(bytes))).toBe(true);
  });

  test.each([
    ["gzip", gzipSync(hello)],
    ["deflate", deflateSync(hello)],
  ])("may come compressed with %s", async (encoding, bytes) => {
    const answer = await call(await serve(), message(bytes, true), { "grpc-encoding": encoding });
    expect(answer.body).toEqual(message(hello));
  });

  const rows = [
    // what arrives                            body                                        encoding      code                      message
    ["nothing", Buffer.alloc(0), "identity", Code.INTERNAL, "no message was sent to a unary method"],
    ["a part of a message", message(hello).subarray(0, 7), "identity", Code.INTERNAL, "the request ends within a message"],
    [
      "two messages",
      Buffer.concat([message(hello), message(hello)]),
      "identity",
      Code.UNIMPLEMENTED,
      "more than one message was sent to a unary method",
    ],
    ["bytes that are not gzip", message(hello, true), "gzip", Code.INTERNAL, "grpc: failed to decompress the message with gzip"],
    [
      "an unknown compression",
      message(hello, true),
      "br",
      Code.UNIMPLEMENTED,
      'grpc: decompressor is not installed for grpc-encoding "br"',
    ],
  ] as const;
  test.each(rows)("is refused if %s arrives", async (_what, body, encoding, code, text) => {
    const answer = await call(await serve(), body, { "grpc-encoding": encoding });
    expect([answer.status, answer.message]).toEqual([code, text]);
  });

  test("is refused where its answer is larger than may be sent", async () => {
    const answer = await call(
      await serve(
        unary(async () => ok(Buffer.alloc(101))),
        { sendBytesMax: 100 },
      ),
      message(hello),
    );
    expect([answer.status, answer.message]).toEqual([
      Code.RESOURCE_EXHAUSTED,
      "grpc: trying to send message larger than max (101 vs. 100)",
    ]);
  });

  test.each([
    ["in time", "10S", Code.OK],
    ["late", "10m", Code.DEADLINE_EXCEEDED],
    ["by a deadline that cannot be read", "soon", Code.OK],
  ])("answered %s", async (_when, timeout, code) => {
    const late: Handler = unary(async (bytes, { deadline, signal }) => {
      if (deadline !== null && deadline - Date.now() < 1_000) await once(signal, "abort");
      return ok(bytes);
    });
    expect((await call(await serve(late), message(hello), { "grpc-timeout": timeout })).status).toBe(code);
  });

  test.each([
    ["a GET", { ":method": "GET", "content-type": "text/html" }],
    ["another content type", { "content-type": "application/json" }],
  ])("is not %s", async (_what, headers) => {
    expect((await call(await serve(), message(hello), headers)).http).toBe(415);
  });
});

describe("a call that is cut", () => {
  const revoked = status(Code.UNAUTHENTICATED, "the key was revoked");

  test("ends with its status while its handler waits, and the handler hears of it", async () => {
    let heard = false;
    const waiting: Handler = unary(async (bytes, one) => {
      const { signal } = one;
      setImmediate(() => one.cut(revoked));
      await once(signal, "abort");
      heard = true;
      return ok(bytes);
    });
    const answer = await call(await serve(waiting), message(hello));
    expect([answer.status, answer.message, answer.body.length]).toEqual([Code.UNAUTHENTICATED, "the key was revoked", 0]);
    expect(heard).toBe(true);
  });

  test("after it was answered stays answered, and nothing is aborted", async () => {
    const signals: AbortSignal[] = [];
    const quick: Handler = (one) => ({
      message: (bytes) => {
        signals.push(one.signal);
        one.complete(bytes);
        one.cut(revoked);
      },
      end: () => {},
    });
    expect((await call(await serve(quick), message(hello))).status).toBe(Code.OK);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });

  test("after a part of the answer keeps that part", async () => {
    const begun: Handler = (one) => ({
      message: (bytes) => {
        one.send(bytes);
        one.cut(revoked);
      },
      end: () => {},
    });
    const answer = await call(await serve(begun), message(hello));
    expect([answer.status, answer.body]).toEqual([Code.UNAUTHENTICATED, message(hello)]);
  });
});

describe("a conversation", () => {
  const echoes: Handler = (called) => ({ message: (bytes) => called.send(bytes), end: () => called.complete() });

  test("has as many messages as either side likes", async () => {
    const sent = Buffer.concat([message(hello), message(Buffer.alloc(0)), message(Buffer.alloc(50_000, "y"))]);
    const answer = await call(await serve(echoes), sent);
    expect(answer.status).toBe(Code.OK);
    expect(answer.body.equals(sent)).toBe(true);
  });

  test("may be refused after it has begun", async () => {
    const moody: Handler = (called) => ({
      message: (bytes) => called.send(bytes),
      end: () => called.refuse(status(Code.ABORTED, "enough")),
    });
    const answer = await call(await serve(moody), message(hello));
    expect([answer.status, answer.message, answer.body]).toEqual([Code.ABORTED, "enough", message(hello)]);
  });
});

describe("a connection", () => {
  test("more than may be open is closed at once", async () => {
    const first = await serve(echo, { connectionsMax: 1 });
    expect((await call(first, message(hello))).status).toBe(Code.OK);
    const second = connectTcp(server?.port ?? 0, "127.0.0.1");
    second.on("error", () => {});
    await once(second, "close");
  });

  test("that answers its pings stays", async () => {
    const client = await serve(echo, { keepaliveMs: 10 });
    await once(client, "ping");
    await once(client, "ping");
    expect((await call(client, message(hello))).status).toBe(Code.OK);
  });

  test("that does not answer its pings goes", async () => {
    await serve(echo, { keepaliveMs: 10, keepaliveAnswerMsMax: 10 });
    const mute = connectTcp(server?.port ?? 0, "127.0.0.1").resume();
    mute.write(preface);
    await once(mute, "close");
  });

  test("full of garbage does not disturb another", async () => {
    const client = await serve();
    const frame = fc
      .record({ type: fc.integer({ min: 0, max: 9 }), flags: fc.nat(255), streamId: fc.nat(9), payload: fc.uint8Array({ maxLength: 50 }) })
      .map(({ type, flags, streamId, payload }) =>
        Buffer.concat([Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, streamId]), payload]),
      );
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 10 }), async (frames) => {
        const socket = connectTcp(server?.port ?? 0, "127.0.0.1").resume();
        socket.on("error", () => {});
        socket.end(Buffer.concat([preface, ...frames]));
        expect((await call(client, message(hello))).status).toBe(Code.OK);
        socket.destroy();
      }),
      { numRuns: 200 },
    );
  });

  test("that has reached its age finishes its calls and goes", async () => {
    const { promise: told, resolve: tell } = withResolvers();
    const client = await serve(
      unary(async (bytes) => {
        await told;
        return ok(bytes);
      }),
      { connectionAgeMaxMs: 10 },
    );
    const answer = call(client, message(hello));
    await once(client, "goaway");
    tell();
    expect((await answer).status).toBe(Code.OK);
    await once(client, "close");
  });

  test("lost in the midst of a call ends that call and no other", async () => {
    const { promise: asked, resolve: ask } = withResolvers();
    const { promise: aborted, resolve: abort } = withResolvers();
    const handler = unary(async (bytes, { signal }) => {
      if (bytes.length === 0) return ok(bytes);
      ask();
      await once(signal, "abort");
      abort();
      return ok(bytes);
    });
    const client = await serve(handler);
    const lost = call(client, message(hello));
    await asked;
    client.destroy();
    await Promise.all([lost, aborted]);
    session = connect(`http://127.0.0.1:${server?.port}`);
    expect((await call(session, message(Buffer.alloc(0)))).status).toBe(Code.OK);
  });
});

test("a port in use is an error of the start", async () => {
  await serve();
  const again = startGrpcServer({ host: "127.0.0.1", port: server?.port ?? 0, limits, handlerOf: () => echo });
  await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
