import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { permissions } from "../../access/permission.ts";
import type { AccessOptions } from "../../service/access/access.ts";
import { openAccess } from "../../service/access/access.ts";
import { freeFailures } from "../../service/access/lockout.ts";
import { type Asked, openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1/auth";
const token = "t".repeat(32);
let api: TestApi;
let root: string;

async function open(access: Partial<AccessOptions> = {}): Promise<void> {
  api = await openApi(undefined, { access: { ...openAccess, required: true, bootstrapToken: token, ...access } });
}
beforeEach(async () => {
  await open();
  root = await bootstrap();
});
afterEach(() => api.close());

const bootstrap = async (): Promise<string> => String((await api.ask("POST", `${v1}/bootstrap`, { body: { token } })).json.key);
const as = (key: string, tenant?: string): Asked => ({
  headers: { "x-api-key": key, ...(tenant === undefined ? {} : { "x-tenant-id": tenant }) },
});
const ask = (key: string, method: string, path: string, body?: unknown) =>
  api.ask(method, `${v1}${path}`, { ...as(key), ...(body === undefined ? {} : { body }) });
const inOrders = (...roles: string[]) => ({ namespaces: ["orders"], roles });
const create = async (by: string, body: object) =>
  (await ask(by, "POST", "/keys", { name: "ci", grants: [inOrders("worker")], ...body })).json;

describe("the first key", () => {
  test("is an administrator's, and the last that the token makes", async () => {
    expect(root).toMatch(/^hfk_/);
    const { json } = await ask(root, "GET", "/session");
    expect(json).toMatchObject({ principal: { id: "admin", kind: "human" }, permissions: [...permissions], roles: ["admin"] });
    const again = await api.ask("POST", `${v1}/bootstrap`, { body: { token } });
    expect(again.json).toMatchObject({ status: 409, code: "not-bootstrapping" });
  });

  test("is not for those who guess: they are slowed down", async () => {
    await api.close();
    await open();
    const guess = () => api.ask("POST", `${v1}/bootstrap`, { body: { token: "guess" } });
    for (let each = 0; each < freeFailures; each++)
      expect((await guess()).json).toMatchObject({ status: 403, code: "bad-bootstrap-token" });
    expect((await guess()).json).toMatchObject({ status: 429, code: "locked-out" });
    expect((await api.ask("POST", `${v1}/bootstrap`, { body: { token } })).json).toMatchObject({ code: "locked-out" });
  });
});

describe("a key", () => {
  test("is told once, and works", async () => {
    const made = await create(root, { task_queues: ["orders-*"], expires_in: "90d" });
    expect(made).toMatchObject({ name: "ci", principal: "ci", kind: "service", status: "active", created_by: "admin", last_used_at: null });
    expect(Date.parse(String(made.expires_at)) - Date.parse(String(made.created_at))).toBeCloseTo(90 * 86_400_000, -4);
    const { text } = await ask(root, "GET", "/keys");
    expect(text).not.toContain(String(made.key).slice(21));
    expect(text).not.toContain("hash");
    const { json } = await ask(String(made.key), "GET", "/session");
    expect(json).toMatchObject({
      credential: { kind: "api-key", id: String(made.id) },
      tenant: "orders",
      task_queues: ["orders-*"],
      grants: [inOrders("worker")],
      expires_at: made.expires_at,
    });
    expect(json.permissions).toContain("tasks.work");
    expect((await api.ask("GET", `${v1}/session`, as(String(made.key), "other"))).json).toMatchObject({ roles: [], permissions: [] });
  });

  test("is not told again by an idempotency key: there are two", async () => {
    const headers = { "x-api-key": root, "idempotency-key": "k" };
    const body = { name: "ci", grants: [inOrders("worker")] };
    const made = [await api.ask("POST", `${v1}/keys`, { headers, body }), await api.ask("POST", `${v1}/keys`, { headers, body })];
    expect(new Set(made.map(({ json }) => json.key)).size).toBe(2);
  });

  test("is refused once it is revoked, and stays in the list", async () => {
    const { id, key } = await create(root, {});
    expect((await ask(root, "DELETE", `/keys/${id}`)).json).toMatchObject({ status: "revoked", revoked_by: "admin" });
    expect((await ask(String(key), "GET", "/session")).json).toMatchObject({ status: 401, code: "unauthenticated" });
    expect((await ask(root, "GET", "/keys?status=revoked")).json).toMatchObject({ items: [{ id }], next_cursor: null });
    expect((await ask(root, "POST", `/keys/${id}/rotate`, {})).json).toMatchObject({ status: 409, code: "key-ended" });
  });

  test("is rotated with a day's overlap unless more or less is asked for, up to thirty days", async () => {
    const { id, key } = await create(root, {});
    const made = await ask(root, "POST", `/keys/${id}/rotate`, {});
    expect(made).toMatchObject({ status: 201, json: { rotated_from: id, principal: "ci" } });
    const old = (await ask(root, "GET", `/keys/${id}`)).json;
    expect(Date.parse(String(old.expires_at)) - Date.now()).toBeCloseTo(86_400_000, -4);
    for (const one of [key, made.json.key]) expect((await ask(String(one), "GET", "/session")).status).toBe(200);
    expect((await ask(root, "POST", `/keys/${id}/rotate`, {})).json).toMatchObject({ status: 409, code: "key-rotated" });
    const { id: next } = made.json;
    for (const overlap of ["31d", "soon", "", "-1s"])
      expect((await ask(root, "POST", `/keys/${next}/rotate`, { overlap })).json).toMatchObject({ status: 400, code: "invalid-request" });
    expect((await ask(root, "POST", `/keys/${next}/rotate`, { overlap: "0s" })).status).toBe(201);
    expect((await ask(String(made.json.key), "GET", "/session")).status).toBe(401);
  });

  test.each([
    [{ grants: [] }, "bad-key"],
    [{ grants: [inOrders("owner")] }, "bad-key"],
    [{ name: "\u0000" }, "bad-key"],
    [{ expires_at: "2020-01-01T00:00:00Z" }, "bad-key"],
    [{ expires_at: "2099-01-01T00:00:00Z", expires_in: "1d" }, "bad-key"],
    [{ expires_at: "tomorrow" }, "invalid-request"],
    [{ expires_in: "100000d" }, "invalid-request"],
    [{ kind: "cat" }, "invalid-request"],
    [{ hash: "00" }, "invalid-request"],
  ])("is refused with %j", async (body, code) => {
    expect(await create(root, body)).toMatchObject({ status: 400, code });
  });
});

test("keys are listed page by page, those of one principal if that is asked for", async () => {
  for (let each = 0; each < 5; each++) await create(root, { name: `k${each}`, principal: each < 3 ? "ci" : "shop" });
  const names: string[] = [];
  for (let cursor = ""; ; ) {
    const { json } = await ask(root, "GET", `/keys?limit=2&principal=ci${cursor}`);
    names.push(...[...(json.items ?? [])].map(({ name }) => String(name)));
    if (json.next_cursor === null) break;
    cursor = `&cursor=${json.next_cursor}`;
  }
  expect(names.sort()).toEqual(["k0", "k1", "k2"]);
});

test("an administrator of one tenant manages its keys, and knows of no others", async () => {
  const own = String((await create(root, { name: "boss", grants: [inOrders("admin")] })).key);
  const other = await create(root, { grants: [{ namespaces: ["billing"], roles: ["worker"] }] });
  const made = await create(own, { name: "theirs" });
  expect(made).toMatchObject({ created_by: "boss", status: "active" });
  expect([...((await ask(own, "GET", "/keys")).json.items ?? [])].map(({ name }) => String(name)).sort()).toEqual(["boss", "theirs"]);
  expect((await ask(own, "DELETE", `/keys/${other.id}`)).json).toMatchObject({ status: 404, code: "no-such-key" });
  expect(await create(own, { grants: [{ namespaces: ["*"], roles: ["worker"] }] })).toMatchObject({
    status: 403,
    code: "exceeds-own-rights",
    detail: expect.stringContaining("keys.write in *"),
  });
  expect((await ask(own, "PUT", "/roles/mine", { permissions: ["jobs.read"] })).json).toMatchObject({ code: "permission-denied" });
  expect((await api.ask("GET", `${v1}/keys`, as(own, "billing"))).json).toMatchObject({ status: 403, code: "permission-denied" });
  expect((await ask(own, "DELETE", `/keys/${made.id}`)).json).toMatchObject({ status: "revoked" });
});

describe("roles", () => {
  test("are saved, shown, changed at once for those who have them, and deleted", async () => {
    expect((await ask(root, "PUT", "/roles/seer", { permissions: ["jobs.read"] })).json).toMatchObject({
      origin: "api",
      updated_by: "admin",
    });
    const seer = String((await create(root, { grants: [inOrders("seer")] })).key);
    const allowed = async () => (await ask(seer, "GET", "/session")).json.permissions;
    expect(await allowed()).toEqual(["jobs.read"]);
    await ask(root, "PUT", "/roles/seer", { permissions: ["jobs.read", "locks.read"] });
    expect(await allowed()).toEqual(["jobs.read", "locks.read"]);
    expect((await ask(root, "GET", "/roles/seer")).json.permissions).toEqual(["jobs.read", "locks.read"]);
    expect((await ask(root, "DELETE", "/roles/seer")).status).toBe(204);
    expect(await allowed()).toEqual([]);
    expect((await ask(root, "DELETE", "/roles/seer")).json).toMatchObject({ status: 404, code: "no-such-role" });
  });

  test("of the server and of its configuration are shown, and stay", async () => {
    await api.close();
    await open({ roles: { "release-manager": ["policy.write"] } });
    root = await bootstrap();
    const roles = [...((await ask(root, "GET", "/roles")).json.roles ?? [])];
    expect(roles.map(({ name, origin }) => `${name} ${origin}`)).toContain("release-manager configuration");
    const save = async (name: string) => (await ask(root, "PUT", `/roles/${name}`, { permissions: ["jobs.read"] })).json;
    expect(await save("release-manager")).toMatchObject({ status: 409, code: "role-of-configuration" });
    expect(await save("worker")).toMatchObject({ status: 409, code: "role-is-built-in" });
    expect(await save("Not-A-Role")).toMatchObject({ status: 400, code: "bad-role" });
  });
});

test("what the server asks for is told to strangers, and nothing else", async () => {
  expect((await api.ask("GET", `${v1}/config`)).json).toEqual({ required: true, credentials: ["api-key"] });
  expect((await api.ask("GET", `${v1}/session`)).json).toMatchObject({ status: 401, code: "unauthenticated" });
  await api.close();
  const certificates = [{ subject: "cn:a", id: "{name}", kind: "service" as const, namespaces: [], roles: [], taskQueues: null }];
  await open({ required: false, certificates });
  expect((await api.ask("GET", `${v1}/config`)).json).toEqual({ required: false, credentials: ["api-key", "certificate"] });
});

test("a server that asks nobody says so, and believes who says that they make a key", async () => {
  await api.close();
  await open({ required: false });
  expect((await api.ask("GET", `${v1}/session`)).json).toMatchObject({ principal: null, credential: null, permissions: [...permissions] });
  const body = { name: "root", grants: [{ namespaces: ["*"], roles: ["admin"] }] };
  expect((await api.ask("POST", `${v1}/keys`, { as: "ada", body })).json).toMatchObject({ created_by: "ada" });
});
