import type { IncomingHttpHeaders } from "node:http";
import { get } from "node:https";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startHttpEdge } from "../../src/edge/http/server.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { authority, filesOf, forLoopback } from "../../src/tls/certificate.test-kit.ts";
import { openServerTls } from "../../src/tls/server-tls.ts";
import { admin, type RawAnswer, request, sendRaw, startTarget, type Target } from "./attack-server.ts";

let target: Target;
let key: string;
beforeAll(async () => {
  target = await startTarget({ http: { headersTimeout: 300, requestTimeout: 600, connectionsPerAddressMax: 20 } });
  key = (await target.key(admin)).text;
});
afterAll(() => target.stop());

const raw = (lines: readonly string[], body = ""): Promise<RawAnswer> => sendRaw(target.httpPort, request(lines, body));
const asked = (line: string, headers: readonly string[] = [], body = "") =>
  raw([line, "host: localhost", `x-api-key: ${key}`, ...headers], body);
const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(`${target.url}${path}`, {
    method,
    headers: { "x-api-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });

test.each([
  ["/api/v1/../../metrics", 404],
  ["/api/../metrics", 404],
  ["/../metrics", 404],
  ["//metrics", 404],
  ["/api/v1/runs/..%2f..%2fstatus", 404],
  ["/api/v1/runs/%2e%2e/status", 404],
  ["/api/v1/runs/..%252f..%252fstatus", 404],
  ["/api/v1/workflows/%2e%2e%5c%2e%2e", 404],
  ["/api/v1/runs/%00", 404],
  ["/api/v1/runs/a%00b", 404],
  ["/api/v1/runs/%c0%ae%c0%ae", 400],
  ["/api/v1/runs/%", 400],
  ["/api/v1/RUNS", 404],
  ["/api/v1/runs;a=b", 404],
  ["/api/v1/runs%3fa=b", 404],
  [`/api/v1/runs/${"a".repeat(4_000)}`, 404],
  [`/api/v1/${"a/".repeat(4_000)}`, 404],
  [`/${"a".repeat(20_000)}`, 431],
  ["http://elsewhere.example/api/v1/jobs", 404],
  ["*", 404],
] as const)("the path %.60s leads nowhere: %i", async (path, status) => {
  const answered = await asked(`GET ${path} HTTP/1.1`);
  expect(answered.status).toBe(status);
  expect(answered.text).not.toContain("holdfast_");
});

describe("headers", () => {
  test.each([
    ["a line break in a value", ["x-tenant-id: default\nx-principal-id: root"], 400],
    ["a carriage return in a value", ["x-tenant-id: default\rx-principal-id: root"], 400],
    ["a control character in a value", ["x-tenant-id: a\u0000b"], 400],
    ["a space before the colon", ["x-tenant-id : default"], 400],
    ["a folded line", ["x-tenant-id: default", "  other"], 400],
    ["no name", [": a"], 400],
    ["two keys", ["x-api-key: hfk_other"], 400],
    ["two tenants", ["x-tenant-id: default", "X-Tenant-ID: other"], 400],
    ["two authorizations", ["authorization: Bearer a", "Authorization: Bearer b"], 400],
    ["two hosts", ["Host: elsewhere.example"], 400],
    ["two principals", ["x-principal-id: ada", "x-principal-id: bob"], 400],
    ["more than there may be", Array.from({ length: 101 }, (_, at) => `a${at}: b`), 431],
    ["longer than they may be", [`a: ${"b".repeat(17_000)}`], 431],
  ] as const)("%s", async (_, headers, status) => {
    expect((await asked("GET /api/v1/jobs HTTP/1.1", headers)).status).toBe(status);
  });

  test("what comes back is never in a header", async () => {
    const answered = await asked("GET /api/v1/runs/a%0d%0aset-cookie:%20b=c HTTP/1.1", ["x-request-id: a", "x-tenant-id: default"]);
    expect(answered.text.split("\r\n\r\n", 1)[0]?.toLowerCase()).not.toContain("set-cookie");
  });

  test("a name that leads here by DNS is not a name of this server", async () => {
    expect((await raw(["GET /api/v1/jobs HTTP/1.1", "host: rebound.example", `x-api-key: ${key}`])).status).toBe(421);
    expect((await raw(["GET /api/v1/jobs HTTP/1.1", `x-api-key: ${key}`])).status).toBe(400);
  });
});

describe("smuggling", () => {
  const inner = "GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n";
  test.each([
    ["a length and chunks", [`content-length: ${inner.length}`, "transfer-encoding: chunked"], `0\r\n\r\n${inner}`],
    ["chunks that are not the last coding", ["transfer-encoding: chunked, identity"], `0\r\n\r\n${inner}`],
    ["a coding of another name", ["transfer-encoding: xchunked"], `0\r\n\r\n${inner}`],
    ["two lengths", ["content-length: 0", `content-length: ${inner.length}`], inner],
    ["a length that is no number", ["content-length: +5"], "aaaaa"],
    ["a chunk whose length is none", ["transfer-encoding: chunked"], `0x1\r\na\r\n0\r\n\r\n`],
    ["a chunk with line feeds alone", ["transfer-encoding: chunked"], `1\na\n0\n\n${inner}`],
  ] as const)("%s: one answer, and it is a refusal", async (_, headers, body) => {
    const { text } = await asked("POST /api/v1/jobs HTTP/1.1", ["content-type: application/json", ...headers], body);
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(["400"]);
  });
});

describe("what takes too long, or too much", () => {
  const slowly = (head: string, drip: string): Promise<RawAnswer & { readonly ms: number }> =>
    new Promise((resolve) => {
      const began = performance.now();
      const socket = connect(target.httpPort, "127.0.0.1");
      let text = "";
      socket.write(head);
      const dripping = setInterval(() => socket.write(drip), 50);
      socket.on("data", (part) => {
        text += part;
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        clearInterval(dripping);
        resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text, ms: performance.now() - began });
      });
    });

  test.each([
    ["headers", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n", "a: b\r\n"],
    ["nothing at all", "", ""],
    [
      "a body",
      () =>
        `POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n`,
      " ",
    ],
  ] as const)("%s that never end are answered with 408", async (_, head, drip) => {
    const { status, ms } = await slowly(typeof head === "string" ? head : head(), drip);
    expect(status).toBe(408);
    expect(ms).toBeLessThan(5_000);
  });

  test("connections of one address are bounded, and those of another are not", async () => {
    const sockets = Array.from({ length: 40 }, () => connect({ host: "127.0.0.1", port: target.httpPort, localAddress: "127.0.3.1" }));
    for (const socket of sockets) socket.on("error", () => {});
    const closed = await Promise.all(
      sockets.slice(20).map((socket) => new Promise((resolve) => socket.once("close", () => resolve(true)))),
    );
    expect(closed).toHaveLength(20);
    expect((await sendRaw(target.httpPort, request(["GET /healthz HTTP/1.1", "host: localhost"]), { address: "127.0.3.2" })).status).toBe(
      200,
    );
    for (const socket of sockets) socket.destroy();
    expect(target.metrics()).toContain('holdfast_refused_by_limit_total{port="http",limit="connections-per-address"} 20');
  });

  test.each([
    ["a body that says so", "x".repeat(2 ** 20 + 1), {}, 413],
    ["a body of brackets", "[".repeat(100_000), {}, 400],
    ["a body of objects", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`, {}, 400],
  ] as const)("%s", async (_, body, headers, status) => {
    expect((await ask("POST", "/api/v1/jobs", body, headers)).status).toBe(status);
  });

  test("a body in chunks is not read beyond its bound", async () => {
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const { status } = await asked(
      "POST /api/v1/jobs HTTP/1.1",
      ["content-type: application/json", "transfer-encoding: chunked"],
      chunk.repeat(40),
    );
    expect([413, 0]).toContain(status);
  });

  test.each(["gzip", "deflate", "br"])("a body in %s is not unpacked", async (encoding) => {
    const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20));
    const response = await fetch(`${target.url}/api/v1/jobs`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json", "content-encoding": encoding },
      body: bomb,
    });
    expect(response.status).toBe(400);
  });
});

describe("prototypes stay as they are", () => {
  test.each([
    ["POST", "/api/v1/jobs", '{"topic":"job.a","__proto__":{"polluted":true}}', 400],
    ["POST", "/api/v1/jobs", '{"topic":"job.a","constructor":{"prototype":{"polluted":true}}}', 400],
    ["POST", "/api/v1/jobs", '{"topic":"job.a","labels":{"__proto__":"a"}}', 400],
    ["POST", "/api/v1/jobs", '{"topic":"job.a","payload":{"\\u005f_proto__":{"polluted":true}}}', 400],
    ["PUT", "/api/v1/policy/bundles/__proto__", '{"content":"rules: []"}', null],
    ["GET", "/api/v1/policy/bundles/constructor", "", 404],
    ["GET", "/api/v1/workflows/__proto__", "", 404],
    ["GET", "/api/v1/schemas/toString", "", 404],
    ["GET", "/api/v1/jobs/__proto__", "", 404],
    ["GET", "/api/v1/jobs?__proto__[polluted]=true", "", null],
    ["GET", "/api/v1/jobs?constructor=a", "", null],
  ] as const)("%s %s %s", async (method, path, body, status) => {
    const response = await ask(method, path, body === "" ? undefined : body);
    expect(response.status).toBeLessThan(500);
    if (status !== null) expect(response.status).toBe(status);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("pages of other places", () => {
  test.each([
    ["GET", "/api/v1/jobs", {}],
    ["OPTIONS", "/api/v1/jobs", { "access-control-request-method": "POST", "access-control-request-headers": "x-api-key" }],
    ["OPTIONS", "/api/v1/stream", { "access-control-request-method": "GET" }],
    ["GET", "/healthz", {}],
    ["OPTIONS", "/metrics", { "access-control-request-method": "GET" }],
  ] as const)("%s %s: no origin is ever allowed", async (method, path, headers) => {
    for (const origin of ["https://evil.example", "null", "http://localhost:3000", target.url]) {
      const response = await ask(method, path, undefined, { origin, ...headers });
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
      if (method === "OPTIONS") expect(response.ok).toBe(false);
      if (path.startsWith("/api/") && (origin.includes("evil") || origin === "null")) expect(response.status).toBe(403);
    }
  });

  const outcomeOf = (socket: WebSocket): Promise<number> =>
    new Promise((resolve) => {
      socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode ?? 0));
      socket.on("open", () => resolve(101));
      socket.on("error", () => {});
    });

  test.each([
    ["https://evil.example", 403],
    ["null", 403],
    ["http://localhost.evil.example", 403],
    ["http://localhost:9", 101],
  ])("a WebSocket from %s: %i", async (origin, status) => {
    const socket = new WebSocket(`${target.url.replace("http", "ws")}/api/v1/stream`, { origin, headers: { "x-api-key": key } });
    expect(await outcomeOf(socket)).toBe(status);
    socket.terminate();
  });

  test.each([
    ["a frame that is too large", "x".repeat(2_000), 1009],
    ["text that is none", Buffer.from([0xff]), 1007],
  ] as const)("a WebSocket with %s is closed", async (_, sent, code) => {
    const socket = new WebSocket(`${target.url.replace("http", "ws")}/api/v1/stream`, { headers: { "x-api-key": key } });
    expect(await outcomeOf(socket)).toBe(101);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.send(sent, { binary: false });
    expect(await closed).toBe(code);
  });
});

test("every answer has the headers that keep browsers from doing more with it", async () => {
  for (const path of ["/healthz", "/metrics", "/nowhere", "/api/v1/jobs", "/api/v1/nowhere", "/api/v1/openapi.json"]) {
    const { headers } = await ask("GET", path);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("server")).toBeNull();
    expect(headers.get("x-powered-by")).toBeNull();
  }
});

test("over TLS, browsers are told to come back with TLS only", async () => {
  const ca = authority();
  const issued = ca.issue(forLoopback);
  const files = filesOf({ cert: issued.certificatePem, key: issued.keyPem });
  const tls = await openServerTls(
    { cert: files.cert, key: files.key, clientCa: null, clientCert: "none", minVersion: "TLSv1.2", reload: 60_000 },
    { log: silentLog, metrics: createMetrics() },
  );
  if (!tls.ok) throw new Error(tls.error);
  const edge = await startHttpEdge({
    host: "127.0.0.1",
    port: 0,
    ready: () => true,
    metrics: { render: () => "" },
    api: () => Promise.reject(new Error("nobody asks")),
    log: silentLog,
    tls: tls.value,
  });
  const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
    get(`https://${edge.address}/healthz`, { ca: ca.certificatePem, agent: false }, (response) => {
      response.resume();
      resolve(response.headers);
    }).on("error", reject);
  });
  expect(headers["strict-transport-security"]).toBe("max-age=31536000");
  expect((await ask("GET", "/healthz")).headers.get("strict-transport-security")).toBeNull();
  tls.value?.stop();
  await edge.stop();
});
