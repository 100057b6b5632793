import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type AccessServer, foreign, own, startAccessServer } from "./access-server.ts";
import { type Grantee, grantees, isAllowed, targets, titleOf } from "./expectations.ts";
import type { From, Headers } from "./raw-client.ts";
import { everyCredential, workersOfOwn } from "./wrong-credentials.ts";

// Who may watch over a WebSocket: the route `streamEvents` once more, as its requests never reach the routes.

const mayWatch = { inNamespace: "xxxxx." } as const;

let server: AccessServer;
let keys: ReadonlyMap<string, string>;
const keyOf = ({ role, reach }: Grantee): string => keys.get(`${role} ${reach}`) ?? "";

beforeAll(async () => {
  server = await startAccessServer({ certificates: [workersOfOwn] });
  const made = grantees.map(async ({ role, reach }) => {
    const { text } = await server.key({ grants: [{ namespaces: [reach === "own" ? own : "*"], roles: [role] }] });
    return [`${role} ${reach}`, text] as const;
  });
  keys = new Map(await Promise.all(made));
});
afterAll(() => server.stop());

type Asked = { readonly headers?: Headers; readonly query?: string; readonly protocols?: readonly string[] } & Partial<From>;

/** The status of the handshake, and the protocol that the server has chosen. */
function watch({ headers = {}, query = "", protocols = [], address, certificate }: Asked): Promise<{ status: number; protocol: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://${server.http}/api/v1/stream${query}`, [...protocols], {
      ca: server.ca.certificatePem,
      headers,
      ...(address === undefined ? {} : { localAddress: address }),
      ...(certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem }),
    });
    socket.on("open", () => {
      resolve({ status: 101, protocol: socket.protocol });
      socket.terminate();
    });
    socket.on("unexpected-response", (request, response) => {
      resolve({ status: response.statusCode ?? 0, protocol: "" });
      request.destroy();
    });
    socket.on("error", reject);
  });
}

test("the roles of the table watch, where they are given", async () => {
  const found: [title: string, status: number][] = [];
  const expected: [title: string, status: number][] = [];
  for (const grantee of grantees)
    for (const target of targets) {
      const { status } = await watch({ headers: { "x-api-key": keyOf(grantee), "x-tenant-id": target } });
      // Whoever sees all tenants hears that there is none of that name.
      const allowed = target === "nowhere" ? 404 : 101;
      found.push([titleOf(grantee, target), status]);
      expected.push([titleOf(grantee, target), isAllowed(mayWatch, grantee, target) ? allowed : 403]);
    }
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
});

test("whoever has no valid credential does not watch", async () => {
  for (const { what, headers, certificate, proves } of await everyCredential(server)) {
    const { status } = await watch({ headers: { ...headers, "x-tenant-id": own }, certificate, address: "127.5.0.1" });
    expect(status, what).toBe(proves === null ? 401 : proves === "worker" ? 403 : 101);
  }
});

test("a browser says its key among the protocols and its tenant in the query", async () => {
  const key = keyOf({ role: "developer", reach: "own" });
  const encoded = Buffer.from(key).toString("base64url");
  for (const protocols of [["cordum-api-key", encoded], [`cordum-api-key.${encoded}`], ["cordum-api-key", key]]) {
    expect(await watch({ protocols, query: `?tenant=${own}` })).toEqual({ status: 101, protocol: protocols[0] });
    expect(await watch({ protocols, query: `?tenant=${foreign}` })).toMatchObject({ status: 403 });
  }
  const guessed = Buffer.from(`hfk_${"3".repeat(16)}_${"A".repeat(43)}`).toString("base64url");
  expect(await watch({ protocols: ["cordum-api-key", guessed], query: `?tenant=${own}` })).toMatchObject({ status: 401 });
});
