import { createServer, type IncomingMessage, type RequestListener, type ServerOptions, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Log } from "../../telemetry/log.ts";
import type { ServerTls } from "../../tls/server-tls.ts";
import { boundConnections } from "../connections.ts";

export type HttpEdgeOptions = {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Whether new work is welcome: false while the server starts or drains. */
  readonly ready: () => boolean;
  readonly metrics: { render(): string };
  /** Loads what answers everything under `/api/`; called with the first such request, so that nobody else waits for it. */
  readonly api: () => Promise<Api>;
  readonly log: Log;
  /** Why somebody may not read the metrics; null when they may. Without it, anybody may. */
  readonly refuseMetrics?: (request: IncomingMessage) => Promise<Refusal | null>;
  readonly limits?: Partial<HttpLimits>;
  /** Told of every connection that is closed at once, by what bound. */
  readonly refused?: (limit: string) => void;
  /** Null serves without TLS. */
  readonly tls?: ServerTls | null;
};

/** Why a request is not answered, as RFC 9457 has it. */
export type Refusal = {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryAfterSeconds?: number;
};

export type HttpLimits = {
  /** Until the last header of a request, from its first byte or the connection. */
  readonly headersTimeout: DurationMs;
  /** Until the last byte of a request. */
  readonly requestTimeout: DurationMs;
  /** Until the next request on a connection. */
  readonly keepAliveTimeout: DurationMs;
  /** Further connections are closed at once. */
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
};

export const defaultHttpLimits: HttpLimits = {
  headersTimeout: 10 * secondMs,
  requestTimeout: 60 * secondMs,
  keepAliveTimeout: 5 * secondMs,
  connectionsMax: 10_000,
  connectionsPerAddressMax: 1_000,
};

export type Api = {
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** A request for another protocol on the connection. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
};

export type HttpEdge = {
  /** `host:port` as it listens. */
  readonly address: string;
  /** Closes the port and waits for answers in flight, `answerMsMax` at most. */
  stop(): Promise<void>;
};

/** A reader that is slower than this at the end gets half an answer. */
const answerMsMax = 5 * secondMs;

/**
 * The HTTP port: `/healthz` (the process answers), `/readyz` (503 while it should get no new work), `/metrics` (Prometheus text), and the
 * API under `/api/`. Anything else is refused as problem+json (RFC 9457). Rejects when the port cannot be had.
 */
export function startHttpEdge(options: HttpEdgeOptions): Promise<HttpEdge> {
  const { host, port, ready, metrics, api, log, refuseMetrics = nobody, refused = () => {}, tls = null } = options;
  const limits = { ...defaultHttpLimits, ...options.limits };
  const routes: { readonly [path: string]: (response: ServerResponse, request: IncomingMessage) => void } = {
    "/healthz": (response) => text(response, 200, "ok\n"),
    "/readyz": (response) => (ready() ? text(response, 200, "ready\n") : text(response, 503, "not ready\n")),
    "/metrics": (response, request) => void answerMetrics(request, response),
  };

  const answerMetrics = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const refusal = await refuseMetrics(request);
      if (refusal === null) text(response, 200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8");
      else problem(response, refusal);
    } catch (error) {
      log.error("nobody can be told who may read the metrics", {}, error);
      problem(response, { status: 503, code: "unavailable", detail: "who asks cannot be told right now" });
    }
  };

  let loading: Promise<Api> | null = null;
  const answerByApi = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      loading ??= api();
      (await loading).handle(request, response);
    } catch (error) {
      log.error("the API cannot be loaded", {}, error);
      problem(response, { status: 500, code: "internal", detail: "the API cannot be loaded: the server's log says why" });
    }
  };

  const headers = Object.entries({ ...securityHeaders, ...(tls === null ? {} : transportSecurity) });
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    for (const [name, value] of headers) response.setHeader(name, value);
    if (hasTooManyHeaders(request)) return void problem(response, tooManyHeaders);
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    if (path.startsWith("/api/")) return void answerByApi(request, response);
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) problem(response, { status: 404, code: "no-such-route", detail: `there is nothing at \`${path}\`` });
    else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      problem(response, { status: 405, code: "method-not-allowed", detail: `\`${path}\` is read with GET` });
    } else route(response, request);
  };
  const bounds: ServerOptions = {
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    // How late a request that takes too long is noticed.
    connectionsCheckingInterval: Math.min(secondMs, limits.headersTimeout),
    maxHeaderSize: headerBytesMax,
  };
  const server = tls === null ? createServer(bounds, answer) : securedServer(tls, bounds, answer);
  // One more is enough to see that there are too many: those that come after are not looked at.
  server.maxHeadersCount = headersMax + 1;
  server.maxConnections = limits.connectionsMax;
  server.on("drop", () => refused("connections"));
  boundConnections(server, limits.connectionsPerAddressMax, () => refused("connections-per-address"));

  server.on("upgrade", (request, socket, head) => {
    // Who leaves before the answer is no reason to stop.
    socket.on("error", () => {});
    if (hasTooManyHeaders(request)) return void socket.end("HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n");
    if (!request.url?.startsWith("/api/")) return void socket.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n");
    loading ??= api();
    loading.then(
      ({ upgrade }) => upgrade(request, socket, head),
      (error: unknown) => {
        log.error("the API cannot be loaded", {}, error);
        socket.end("HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\n\r\n");
      },
    );
  });

  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      // With a host and a port, an address is never a pipe's name.
      const bound = server.address() as AddressInfo;
      resolve({
        address: `${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`,
        stop: () =>
          new Promise((stopped) => {
            const patience = setTimeout(() => server.closeAllConnections(), answerMsMax);
            server.close(() => {
              clearTimeout(patience);
              stopped();
            });
            server.closeIdleConnections();
          }),
      });
    });
  });
}

const nobody = async (): Promise<null> => null;

/** All headers of a request together; more are answered with 431. */
const headerBytesMax = 16 * 1024;
/** More are answered with 431 as well. */
const headersMax = 100;

const hasTooManyHeaders = ({ rawHeaders }: IncomingMessage): boolean => rawHeaders.length > 2 * headersMax;
const tooManyHeaders: Refusal = { status: 431, code: "too-many-headers", detail: `a request has at most ${headersMax} headers` };

/** For every answer: it is data, is not to be guessed at, and is nobody's frame. */
export const securityHeaders: { readonly [name: string]: string } = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
/** Browsers that have been here come back with TLS only, for a year. */
const transportSecurity = { "strict-transport-security": "max-age=31536000" };

function securedServer(tls: ServerTls, bounds: ServerOptions, answer: RequestListener) {
  const server = createSecureServer({ ...bounds, ...tls.options }, answer);
  tls.protect(server, "http");
  return server;
}

function text(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), "cache-control": "no-store" }).end(body);
}

function problem(response: ServerResponse, { retryAfterSeconds, ...refusal }: Refusal): void {
  if (retryAfterSeconds !== undefined) response.setHeader("retry-after", retryAfterSeconds);
  if (refusal.status === 401) response.setHeader("www-authenticate", 'Bearer realm="holdfast"');
  const body = { title: STATUS_CODES[refusal.status] ?? "Error", ...refusal };
  text(response, refusal.status, `${JSON.stringify(body)}\n`, "application/problem+json");
}
