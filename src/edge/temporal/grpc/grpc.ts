import { once } from "node:events";
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { networkOf } from "../../../base/network.ts";
import { type DurationMs, secondMs } from "../../../base/time.ts";
import { peerCertificateOf } from "../../../tls/peer-certificate.ts";
import type { ServerTls } from "../../../tls/server-tls.ts";
import { boundConnections } from "../../connections.ts";
import { type Calls, type Handler, type Peer, type Receiving, StreamCall } from "./call.ts";

// A gRPC server on node:http2. @grpc/grpc-js was measured first: a small call through the whole edge cost the server 50 µs with it and
// costs 32 µs with this (node:http2 alone: 28 µs), a gzipped one 107 µs and 47 µs. It also hides how a request was compressed, and words the
// refusal of a large message in a way that the Rust core does not know.

export type GrpcLimits = {
  /** The largest request message, before and after decompression. */
  readonly receiveBytesMax: number;
  readonly sendBytesMax: number;
  /** Further connections are closed at once. */
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Calls open at one time on one connection; its client keeps further calls waiting. */
  readonly callsPerConnectionMax: number;
  /** Every connection is asked by a ping whether its client is still there. */
  readonly keepaliveMs: DurationMs;
  /** A connection that does not answer a ping within this time is dropped: the polls of a worker that vanished take no more tasks. */
  readonly keepaliveAnswerMsMax: DurationMs;
  /** After this time, give or take a tenth, clients are told to connect anew; null for never. */
  readonly connectionAgeMaxMs: DurationMs | null;
  /** For a client to send a request. */
  readonly requestMsMax: DurationMs;
  /** For a client to take its answer. */
  readonly answerMsMax: DurationMs;
  /** A connection without a call is closed after this time. */
  readonly firstCallMsMax: DurationMs;
  /** What may have come of requests that are not complete, from one address. */
  readonly receivingBytesPerAddressMax: number;
};

/** By what bound a connection or a call was ended. */
export type GrpcBound = "connections" | "connections-per-address" | "slow" | "memory" | "control-frames";

export type GrpcServer = {
  readonly port: number;
  /** Takes no new connections and calls, aborts the signals of open calls, and resolves when the last of them has ended. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  stop(): void;
};

/** Serves every call with the handler of its path. Rejects when the address cannot be bound. */
export async function startGrpcServer(options: {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly limits: GrpcLimits;
  readonly handlerOf: (path: string) => Handler;
  /** Told of whatever is ended by a bound. */
  readonly refused?: (bound: GrpcBound) => void;
  /** Null serves without TLS. */
  readonly tls?: ServerTls | null;
}): Promise<GrpcServer> {
  const { limits, handlerOf, refused = () => {}, tls = null } = options;
  const calls: Calls = {
    receiveBytesMax: limits.receiveBytesMax,
    sendBytesMax: limits.sendBytesMax,
    draining: false,
    listening: new Set(),
    open: new Set(),
    requestMsMax: limits.requestMsMax,
    answerMsMax: limits.answerMsMax,
    receivingBytesMax: limits.receivingBytesPerAddressMax,
    refused,
  };
  const sessions = new Map<Http2Session, Connection>();
  const addresses = new Map<string, Address>();
  const addressOf = (session: ServerHttp2Session): Address => {
    const network = networkOf(session.socket.remoteAddress ?? "");
    const address = addresses.get(network) ?? { sessions: 0, receiving: { bytes: 0 } };
    addresses.set(network, address);
    address.sessions++;
    session.once("close", () => {
      if (--address.sessions === 0) addresses.delete(network);
    });
    return address;
  };
  const http2 = {
    maxSessionMemory: sessionMegabytesMax,
    settings: { maxConcurrentStreams: limits.callsPerConnectionMax, initialWindowSize: streamWindowBytes },
  };
  const server = tls === null ? createServer(http2) : securedServer(tls, http2);
  server.maxConnections = limits.connectionsMax;
  server.on("drop", () => refused("connections"));
  boundConnections(server, limits.connectionsPerAddressMax, () => refused("connections-per-address"));
  // Whatever a client does wrong ends its session, and nothing else.
  server.on("sessionError", () => {});
  server.on("session", (session) => {
    const peer = { certificate: peerCertificateOf(session.socket), address: session.socket.remoteAddress ?? "" };
    sessions.set(session, { peer, receiving: addressOf(session).receiving });
    session.once("close", () => sessions.delete(session));
    boundControlFrames(session, refused);
    awaitFirstCall(session, limits.firstCallMsMax, refused);
    session.setLocalWindowSize(connectionWindowBytes);
    keepAlive(session, limits);
    if (limits.connectionAgeMaxMs !== null) endAtAge(session, limits.connectionAgeMaxMs);
  });
  server.on("stream", (stream, headers) => {
    const connection = (stream.session && sessions.get(stream.session)) ?? closedConnection;
    if (isGrpc(headers)) new StreamCall(stream, headers, connection, calls, handlerOf(headers[":path"] ?? ""));
    else refuseOtherHttp(stream);
  });
  await listen(server, options);
  const looking = setInterval(() => {
    const now = performance.now();
    for (const call of calls.open) call.endIfSlow(now);
  }, slowCallsEndEvery).unref();

  const stopCalls = (): void => {
    calls.draining = true;
    for (const abort of calls.listening) abort.abort();
    calls.listening.clear();
  };
  return {
    port: (server.address() as AddressInfo).port,
    async drain() {
      stopCalls();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions.keys()) session.close();
      await closed;
      clearInterval(looking);
    },
    stop() {
      clearInterval(looking);
      stopCalls();
      server.close();
      for (const session of sessions.keys()) session.destroy();
    },
  };
}

/** Speaks HTTP/2 over TLS and nothing else. */
function securedServer(tls: ServerTls, http2: ServerOptions): Http2SecureServer {
  const server = createSecureServer({ ...http2, ...tls.options, allowHTTP1: false });
  // Without the name of HTTP/2 in the handshake; Node would wait for a client to leave by itself.
  server.on("unknownProtocol", (socket) => socket.destroy());
  tls.protect(server, "grpc");
  return server;
}

type Connection = { readonly peer: Peer; readonly receiving: Receiving };
type Address = { sessions: number; readonly receiving: Receiving };
const closedConnection: Connection = { peer: { certificate: null, address: "" }, receiving: { bytes: 0 } };

async function listen(
  server: Http2Server | Http2SecureServer,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  server.listen({ host, port });
  await once(server, "listening");
}

const isGrpc = (headers: IncomingHttpHeaders): boolean =>
  headers[":method"] === "POST" && headers["content-type"]?.startsWith("application/grpc") === true;

function refuseOtherHttp(stream: ServerHttp2Stream): void {
  stream.on("error", () => {});
  stream.respond({ ":status": 415 }, { endStream: true });
}

/** These are the pings of the server. */
function keepAlive(session: ServerHttp2Session, { keepaliveMs, keepaliveAnswerMsMax }: GrpcLimits): void {
  const timer = setInterval(() => {
    if (session.destroyed) return;
    const unanswered = setTimeout(() => session.destroy(), keepaliveAnswerMsMax).unref();
    session.ping(() => clearTimeout(unanswered));
  }, keepaliveMs).unref();
  session.once("close", () => clearInterval(timer));
}

/**
 * Frames that cost the client little and are no calls. How often streams are reset, how many frames the headers of a stream have, and how
 * many answers to control frames may wait is bounded by nghttp2 itself.
 */
function boundControlFrames(session: ServerHttp2Session, refused: (bound: GrpcBound) => void): void {
  let began = performance.now();
  let frames = 0;
  const count = (): void => {
    const now = performance.now();
    if (now - began > controlFramesPer) {
      began = now;
      frames = 0;
    }
    if (++frames <= controlFramesMax || session.destroyed) return;
    refused("control-frames");
    session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  };
  session.on("ping", count);
  session.on("remoteSettings", count);
}

/** Whoever connects has something to ask. */
function awaitFirstCall(session: ServerHttp2Session, patience: DurationMs, refused: (bound: GrpcBound) => void): void {
  const timer = setTimeout(() => {
    refused("slow");
    session.destroy();
  }, patience).unref();
  session.once("stream", () => clearTimeout(timer));
  session.once("close", () => clearTimeout(timer));
}

function endAtAge(session: ServerHttp2Session, ageMs: DurationMs): void {
  // Spread, so that clients that came together do not come back together.
  const timer = setTimeout(() => session.close(), ageMs * (0.9 + 0.2 * Math.random())).unref();
  session.once("close", () => clearTimeout(timer));
}

const slowCallsEndEvery: DurationMs = secondMs;
/** Clients ping every few seconds, and some at every few kilobytes of a large answer. */
const controlFramesMax = 10_000;
const controlFramesPer: DurationMs = 10 * secondMs;
/** Flow control: as much as a client may send before it is read. Node's 64 KiB would make a request of 4 MiB wait for 64 round trips. */
const streamWindowBytes = 256 * 1024;
const connectionWindowBytes = 4 * 1024 * 1024;
/** Where Node refuses further streams of a connection; reached only by answers that their client does not read. */
const sessionMegabytesMax = 1024;
