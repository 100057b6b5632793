import { beforeEach, describe, expect, test } from "vitest";
import { err, ok } from "../../base/result.ts";
import { everywhere, given, manager, openServers, type TestServer, type TestServers, wanted } from "./access.test-kit.ts";
import type { Manager } from "./keys.ts";

let servers: TestServers;
let here: TestServer;
let there: TestServer;
let root: Manager;
beforeEach(async () => {
  servers = await openServers();
  here = await servers.start();
  there = await servers.start();
  root = manager(here, everywhere("admin"));
});

describe("two servers on one store", () => {
  test("hear of each other's keys and roles when they look, and tell those who listen", async () => {
    let heard = 0;
    there.directory.onChange(() => void heard++);
    const { key } = given(await here.keys.create(root, wanted()));
    given(await here.keys.saveRole(root, { name: "seer", permissions: ["jobs.read"] }));
    expect(there.directory.key(key.id)).toBeNull();
    await there.directory.refresh();
    expect(there.directory.key(key.id)).toEqual(here.directory.key(key.id));
    expect(there.directory.permissionsOf("seer")).toEqual(["jobs.read"]);
    expect(heard).toBe(1);
    await there.directory.refresh();
    expect(heard).toBe(1);
    given(await here.keys.revoke(root, key.id));
    given(await here.keys.deleteRole(root, "seer"));
    await there.directory.refresh();
    expect(there.directory.key(key.id)?.revokedBy).toBe("ann");
    expect(there.directory.permissionsOf("seer")).toBeNull();
  });

  test("lose nothing that they write at the same moment", async () => {
    const made = await Promise.all(Array.from({ length: 20 }, (_, each) => (each % 2 === 0 ? here : there).keys.create(root, wanted())));
    const ids = made.map((one) => given(one).key.id).sort();
    await Promise.all([here.directory.refresh(), there.directory.refresh()]);
    for (const { directory } of [here, there])
      expect(
        directory
          .keys()
          .map(({ id }) => id)
          .sort(),
      ).toEqual(ids);
  });

  test("of two who change one thing, the second decides on what the first has left", async () => {
    const { key } = given(await here.keys.create(root, wanted()));
    await there.directory.refresh();
    const rotated = await Promise.all([here.keys.rotate(root, key.id, 1_000), there.keys.rotate(root, key.id, 1_000)]);
    expect(rotated.map((one) => (one.ok ? "made" : one.error.kind)).sort()).toEqual(["key-rotated", "made"]);
  });

  test("never take up again what was read before a change", async () => {
    const { key } = given(await here.keys.create(root, wanted()));
    await there.directory.refresh();
    given(await here.keys.create(root, wanted()));
    // Reads the key as it was, while the revocation is on its way.
    const [, revoked] = await Promise.all([there.directory.refresh(), there.keys.revoke(root, key.id)]);
    given(revoked);
    expect(there.directory.key(key.id)?.revokedBy).toBe("ann");
  });

  test("both say when a key was used, whoever of them has seen it", async () => {
    const { key } = given(await here.keys.create(root, wanted()));
    await there.directory.refresh();
    await here.directory.used([key.id]);
    expect(here.directory.lastUsed(key.id)).toBe(servers.clock.now());
    servers.clock.jump(60_000);
    // The other one has written meanwhile: its time is taken up, and the next one is ours.
    await there.directory.used([key.id]);
    await there.directory.used([key.id]);
    expect(there.directory.lastUsed(key.id)).toBe(servers.clock.now());
    expect(given(there.keys.get(root, key.id)).lastUsedAt).toBe(servers.clock.now());
  });
});

test("what was answered is there after a restart, and in order", async () => {
  const texts = [];
  for (const name of ["a", "b", "c"]) {
    texts.push(given(await here.keys.create(root, wanted({ name }))).key.id);
    servers.clock.jump(1);
  }
  given(await here.keys.revoke(root, texts[1] ?? ""));
  given(await here.keys.saveRole(root, { name: "seer", permissions: ["jobs.read"] }));
  await here.directory.used(texts);
  const again = await servers.start();
  expect(again.directory.keys()).toEqual(here.directory.keys());
  expect(again.directory.keys().map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(again.directory.roles()).toEqual(here.directory.roles());
  expect(again.directory.lastUsed(texts[0] ?? "")).toBe(here.directory.lastUsed(texts[0] ?? ""));
});

test("what could not be written has not happened, and does not keep others from writing", async () => {
  const { key } = given(await here.keys.create(root, wanted()));
  const heal = servers.store.fail();
  await expect(here.keys.revoke(root, key.id)).rejects.toThrow("disk full");
  await expect(here.keys.create(root, wanted())).rejects.toThrow("disk full");
  expect(here.directory.key(key.id)?.revokedAt).toBeNull();
  expect(here.directory.keys()).toHaveLength(1);
  heal();
  given(await here.keys.revoke(root, key.id));
  expect((await servers.start()).directory.key(key.id)?.revokedBy).toBe("ann");
});

test("a refusal writes nothing, and tells nobody", async () => {
  let heard = 0;
  here.directory.onChange(() => void heard++);
  expect(await here.directory.change(() => err("no"))).toEqual(err("no"));
  expect(heard).toBe(0);
  expect(await servers.store.readDocument("access", "version")).toBeNull();
  expect(await here.directory.change(() => ok({ act: "role-deleted", by: "ann", keys: [], role: null, details: {} }))).toEqual(
    ok(undefined),
  );
  expect(heard).toBe(1);
});

test("a role of the configuration goes before one that was saved under its name", async () => {
  given(await here.keys.saveRole(root, { name: "seer", permissions: ["jobs.read"] }));
  const configured = await servers.start({ seer: ["policy.read"] });
  expect(configured.directory.permissionsOf("seer")).toEqual(["policy.read"]);
  expect(configured.keys.roles().filter(({ name }) => name === "seer")).toMatchObject([{ origin: "configuration" }]);
});
