import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type HttpEdgeOptions = {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Whether new work is welcome: false while the server starts or drains. */
  readonly ready: () => boolean;
  readonly metrics: { render(): string };
};

export type HttpEdge = {
  /** `host:port` as it listens. */
  readonly address: string;
  /** Closes the port and waits for answers in flight. */
  stop(): Promise<void>;
};

/**
 * The port for people who operate the server: `/healthz` (the process answers), `/readyz` (503 while it should get no new work) and
 * `/metrics` (Prometheus text). Anything else is refused as problem+json (RFC 9457). Rejects when the port cannot be had.
 */
export function startHttpEdge({ host, port, ready, metrics }: HttpEdgeOptions): Promise<HttpEdge> {
  const routes: { readonly [path: string]: (response: ServerResponse) => void } = {
    "/healthz": (response) => text(response, 200, "ok\n"),
    "/readyz": (response) => (ready() ? text(response, 200, "ready\n") : text(response, 503, "not ready\n")),
    "/metrics": (response) => text(response, 200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8"),
  };

  const server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (route === undefined) problem(response, 404, `there is nothing at \`${path}\``);
    else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      problem(response, 405, `\`${path}\` is read with GET`);
    } else route(response);
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
            server.close(() => stopped());
            server.closeIdleConnections();
          }),
      });
    });
  });
}

function text(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), "cache-control": "no-store" }).end(body);
}

const titles: { readonly [status: number]: string } = { 404: "Not Found", 405: "Method Not Allowed" };

function problem(response: ServerResponse, status: number, detail: string): void {
  text(response, status, `${JSON.stringify({ title: titles[status], status, detail })}\n`, "application/problem+json");
}
