import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { encode, make } from "../../src/protocol/codec.ts";
import {
  GetSystemInfoRequest,
  ListWorkflowExecutionsRequest,
  PollActivityTaskQueueRequest,
} from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { freeFailures } from "../../src/service/access/lockout.ts";
import { newKey } from "../../src/service/access/secret.ts";
import { admin, grpcCall, inTenant, request, sendRaw, startTarget, type Target, workflowService } from "./attack-server.ts";

// Algorithm confusion and forged tokens: src/service/access/token-verifier.test.ts. How pauses grow: lockout.test.ts beside it.

let target: Target;
beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target.stop());

const list = encode(ListWorkflowExecutionsRequest, make(ListWorkflowExecutionsRequest, { namespace: "default" }));
const overGrpc = async (headers: { [name: string]: string }, address: string): Promise<number> =>
  (await grpcCall(target.grpcPort, `${workflowService}/ListWorkflowExecutions`, list, headers, { address })).code;
const overHttp = async (headers: { [name: string]: string }, address: string): Promise<number> => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const sent = request(["GET /api/v1/jobs HTTP/1.1", "host: localhost", ...lines]);
  return (await sendRaw(target.httpPort, sent, { address })).status;
};

const ports = [
  ["gRPC", overGrpc, { refused: 16, lockedOut: 8, answered: 0 }],
  ["HTTP", overHttp, { refused: 401, lockedOut: 429, answered: 200 }],
] as const;

describe.each(ports)("guessing over %s", (port, ask, { refused, lockedOut, answered }) => {
  const network = port === "gRPC" ? "127.0.1" : "127.0.2";

  test.each([
    ["keys that there are not", (): string => `Bearer ${newKey().text}`, 1],
    ["what is no key", (): string => "Bearer hfk_x", 2],
    ["tokens of nobody", (): string => "Bearer e30.e30.e30", 3],
    ["passwords", (): string => "Basic YWRtaW46YWRtaW4=", 4],
  ] as const)("%s are slowed down, and valid credentials from there go on", async (_, guess, last) => {
    const address = `${network}.${last}`;
    for (let tried = 0; tried < freeFailures; tried++) expect(await ask({ authorization: guess() }, address)).toBe(refused);
    expect(await ask({ authorization: guess() }, address)).toBe(lockedOut);
    const { text } = await target.key(inTenant("default", "developer"));
    expect(await ask({ authorization: `Bearer ${text}` }, address)).toBe(answered);
    // Nor is anybody else kept out.
    expect(await ask({ authorization: guess() }, `${network}.${last + 100}`)).toBe(refused);
  });

  test("the secret of a known key: that key is kept from the address, and from nobody else", async () => {
    const { key, text } = await target.key(inTenant("default", "developer"));
    const wrong = `Bearer hfk_${key.id}_${newKey().text.slice(-43)}`;
    for (let tried = 0; tried < freeFailures; tried++) expect(await ask({ authorization: wrong }, `${network}.9`)).toBe(refused);
    expect(await ask({ authorization: wrong }, `${network}.9`)).toBe(lockedOut);
    expect(await ask({ authorization: `Bearer ${text}` }, `${network}.10`)).toBe(answered);
  });

  test("a key that was revoked is one that there is not, at once", async () => {
    const { key, text } = await target.key(inTenant("default", "developer"));
    expect(await ask({ authorization: `Bearer ${text}` }, `${network}.11`)).toBe(answered);
    await target.revoke(key);
    expect(await ask({ authorization: `Bearer ${text}` }, `${network}.11`)).toBe(refused);
  });
});

test("nobody hears whether a key is unknown, wrong, or has ended", async () => {
  const { key, text } = await target.key(admin);
  const wrong = `hfk_${key.id}_${newKey().text.slice(-43)}`;
  await target.revoke(key);
  const answers = await Promise.all(
    [newKey().text, wrong, text].map((one) =>
      fetch(`${target.url}/api/v1/jobs`, { headers: { "x-api-key": one } }).then((got) => got.text()),
    ),
  );
  expect(new Set(answers).size).toBe(1);
});

describe("revocation ends within a second what is open:", () => {
  const within = 1_000;

  test("a poll", async () => {
    const { key, text } = await target.key(inTenant("default", "worker"));
    const poll = make(PollActivityTaskQueueRequest, {
      namespace: "default",
      taskQueue: { name: "q", kind: 1, normalName: "" },
      identity: "w",
    });
    const polled = grpcCall(target.grpcPort, `${workflowService}/PollActivityTaskQueue`, encode(PollActivityTaskQueueRequest, poll), {
      authorization: `Bearer ${text}`,
    });
    await expect.poll(() => /holdfast_polls_open\{type="activity"\} 1/.test(target.metrics())).toBe(true);
    const revokedAt = performance.now();
    await target.revoke(key);
    expect((await polled).code).toBe(16);
    expect(performance.now() - revokedAt).toBeLessThan(within);
  });

  test("a WebSocket", async () => {
    const { key, text } = await target.key(inTenant("default", "developer"));
    const socket = new WebSocket(`${target.url.replace("http", "ws")}/api/v1/stream`, { headers: { "x-api-key": text } });
    await new Promise((opened, failed) => socket.once("open", opened).once("error", failed));
    const closed = new Promise<number>((resolve) => socket.once("close", resolve));
    const revokedAt = performance.now();
    await target.revoke(key);
    expect(await closed).toBe(1008);
    expect(performance.now() - revokedAt).toBeLessThan(within);
  });

  test("server-sent events", async () => {
    const { key, text } = await target.key(inTenant("default", "developer"));
    const response = await fetch(`${target.url}/api/v1/stream`, { headers: { "x-api-key": text } });
    expect(response.status).toBe(200);
    const ended = response.text().catch(() => "cut off");
    const revokedAt = performance.now();
    await target.revoke(key);
    await ended;
    expect(performance.now() - revokedAt).toBeLessThan(within);
  });
});

describe("another tenant than one's own:", () => {
  test.each([
    ["over gRPC, in the request", async (text: string) => (await named(text, "other", {})).code, 7],
    ["over gRPC, in the metadata alone", async (text: string) => (await named(text, "default", { "temporal-namespace": "other" })).code, 7],
    ["over gRPC, in the request alone", async (text: string) => (await named(text, "other", { "temporal-namespace": "default" })).code, 7],
    ["over HTTP, in the header", (text: string) => withTenant(text, "/api/v1/jobs", { "x-tenant-id": "other" }), 403],
    ["over HTTP, all of them", (text: string) => withTenant(text, "/api/v1/jobs", { "x-tenant-id": "*" }), 403],
    ["over HTTP, in the query of a stream", (text: string) => withTenant(text, "/api/v1/stream?tenant=other", {}), 403],
    ["what belongs to all of them", (text: string) => withTenant(text, "/api/v1/status", {}), 403],
    ["the metrics of all of them", (text: string) => withTenant(text, "/metrics", {}), 403],
  ] as const)("%s", async (_, ask, outcome) => {
    const { text } = await target.key(inTenant("default", "operator", "auditor"));
    expect(await ask(text)).toBe(outcome);
  });

  const named = (text: string, namespace: string, headers: { [name: string]: string }) =>
    grpcCall(
      target.grpcPort,
      `${workflowService}/ListWorkflowExecutions`,
      encode(ListWorkflowExecutionsRequest, make(ListWorkflowExecutionsRequest, { namespace })),
      { authorization: `Bearer ${text}`, ...headers },
    );
  const withTenant = async (text: string, path: string, headers: Record<string, string>): Promise<number> =>
    (await fetch(`${target.url}${path}`, { headers: { "x-api-key": text, ...headers } })).status;
});

test.each([
  // Claims that only a proxy's client would make up.
  ["x-principal-id", "root"],
  ["x-principal-role", "admin"],
  ["x-principal-kind", "human"],
])("who somebody is comes from the credentials, whatever %s says", async (name, value) => {
  const { text } = await target.key(inTenant("default", "worker"));
  const response = await fetch(`${target.url}/api/v1/jobs`, { headers: { "x-api-key": text, [name]: value } });
  expect(response.status).toBe(403);
});

test.each([
  ["/metrics", [], 401],
  ["/metrics", admin, 200],
  ["/metrics", [{ namespaces: ["*"], roles: ["auditor"] }], 200],
  ["/metrics", [{ namespaces: ["*"], roles: ["developer"] }], 403],
  ["/healthz", [], 200],
  ["/readyz", [], 200],
] as const)("%s for %j: %i", async (path, grants, status) => {
  const headers: Record<string, string> = {};
  if (grants.length > 0) headers.authorization = `Bearer ${(await target.key(grants)).text}`;
  expect((await fetch(`${target.url}${path}`, { headers })).status).toBe(status);
});

test("what nobody has to prove anything for is named here", async () => {
  const system = encode(GetSystemInfoRequest, make(GetSystemInfoRequest, {}));
  const without = await Promise.all(
    [`${workflowService}/GetSystemInfo`, `${workflowService}/ListNamespaces`].map((path) => grpcCall(target.grpcPort, path, system)),
  );
  expect(without.map(({ code }) => code)).toEqual([16, 16]);
  expect((await grpcCall(target.grpcPort, "/grpc.health.v1.Health/Check", new Uint8Array())).code).toBe(0);
});
