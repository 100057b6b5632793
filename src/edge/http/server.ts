import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { secondMs } from "../../base/time.ts";
import type { Log } from "../../telemetry/log.ts";
import type { ServerTls } from "../../tls/server-tls.ts";

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
  /** Null serves without TLS. */
  readonly tls?: ServerTls | null;
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
export function startHttpEdge({ host, port, ready, metrics, api, log, tls = null }: HttpEdgeOptions): Promise<HttpEdge> {
  const routes: { readonly [path: string]: (response: ServerResponse) => void } = {
    "/healthz": (response) => text(response, 200, "ok\n"),
    "/readyz": (response) => (ready() ? text(response, 200, "ready\n") : text(response, 503, "not ready\n")),
    "/metrics": (response) => text(response, 200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8"),
  };

  let loading: Promise<Api> | null = null;
  const answerByApi = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      loading ??= api();
      (await loading).handle(request, response);
    } catch (error) {
      log.error("the API cannot be loaded", {}, error);
      problem(response, 500, "the API cannot be loaded: the server's log says why");
    }
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    if (path.startsWith("/api/")) return void answerByApi(request, response);
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) problem(response, 404, `there is nothing at \`${path}\``);
    else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      problem(response, 405, `\`${path}\` is read with GET`);
    } else route(response);
  };
  const server = tls === null ? createServer(answer) : securedServer(tls, answer);

  server.on("upgrade", (request, socket, head) => {
    // Who leaves before the answer is no reason to stop.
    socket.on("error", () => {});
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

function securedServer(tls: ServerTls, answer: RequestListener) {
  const server = createSecureServer(tls.options, answer);
  tls.protect(server, "http");
  return server;
}

function text(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), "cache-control": "no-store" }).end(body);
}

const titles: { readonly [status: number]: string } = {
  404: "Not Found",
  405: "Method Not Allowed",
  500: "Internal Server Error",
};
const codes: { readonly [status: number]: string } = { 404: "no-such-endpoint", 405: "method-not-allowed", 500: "internal" };

function problem(response: ServerResponse, status: number, detail: string): void {
  text(response, status, `${JSON.stringify({ title: titles[status], status, code: codes[status], detail })}\n`, "application/problem+json");
}
