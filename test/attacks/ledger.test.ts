import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { routeAccess } from "../../src/edge/rest/route-access.ts";
import { type RouteName, routes } from "../../src/edge/rest/routes.ts";
import { operatorServiceMethods, rpcName, workflowServiceMethods } from "../../src/edge/temporal/methods.ts";
import { admin, grpcCall, startTarget, type Target, workflowService } from "./attack-server.ts";

// Whoever reads the ledger writes nothing, and nobody at all changes what is in it. What shows when somebody edits the file itself:
// src/store/sqlite/sqlite.test.ts.

let target: Target;
let auditor: string;
let administrator: string;
beforeAll(async () => {
  target = await startTarget();
  auditor = (await target.key([{ namespaces: ["*"], roles: ["auditor"] }])).text;
  administrator = (await target.key(admin)).text;
});
afterAll(() => target.stop());

const ask = async (key: string, method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(`${target.url}${path}`, {
    method,
    headers: { "x-api-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const filled = (path: string): string => path.replace(/:\w+|\*/g, "a");
const exported = async (): Promise<string> => (await ask(auditor, "GET", "/api/v1/audit/export")).text();

const permissionsOf = (access: (typeof routeAccess)[RouteName]): readonly string[] =>
  access.to === "everywhere" ? [access.permission] : access.to === "tenant" ? access.permissions : [];
const names = Object.keys(routes) as RouteName[];
const writing = names.filter((name) => {
  const permissions = permissionsOf(routeAccess[name]);
  return permissions.length > 0 && permissions.every((permission) => !permission.endsWith(".read"));
});

test.each(writing)("%s is not for a reader of the ledger", async (name) => {
  const { method, path } = routes[name];
  const response = await ask(auditor, method, filled(path), method === "GET" || method === "DELETE" ? undefined : {});
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({ code: "permission-denied" });
});

test("routes that change anything ask for more than to read", () => {
  const changing = names.filter((name) => routes[name].method !== "GET" && !writing.includes(name));
  // Whoever makes the first key has a token for it, and no principal yet.
  const byToken = "bootstrap";
  const pure = [
    byToken,
    "dryRunWorkflow",
    "evaluatePolicy",
    "queryRun",
    "diffPolicy",
    "explainPolicy",
    "simulatePolicy",
    "simulateBundle",
    "backtestPolicy",
  ];
  expect(changing.filter((name) => !pure.includes(name))).toEqual([]);
});

test.each([...names.filter((name) => /audit/i.test(name) && routes[name].method !== "GET")])(
  "%s is the only route that adds to the ledger by itself: a checkpoint",
  (name) => expect(name).toBe("makeCheckpoint"),
);

describe("what is in the ledger stays, whatever is asked for", () => {
  test.each(["PUT", "PATCH", "DELETE", "POST"])("%s on its paths, also by an administrator", async (method) => {
    await ask(administrator, "PUT", "/api/v1/config/system/default", { a: 1 });
    const before = await exported();
    for (const path of ["/api/v1/audit", "/api/v1/audit/export", "/api/v1/audit/0", "/api/v1/policy/audit"])
      expect([404, 405]).toContain((await ask(administrator, method, path, method === "DELETE" ? undefined : {})).status);
    expect((await exported()).startsWith(before)).toBe(true);
  });

  test("every route that deletes, by an administrator", async () => {
    const before = await exported();
    for (const name of names.filter((one) => routes[one].method === "DELETE"))
      await ask(administrator, "DELETE", filled(routes[name].path));
    expect((await exported()).startsWith(before)).toBe(true);
  });

  test("no RPC is about it", async () => {
    const rpcs = [...Object.keys(workflowServiceMethods), ...Object.keys(operatorServiceMethods)].map(rpcName);
    expect(rpcs.filter((name) => /ledger|audit|checkpoint/i.test(name))).toEqual([]);
    const made = await grpcCall(target.grpcPort, `${workflowService}/DeleteLedger`, new Uint8Array(), {
      authorization: `Bearer ${administrator}`,
    });
    expect(made.code).toBe(12);
  });

  test("the store can append to it and read it, and nothing else", () => {
    const sql = ["sqlite.ts", "statements.ts", "ledger.ts"]
      .flatMap((file) => {
        try {
          return [readFileSync(new URL(`../../src/store/sqlite/${file}`, import.meta.url), "utf8")];
        } catch {
          return [];
        }
      })
      .join("\n");
    expect(sql).toMatch(/INSERT INTO ledger\b/i);
    expect(sql).not.toMatch(/\b(?:UPDATE|DELETE FROM|REPLACE INTO|DROP TABLE)\s+ledger\b/i);
  });
});
