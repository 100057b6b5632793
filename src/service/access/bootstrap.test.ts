import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { authorityOf } from "../../access/authority.ts";
import { everywhere, given, manager, openServers, type TestServer, type TestServers, wanted } from "./access.test-kit.ts";
import { type Bootstrap, createBootstrap } from "./bootstrap.ts";
import { createLockout, freeFailures } from "./lockout.ts";

let folder: string;
let servers: TestServers;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-bootstrap-"));
  servers = await openServers();
  server = await servers.start();
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (): string => join(folder, "bootstrap-token");
const open = (token: string | null = null, { keys } = server): Bootstrap =>
  createBootstrap({ keys, lockout: createLockout({ now: servers.clock.now }), token, file: file() });
const first = (bootstrap: Bootstrap, token: string) => bootstrap.firstKey({ token, name: "admin", address: "127.0.0.1" });
const kindOf = async (asked: ReturnType<typeof first>): Promise<string> => {
  const made = await asked;
  return made.ok ? "made" : made.error.kind;
};

describe("while no administrator has a key", () => {
  test("a token is in a file that only the server's user reads", () => {
    writeFileSync(file(), "from before", { mode: 0o644 });
    expect(open().file).toBe(file());
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(readFileSync(file(), "utf8")).toMatch(/^[\w-]{43}\n$/);
  });

  test("whoever has it makes one key that may do everything, and the file is gone", async () => {
    const bootstrap = open();
    const { key } = given(await first(bootstrap, readFileSync(file(), "utf8")));
    const authority = authorityOf(key, server.directory.permissionsOf);
    expect(authority.allowsEverywhere("keys.write")).toBe(true);
    expect(key).toMatchObject({ name: "admin", principal: "admin", kind: "human", createdBy: "bootstrap", expiresAt: null });
    expect(existsSync(file())).toBe(false);
    expect(bootstrap.file).toBeNull();
  });

  test("a token of the configuration does as well, and needs no file", async () => {
    const token = "t".repeat(32);
    const bootstrap = open(token);
    expect(bootstrap.file).toBeNull();
    expect(existsSync(file())).toBe(false);
    expect(await kindOf(first(bootstrap, "u".repeat(32)))).toBe("bad-bootstrap-token");
    expect(await kindOf(first(bootstrap, token))).toBe("made");
  });
});

test.each([1, 2])("of those who ask at once, one has a key, at %i servers", async (count) => {
  const token = "t".repeat(32);
  const all = await Promise.all(Array.from({ length: count }, async () => open(token, await servers.start())));
  const asked = await Promise.all([...all, ...all].map((bootstrap) => kindOf(first(bootstrap, token))));
  expect(asked.sort()).toEqual(["made", ...Array.from({ length: asked.length - 1 }, () => "not-bootstrapping")]);
  expect((await servers.start()).directory.keys()).toHaveLength(1);
});

test("a token works once, also when that key is revoked", async () => {
  const token = "t".repeat(32);
  const bootstrap = open(token);
  const { key } = given(await first(bootstrap, token));
  expect(await kindOf(first(bootstrap, token))).toBe("not-bootstrapping");
  given(await server.keys.revoke(manager(server, everywhere("admin")), key.id));
  expect(await kindOf(first(bootstrap, token))).toBe("not-bootstrapping");
});

test("keys that administer no more, or not everything, do not count", async () => {
  const root = manager(server, everywhere("admin"));
  const { key } = given(await server.keys.create(root, wanted({ grants: everywhere("admin") })));
  expect(open().file).toBeNull();
  given(await server.keys.revoke(root, key.id));
  given(await server.keys.create(root, wanted({ grants: [{ namespaces: ["orders"], roles: ["admin"] }] })));
  given(await server.keys.create(root, wanted({ grants: everywhere("operator") })));
  expect(open().file).toBe(file());
});

test("a file that was left by a crash after the key was made is removed at the next start", async () => {
  const bootstrap = open();
  const left = readFileSync(file(), "utf8");
  given(await first(bootstrap, left));
  writeFileSync(file(), left);
  const again = open(null, await servers.start());
  expect(existsSync(file())).toBe(false);
  expect(await kindOf(first(again, left))).toBe("not-bootstrapping");
});

test("nothing comes of it while the disk is full, and the token stays", async () => {
  const bootstrap = open();
  const token = readFileSync(file(), "utf8");
  const heal = servers.store.fail();
  await expect(first(bootstrap, token)).rejects.toThrow("disk full");
  heal();
  expect(await kindOf(first(bootstrap, token))).toBe("made");
});

test("whoever guesses is locked out, and the right token with them", async () => {
  const token = "t".repeat(32);
  const bootstrap = open(token);
  for (let guess = 0; guess < freeFailures; guess++) expect(await kindOf(first(bootstrap, `${guess}`))).toBe("bad-bootstrap-token");
  expect(await first(bootstrap, token)).toEqual({ ok: false, error: { kind: "locked-out", retryAfter: 1_000 } });
  expect(await kindOf(bootstrap.firstKey({ token, name: "", address: "10.0.0.1" }))).toBe("bad-key");
  servers.clock.jump(1_000);
  expect(await kindOf(first(bootstrap, token))).toBe("made");
});

test("the file goes when the server stops", () => {
  open().stop();
  expect(existsSync(file())).toBe(false);
});
