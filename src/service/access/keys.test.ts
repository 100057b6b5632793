import { beforeEach, describe, expect, test } from "vitest";
import { permissions } from "../../access/permission.ts";
import { builtInRoleNames } from "../../access/role.ts";
import { dayMs, hourMs } from "../../base/time.ts";
import { everywhere, given, manager, openServers, type TestServer, type TestServers, wanted } from "./access.test-kit.ts";
import { type Manager, overlapMax, type WantedKey } from "./keys.ts";
import { hashOf } from "./secret.ts";

let servers: TestServers;
let server: TestServer;
let root: Manager;
beforeEach(async () => {
  servers = await openServers();
  server = await servers.start({ reviewer: ["policy.read"] });
  root = manager(server, everywhere("admin"));
});

const acts = async (): Promise<readonly unknown[]> => {
  const [head] = (await servers.store.readChains({ namespaceId: null, after: null, limit: 10 })).heads;
  if (head === undefined) return [];
  const entries = await servers.store.readChain(head, 0, 100);
  return entries.map(({ body }) => JSON.parse(Buffer.from(body).toString()));
};

describe("a new key", () => {
  test("is kept as a hash: its text is nowhere in the store", async () => {
    const { key, text } = given(await server.keys.create(root, wanted({ expiresAt: servers.clock.now() + dayMs })));
    expect(text).toMatch(/^hfk_[0-9a-f]{16}_[\w-]{43}$/);
    const [stored] = await servers.store.listDocuments("api-key", "", 10);
    const body = Buffer.from(stored?.body ?? []).toString();
    const secret = text.split("_").slice(2).join("_");
    expect(body).not.toContain(secret);
    expect(body).toContain(hashOf(secret).toString("hex"));
    expect(key).toMatchObject({ name: "ci", principal: "ci", status: "active", lastUsedAt: null, createdBy: "ann" });
  });

  test("differs from every other", async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => server.keys.create(root, wanted())));
    expect(new Set(made.map((one) => given(one).text)).size).toBe(20);
    expect(server.keys.list(root)).toHaveLength(20);
  });

  test.each<[Partial<WantedKey>, RegExp]>([
    [{ name: "" }, /`name`/],
    [{ name: " ci" }, /`name`/],
    [{ name: "a\nb" }, /`name`/],
    [{ principal: "-" }, /`principal`/],
    [{ grants: [] }, /1 to 50 grants/],
    [{ grants: [{ namespaces: [], roles: ["worker"] }] }, /namespaces and roles/],
    [{ grants: [{ namespaces: ["a"], roles: [] }] }, /namespaces and roles/],
    [{ grants: [{ namespaces: ["*a"], roles: ["worker"] }] }, /`\*a` is no name/],
    [{ grants: [{ namespaces: ["a\u0000"], roles: ["worker"] }] }, /is no name/],
    [{ grants: [{ namespaces: ["a\ud800"], roles: ["worker"] }] }, /is no name/],
    [{ grants: [{ namespaces: ["a"], roles: ["owner"] }] }, /no role `owner`/],
    [{ grants: [{ namespaces: ["a"], roles: ["__proto__"] }] }, /no role `__proto__`/],
    [{ taskQueues: [] }, /`task_queues`/],
    [{ taskQueues: ["a b"] }, /`a b` is no name/],
    [{ expiresAt: 0 }, /in the future/],
  ])("is refused with %j", async (change, message) => {
    expect(await server.keys.create(root, wanted(change))).toMatchObject({
      ok: false,
      error: { kind: "bad-key", message: expect.stringMatching(message) },
    });
  });
});

describe("nobody gives, takes or sees what is beyond their own rights", () => {
  const admin = { namespaces: ["orders"], roles: ["admin"] };
  test.each<[string, Parameters<typeof manager>[1], Partial<WantedKey>, string | null]>([
    // whose                              grants                                   wanted                                                                what exceeds
    ["an administrator's", everywhere("admin"), { grants: everywhere("admin") }, null],
    ["of a namespace, in it", [admin], { grants: [admin] }, null],
    ["of a namespace, elsewhere", [admin], { grants: [{ namespaces: ["billing"], roles: ["worker"] }] }, "keys.write in billing"],
    ["of a namespace, everywhere", [admin], { grants: everywhere("worker") }, "keys.write in *"],
    ["of a namespace, in those like it", [admin], { grants: [{ namespaces: ["orders*"], roles: ["worker"] }] }, "keys.write in orders*"],
    [
      "of several, in those like them",
      [{ namespaces: ["team-*"], roles: ["admin"] }],
      { grants: [{ namespaces: ["team-a*", "team-b"], roles: ["auditor"] }] },
      null,
    ],
    [
      "of a namespace, who works elsewhere",
      [admin, { namespaces: ["billing"], roles: ["worker"] }],
      { grants: [{ namespaces: ["billing"], roles: ["worker"] }] },
      "keys.write in billing",
    ],
  ])("%s", async (_, grants, change, what) => {
    const made = await server.keys.create(manager(server, grants), wanted(change));
    expect(made.ok ? null : made.error).toEqual(what === null ? null : { kind: "exceeds-own-rights", what });
  });

  test("task queues are rights as well", async () => {
    const few = manager(server, everywhere("admin"), ["orders-*"]);
    const exceeds = (what: string) => ({ ok: false, error: { kind: "exceeds-own-rights", what } });
    expect(await server.keys.create(few, wanted())).toEqual(exceeds("tasks of every task queue"));
    expect(await server.keys.create(few, wanted({ taskQueues: ["mail"] }))).toEqual(exceeds("tasks of mail"));
    given(await server.keys.create(few, wanted({ taskQueues: ["orders-eu"] })));
  });

  test("who reads keys in a namespace sees those that hold nowhere else, and changes none", async () => {
    const { key } = given(await server.keys.create(root, wanted()));
    const { key: elsewhere } = given(await server.keys.create(root, wanted({ grants: everywhere("worker") })));
    const auditor = manager(server, [{ namespaces: ["orders"], roles: ["auditor"] }]);
    expect(server.keys.list(auditor).map(({ id }) => id)).toEqual([key.id]);
    expect(server.keys.get(auditor, elsewhere.id)).toEqual({ ok: false, error: { kind: "no-such-key" } });
    expect(await server.keys.revoke(auditor, elsewhere.id)).toEqual({ ok: false, error: { kind: "no-such-key" } });
    const refused = { ok: false, error: { kind: "exceeds-own-rights", what: "keys.write in orders" } };
    expect(await server.keys.revoke(auditor, key.id)).toEqual(refused);
    expect(await server.keys.rotate(auditor, key.id, 0)).toEqual(refused);
    expect(server.keys.list(manager(server, [{ namespaces: ["orders"], roles: ["worker"] }]))).toEqual([]);
  });
});

test("a key ends when it is revoked or its time is over, and stays in the list", async () => {
  const { key: revoked } = given(await server.keys.create(root, wanted()));
  servers.clock.jump(1);
  const { key: expiring } = given(await server.keys.create(root, wanted({ expiresAt: servers.clock.now() + hourMs })));
  expect(given(await server.keys.revoke(root, revoked.id))).toMatchObject({ status: "revoked", revokedBy: "ann" });
  servers.clock.jump(hourMs);
  expect(server.keys.list(root).map(({ status }) => status)).toEqual(["revoked", "expired"]);
  expect(given(server.keys.get(root, expiring.id)).status).toBe("expired");
  expect(given(await server.keys.revoke({ ...root, id: "bob" }, revoked.id)).revokedBy).toBe("ann");
});

describe("rotation", () => {
  test("makes a key with the same rights, and lets the old one hold a while", async () => {
    const { clock } = servers;
    const { key: old } = given(await server.keys.create(root, wanted({ expiresAt: clock.now() + 90 * dayMs, taskQueues: ["a-*"] })));
    clock.jump(80 * dayMs);
    const { key } = given(await server.keys.rotate(root, old.id, hourMs));
    expect(key).toMatchObject({ grants: old.grants, taskQueues: old.taskQueues, principal: old.principal, rotatedFrom: old.id });
    expect(key.expiresAt).toBe(clock.now() + 90 * dayMs);
    expect(given(server.keys.get(root, old.id))).toMatchObject({ status: "active", expiresAt: clock.now() + hourMs });
    clock.jump(hourMs);
    expect(given(server.keys.get(root, old.id)).status).toBe("expired");
    expect(given(server.keys.get(root, key.id)).status).toBe("active");
  });

  test("never lengthens the old one, and can end it at once", async () => {
    const { key } = given(await server.keys.create(root, wanted({ expiresAt: servers.clock.now() + hourMs })));
    given(await server.keys.rotate(root, key.id, overlapMax));
    expect(given(server.keys.get(root, key.id)).expiresAt).toBe(key.expiresAt);
    const { key: other } = given(await server.keys.create(root, wanted()));
    expect(given(await server.keys.rotate(root, other.id, 0)).key.expiresAt).toBeNull();
    expect(given(server.keys.get(root, other.id)).status).toBe("expired");
  });

  test("is for keys that hold, once", async () => {
    const { key } = given(await server.keys.create(root, wanted()));
    const made = await Promise.all([server.keys.rotate(root, key.id, hourMs), server.keys.rotate(root, key.id, hourMs)]);
    expect(made.map((one) => (one.ok ? "made" : one.error.kind))).toEqual(["made", "key-rotated"]);
    const { key: ended } = given(await server.keys.create(root, wanted()));
    given(await server.keys.revoke(root, ended.id));
    expect(await server.keys.rotate(root, ended.id, hourMs)).toEqual({ ok: false, error: { kind: "key-ended" } });
  });
});

describe("roles", () => {
  test("are those of every server, of the configuration, and of the API", async () => {
    given(await server.keys.saveRole(root, { name: "submitter", permissions: ["jobs.write", "jobs.read", "jobs.write"] }));
    expect(server.keys.roles().map(({ name, origin }) => [name, origin])).toEqual([
      ...builtInRoleNames.map((name) => [name, "built-in"]),
      ["reviewer", "configuration"],
      ["submitter", "api"],
    ]);
    expect(server.keys.roles().at(-1)).toMatchObject({ permissions: ["jobs.write", "jobs.read"], updated: { by: "ann" } });
  });

  test.each([
    // name        permissions           refused
    ["admin", ["jobs.read"], "role-is-built-in"],
    ["reviewer", ["jobs.read"], "role-of-configuration"],
    ["Upper", ["jobs.read"], "bad-role"],
    ["__proto__", ["jobs.read"], "bad-role"],
    ["empty", [], "bad-role"],
    ["odd", ["jobs.fly"], "bad-role"],
  ])("%s cannot be saved with %j: %s", async (name, permissions, kind) => {
    expect(await server.keys.saveRole(root, { name, permissions })).toMatchObject({ ok: false, error: { kind } });
  });

  test("have nothing that whoever saves them has not everywhere", async () => {
    const own = manager(server, [...everywhere("operator"), { namespaces: ["orders"], roles: ["admin"] }]);
    given(await server.keys.saveRole(own, { name: "seer", permissions: ["jobs.read"] }));
    const error = { kind: "exceeds-own-rights", what: "keys.write in *" };
    expect(await server.keys.saveRole(own, { name: "seer", permissions: ["jobs.read", "keys.write"] })).toEqual({ ok: false, error });
  });

  test("are at most a hundred, and make room when they are deleted", async () => {
    for (let each = 0; each < 100; each++)
      given(await server.keys.saveRole(root, { name: `r-${each}`, permissions: permissions.slice(0, 1) }));
    const save = () => server.keys.saveRole(root, { name: "more", permissions: ["jobs.read"] });
    expect(await save()).toEqual({ ok: false, error: { kind: "too-many-roles" } });
    given(await server.keys.saveRole(root, { name: "r-1", permissions: ["jobs.read"] }));
    given(await server.keys.deleteRole(root, "r-1"));
    given(await save());
    expect(await server.keys.deleteRole(root, "r-1")).toEqual({ ok: false, error: { kind: "no-such-role" } });
    expect(await server.keys.deleteRole(root, "worker")).toEqual({ ok: false, error: { kind: "role-is-built-in" } });
    expect(await server.keys.deleteRole(root, "reviewer")).toEqual({ ok: false, error: { kind: "role-of-configuration" } });
  });
});

test("the ledger has every act, and no secret", async () => {
  const { key, text } = given(await server.keys.create(root, wanted()));
  const { key: second, text: secondText } = given(await server.keys.rotate(root, key.id, 0));
  given(await server.keys.revoke(root, second.id));
  given(await server.keys.saveRole(root, { name: "seer", permissions: ["jobs.read"] }));
  given(await server.keys.deleteRole(root, "seer"));
  await server.keys.revoke(root, second.id);
  const recorded = await acts();
  expect(recorded).toMatchObject([
    { act: "key-created", by: "ann", key: key.id, principal: "ci", grants: [{ namespaces: ["orders"], roles: ["worker"] }] },
    { act: "key-rotated", key: second.id, rotated_from: key.id },
    { act: "key-revoked", key: second.id },
    { act: "role-saved", role: "seer", permissions: ["jobs.read"] },
    { act: "role-deleted", role: "seer" },
  ]);
  const all = JSON.stringify(recorded);
  for (const one of [text, secondText]) {
    expect(all).not.toContain(one.slice(22));
    expect(all).not.toContain(hashOf(one.slice(21)).toString("hex"));
  }
});
