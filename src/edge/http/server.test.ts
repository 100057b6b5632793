import { afterAll, beforeAll, expect, test } from "vitest";
import { type HttpEdge, startHttpEdge } from "./server.ts";

let ready = true;
let edge: HttpEdge;
beforeAll(async () => {
  edge = await startHttpEdge({ host: "127.0.0.1", port: 0, ready: () => ready, metrics: { render: () => "commits_total 3\n" } });
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
  ["GET", "/toString", 404, "there is nothing at `/toString`"],
  ["POST", "/metrics", 405, "`/metrics` is read with GET"],
] as const)("%s %s is a problem: %i", async (method, path, status, detail) => {
  const response = await ask(path, method);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({ status, detail });
});

test("a port in use is refused", async () => {
  const port = Number(edge.address.split(":").at(-1));
  const second = startHttpEdge({ host: "127.0.0.1", port, ready: () => true, metrics: { render: () => "" } });
  await expect(second).rejects.toMatchObject({ code: "EADDRINUSE" });
});
