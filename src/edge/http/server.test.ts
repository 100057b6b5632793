import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../telemetry/log.ts";
import { type Api, type HttpEdge, type HttpEdgeOptions, startHttpEdge } from "./server.ts";

const start = (options: Partial<HttpEdgeOptions>): Promise<HttpEdge> =>
  startHttpEdge({
    host: "127.0.0.1",
    port: 0,
    ready: () => true,
    metrics: { render: () => "commits_total 3\n" },
    api: async () => echo,
    log: silentLog,
    ...options,
  });
const echo: Api = {
  handle: (request, response) => void response.end(`${request.method} ${request.url}`),
  upgrade: ({ url }, socket) => void socket.end(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${url}\r\n\r\n`),
};

let ready = true;
let edge: HttpEdge;
beforeAll(async () => {
  edge = await start({ ready: () => ready });
});
afterAll(() => edge.stop());

const ask = (path: string, method = "GET"): Promise<Response> => fetch(`http://${edge.address}${path}`, { method });

test.each([
  // method path                  ready  status type                        body
  ["GET", "/healthz", true, 200, "text/plain; charset=utf-8", "ok\n"],
  ["GET", "/healthz", false, 200, "text/plain; charset=utf-8", "ok\n"],
  ["GET", "/readyz", true, 200, "text/plain; charset=utf-8", "ready\n"],
  ["GET", "/readyz", false, 503, "text/plain; charset=utf-8", "not ready\n"],
  ["GET", "/readyz?verbose=1", true, 200, "text/plain; charset=utf-8", "ready\n"],
  ["HEAD", "/healthz", true, 200, "text/plain; charset=utf-8", ""],
  ["GET", "/metrics", true, 200, "text/plain; version=0.0.4; charset=utf-8", "commits_total 3\n"],
] as const)("%s %s (ready: %s) → %i", async (method, path, isReady, status, type, body) => {
  ready = isReady;
  const response = await ask(path, method);
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe(type);
  expect(await response.text()).toBe(body);
});

test.each([
  ["GET", "/", 404, "there is nothing at `/`"],
  ["GET", "/apiary", 404, "there is nothing at `/apiary`"],
  ["GET", "/toString", 404, "there is nothing at `/toString`"],
  ["POST", "/metrics", 405, "`/metrics` is read with GET"],
] as const)("%s %s is a problem: %i", async (method, path, status, detail) => {
  const response = await ask(path, method);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({ status, detail });
});

test("a port in use is refused", async () => {
  const port = Number(edge.address.split(":").at(-1));
  await expect(start({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("the API is loaded once, when it is asked for, and gets requests as they are", async () => {
  let loaded = 0;
  const other = await start({
    api: async () => {
      loaded++;
      return echo;
    },
  });
  expect(loaded).toBe(0);
  const answers = await Promise.all(["a?b=1", "c"].map((path) => fetch(`http://${other.address}/api/${path}`, { method: "POST" })));
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(["POST /api/a?b=1", "POST /api/c"]);
  expect(loaded).toBe(1);
  await other.stop();
});

test("an API that cannot be loaded is a problem, and the rest of the port goes on", async () => {
  const other = await start({ api: () => Promise.reject(new Error("no such file")) });
  const response = await fetch(`http://${other.address}/api/v1/approvals`);
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({ code: "internal" });
  expect((await fetch(`http://${other.address}/healthz`)).status).toBe(200);
  await other.stop();
});

test.each([
  ["/api/v1/stream", "upgraded to /api/v1/stream"],
  ["/elsewhere", "404"],
])("an upgrade of %s: %s", async (path, outcome) => {
  const sent = request(`http://${edge.address}${path}`, { headers: { connection: "upgrade", upgrade: "websocket" } });
  const answered = new Promise((resolve) => {
    sent.once("upgrade", ({ headers }) => resolve(`upgraded to ${headers.upgrade}`));
    sent.once("response", ({ statusCode }) => resolve(String(statusCode)));
  });
  sent.end();
  expect(await answered).toBe(outcome);
  sent.destroy();
});
