import { request } from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { encode, make } from "../../src/protocol/codec.ts";
import { TaskQueue } from "../../src/protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { PollActivityTaskQueueRequest } from "../../src/protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Issued } from "../../src/tls/certificate.test-kit.ts";
import { root } from "../guarded-server.ts";
import { type AccessServer, own, startAccessServer } from "./access-server.ts";
import { type From, type Headers, openGrpc, openHttp } from "./raw-client.ts";

// What waits or watches ends when its credential does, and roles count as they are now.

const developers = {
  subject: "developer",
  id: "{name}",
  kind: "service",
  namespaces: [own],
  roles: ["developer"],
  taskQueues: null,
} as const;
const grants = [{ namespaces: [own], roles: ["developer"] }];

let server: AccessServer;
beforeAll(async () => {
  server = await startAccessServer({ certificates: [developers] });
});
afterAll(() => server.stop());

type Credential = { readonly headers: Headers; readonly certificate?: Issued };
/** Of something that is open: how it ends. */
type Open = Promise<{ readonly ended: Promise<string> }>;

const fromOf = ({ certificate }: Credential): From => ({ ca: server.ca.certificatePem, certificate });
/** Asks something short on the way, so that what was asked before has arrived. */
async function arrived(credential: Credential): Promise<void> {
  const http = openHttp(server.http, fromOf(credential));
  const { status } = await http.ask("GET", "/api/v1/jobs", { headers: { ...credential.headers, "x-tenant-id": own } });
  http.close();
  expect(status).toBe(200);
}

const open: { readonly [what: string]: (credential: Credential) => Open } = {
  "a poll over gRPC": async (credential) => {
    const grpc = openGrpc(server.grpc, fromOf(credential));
    const fields = { namespace: own, taskQueue: make(TaskQueue, { name: "orders" }) };
    const message = encode(PollActivityTaskQueueRequest, make(PollActivityTaskQueueRequest, fields));
    const polled = grpc.call("/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue", message, credential.headers);
    await arrived(credential);
    return { ended: polled.then(({ code, message: why }) => `${code} ${why}`).finally(grpc.close) };
  },
  "a lease over HTTP": async (credential) => {
    const http = openHttp(server.http, fromOf(credential));
    const body = { task_queue: "orders", wait_ms: 20_000 };
    const leased = http.ask("POST", "/api/v1/workers/lease", { headers: { ...credential.headers, "x-tenant-id": own }, body });
    const ended = leased.then(
      ({ status, text }) => `${status} ${text}`,
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    );
    await arrived(credential);
    return { ended: ended.finally(http.close) };
  },
  "server-sent events": (credential) =>
    new Promise((resolve, reject) => {
      const { certificate: { certificatePem: cert, keyPem: key } = {} } = credential;
      const options = { ca: server.ca.certificatePem, cert, key, agent: false, headers: { ...credential.headers, "x-tenant-id": own } };
      const asked = request(`https://${server.http}/api/v1/stream`, options, (response) => {
        const ended = new Promise<string>((closed) =>
          response.on("error", () => {}).on("close", () => closed(`${response.statusCode} closed`)),
        );
        response.once("data", () => resolve({ ended }));
      });
      asked.on("error", reject).end();
    }),
  "a WebSocket": (credential) =>
    new Promise((resolve, reject) => {
      const { certificate: { certificatePem: cert, keyPem: key } = {} } = credential;
      const headers = { ...credential.headers, "x-tenant-id": own };
      const socket = new WebSocket(`wss://${server.http}/api/v1/stream`, { ca: server.ca.certificatePem, cert, key, headers });
      const ended = new Promise<string>((closed) => socket.on("close", (code) => closed(`closed ${code}`)));
      socket.on("open", () => resolve({ ended })).on("error", reject);
    }),
};

const endings: { readonly [what: string]: string } = {
  "a poll over gRPC": "16 the credentials of this call hold no more",
  "a lease over HTTP": "ECONNRESET",
  "server-sent events": "200 closed",
  "a WebSocket": "closed 1008",
};

describe.each(Object.keys(open))("%s", (what) => {
  const opened = (credential: Credential): Open => (open[what] as (typeof open)[string])(credential);

  test("ends within a second when its key is revoked", async () => {
    const { key, text } = await server.key({ grants });
    const { ended } = await opened({ headers: { authorization: `Bearer ${text}` } });
    const at = performance.now();
    await server.revoke(key);
    expect(await ended).toBe(endings[what]);
    expect(performance.now() - at).toBeLessThan(1_000);
  });

  test("goes on when another key is revoked, and when its own is rotated", async () => {
    const [mine, other] = [await server.key({ grants }), await server.key({ grants })];
    const { ended } = await opened({ headers: { authorization: `Bearer ${mine.text}` } });
    let isOpen = true;
    void ended.then(() => {
      isOpen = false;
    });
    await server.revoke(other.key);
    await server.core.access.keys.rotate(root, mine.key.id, 60_000);
    await arrived({ headers: { authorization: `Bearer ${mine.text}` } });
    expect(isOpen).toBe(true);
    await server.revoke(mine.key);
    await ended;
  });

  test("ends within a second when its key, token or certificate expires", async () => {
    const { issuer, ca } = server;
    // Tokens and certificates count seconds.
    const expiresAt = Math.ceil(Date.now() / 1_000) * 1_000 + 2_000;
    const { text } = await server.key({ grants, expiresAt });
    const token = await issuer.token(Date.now(), { roles: ["developer"], namespaces: [own], exp: expiresAt / 1_000 });
    const credentials: readonly Credential[] = [
      { headers: { authorization: `Bearer ${text}` } },
      { headers: { authorization: `Bearer ${token}` } },
      { headers: {}, certificate: ca.issue({ commonName: "developer", until: expiresAt }) },
    ];
    const waiting = await Promise.all(credentials.map(opened));
    const late = await Promise.all(waiting.map(({ ended }) => ended.then((how) => ({ how, after: Date.now() - expiresAt }))));
    for (const { how, after } of late) {
      expect(how).toBe(endings[what]);
      expect(after).toBeGreaterThanOrEqual(0);
      expect(after).toBeLessThan(1_500);
    }
  });
});

test("a role that is changed or deleted counts so with the next request", async () => {
  const { keys } = server.core.access;
  const saved = async (permissions: readonly string[]): Promise<void> => {
    expect(await keys.saveRole(root, { name: "clerk", permissions })).toMatchObject({ ok: true });
  };
  await saved(["jobs.read"]);
  const { text } = await server.key({ grants: [{ namespaces: [own], roles: ["clerk"] }] });
  const http = openHttp(server.http, { ca: server.ca.certificatePem });
  const statuses = async (): Promise<readonly number[]> => {
    const ask = async (path: string) => (await http.ask("GET", path, { headers: { "x-api-key": text, "x-tenant-id": own } })).status;
    return [await ask("/api/v1/jobs"), await ask("/api/v1/schemas")];
  };
  expect(await statuses()).toEqual([200, 403]);
  await saved(["schemas.read"]);
  expect(await statuses()).toEqual([403, 200]);
  await keys.deleteRole(root, "clerk");
  expect(await statuses()).toEqual([403, 403]);
  http.close();
});

test.each(Object.keys(open))("%s ends when its role allows it no more, not when it still does", async (what) => {
  const { keys } = server.core.access;
  const save = (permissions: readonly string[]) => keys.saveRole(root, { name: "watcher", permissions });
  await save(["workflows.read", "tasks.work", "jobs.read"]);
  const { text } = await server.key({ grants: [{ namespaces: [own], roles: ["watcher"] }] });
  const credential = { headers: { authorization: `Bearer ${text}` } };
  const { ended } = await (open[what] as (typeof open)[string])(credential);
  let isOpen = true;
  void ended.then(() => {
    isOpen = false;
  });
  await save(["workflows.read", "tasks.work", "jobs.read", "schemas.read"]);
  await arrived(credential);
  expect(isOpen).toBe(true);
  const at = performance.now();
  await save(["jobs.read"]);
  expect(await ended).toBe(what === "a poll over gRPC" ? "7 Request unauthorized." : endings[what]);
  expect(performance.now() - at).toBeLessThan(1_000);
  await arrived(credential);
});
