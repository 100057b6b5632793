import { generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { Principal } from "../../governance/action.ts";
import { signBundle } from "../../governance/policy/signature.ts";
import { openSqlite } from "../../store/sqlite/sqlite.ts";
import type { Store } from "../../store/store.ts";
import { silentLog } from "../../telemetry/log.ts";
import { createMetrics } from "../../telemetry/metrics.ts";
import { createCommitter } from "../committer.ts";
import { serverNamespaceId } from "../ledger/audit.ts";
import { manualClock, unlimited } from "../service.test-kit.ts";
import { type BundleSource, type Signing, unsignedAllowed } from "./bundle-source.ts";
import { createPolicies, type Policies, type Publish, type SaveBundle } from "./policies.ts";
import { createPublisher } from "./publisher.ts";
import { createSafetyKernel } from "./safety-kernel.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-publications-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ada: Principal = { id: "ada", kind: "human", roles: ["ops"] };
const asked = { by: ada, author: "Ada", message: "because" };
const rule = (id: string, decision = "deny") => `rules: [{ id: ${id}, match: { topic: ${id} }, decision: ${decision} }]\n`;
const file = (id: string, content = rule(id)): BundleSource => ({ id, origin: "file", content, signature: null });

const stores: Store[] = [];
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

type Opened = Awaited<ReturnType<typeof open>>;
async function open(given: { path?: string; files?: readonly BundleSource[]; signing?: Signing } = {}) {
  const { path = ":memory:", files = [], signing = unsignedAllowed } = given;
  const store = await openSqlite({ path });
  stores.push(store);
  const kernel = createSafetyKernel({ newId: randomUUID, requirePolicy: false, limits: unlimited });
  const committer = createCommitter({ store, metrics: createMetrics() });
  const clock = manualClock();
  const publisher = createPublisher({ store, committer, kernel, clock, log: silentLog, signing });
  const taken = await publisher.takeUp(files);
  const policies = createPolicies({ store, committer, publisher, clock, signing, files: new Set(files.map(({ id }) => id)) });
  const close = async () => {
    stores.splice(stores.indexOf(store), 1);
    await store.close();
  };
  return {
    store,
    kernel,
    publisher,
    policies,
    taken,
    close,
    rules: () => kernel.snapshot().rules.map(({ bundle, id }) => `${bundle}/${id}`),
  };
}

const save = (policies: Policies, id: string, given: Partial<SaveBundle> = {}) =>
  policies.save({ ...asked, id, content: rule(id), enabled: undefined, signature: undefined, seen: { kind: "any" }, ...given });
const publish = (policies: Policies, given: Partial<Publish> & { bundleIds?: readonly string[] } = {}) =>
  policies.publish({ ...asked, note: "", parent: null, dryRun: false, bundleIds: null, ...given });
const rollback = (policies: Policies, snapshot: string, given: Partial<Publish> = {}) =>
  policies.rollback({ ...asked, note: "", parent: null, dryRun: false, snapshot, ...given });

async function recorded({ store }: Opened) {
  const { entries } = await store.readLedger({ namespaceId: serverNamespaceId, after: null, limit: 100 });
  return entries.map(({ kind, body }) => ({ kind, body: JSON.parse(Buffer.from(body).toString()) }));
}
const hashOf = ({ kernel }: Opened) => kernel.snapshot().hash;

describe("a publication", () => {
  test("takes up the drafts that are enabled, beside the policy files", async () => {
    const server = await open({ files: [file("base")] });
    await save(server.policies, "a");
    await save(server.policies, "b", { enabled: false });
    expect(server.rules()).toEqual(["base/base"]);
    const before = hashOf(server);
    expect(await publish(server.policies)).toMatchObject({
      ok: true,
      value: { before, bundles: ["a"], publication: { number: 2, cause: "api" } },
    });
    expect(server.rules()).toEqual(["a/a", "base/base"]);
  });

  test("is in the ledger, with who made it, in the commit that makes it", async () => {
    const server = await open();
    const before = hashOf(server);
    await save(server.policies, "a");
    await publish(server.policies, { note: "first" });
    expect(await recorded(server)).toMatchObject([
      { kind: "administration", body: { act: "policy-bundle-saved", bundle: "a", enabled: true, by: ada, message: "because" } },
      {
        kind: "policy-published",
        body: {
          publication: 1,
          snapshot_before: before,
          snapshot_after: hashOf(server),
          bundles: ["a"],
          cause: "api",
          by: ada,
          note: "first",
        },
      },
    ]);
  });

  test("of named bundles leaves the others as they are in force, and takes out those whose draft was deleted", async () => {
    const server = await open();
    for (const id of ["a", "b", "c"]) await save(server.policies, id);
    await publish(server.policies);
    await save(server.policies, "a", { content: rule("a2") });
    await save(server.policies, "b", { content: rule("b2"), enabled: false });
    await server.policies.remove({ ...asked, id: "c", seen: { kind: "any" } });
    await publish(server.policies, { bundleIds: ["b"] });
    expect(server.rules()).toEqual(["a/a", "b/b2", "c/c"]);
    await publish(server.policies, { bundleIds: ["c"] });
    expect(server.rules()).toEqual(["a/a", "b/b2"]);
    expect((await server.policies.bundle("b")).ok && (await server.policies.bundle("b"))).toMatchObject({ value: { enabled: true } });
  });

  test("that is a dry run says what would change, and changes nothing", async () => {
    const server = await open();
    await save(server.policies, "a");
    const would = await publish(server.policies, { dryRun: true });
    expect(would).toMatchObject({ ok: true, value: { publication: null, changes: [{ kind: "added", what: "bundle" }, {}] } });
    expect(server.rules()).toEqual([]);
    expect(await server.policies.publications(null, 10)).toEqual([]);
  });

  test.each([
    ["a parent that is not in force", { parent: "0".repeat(64) }, "changed-meanwhile"],
    ["a bundle that nobody knows", { bundleIds: ["z"] }, "no-such-bundle"],
    ["a policy file", { bundleIds: ["base"] }, "bundle-of-file"],
  ])("is refused for %s", async (_, given, kind) => {
    const server = await open({ files: [file("base")] });
    await save(server.policies, "a");
    expect(await publish(server.policies, given)).toEqual({ ok: false, error: { kind } });
  });

  test("of nothing is refused: it would allow everything", async () => {
    const server = await open();
    expect(await publish(server.policies)).toEqual({ ok: false, error: { kind: "nothing-to-publish" } });
    await save(server.policies, "a", { enabled: false });
    expect(await publish(server.policies)).toEqual({ ok: false, error: { kind: "nothing-to-publish" } });
  });

  test("one of twenty at a time wins, for each parent", async () => {
    const server = await open();
    for (let round = 1; round <= 3; round++) {
      await save(server.policies, "a", { content: rule(`round-${round}`) });
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => publish(server.policies, { parent: hashOf(server) })));
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
      expect(new Set(outcomes.map((one) => (one.ok ? "published" : one.error.kind)))).toEqual(new Set(["published", "changed-meanwhile"]));
      expect(server.rules()).toEqual([`a/round-${round}`]);
    }
    const publications = await server.policies.publications(null, 10);
    expect(publications.map(({ number }) => number)).toEqual([3, 2, 1]);
    expect(publications.slice(0, -1).map(({ parent }) => parent)).toEqual(publications.slice(1).map(({ hash }) => hash));
  });
});

describe("a draft", () => {
  test("that is broken is refused with the place, and the former one stays", async () => {
    const { policies } = await open();
    await save(policies, "a");
    expect(await save(policies, "a", { content: "rules:\n- id: x\n  decision: maybe\n" })).toMatchObject({
      ok: false,
      error: { kind: "broken-policy", problems: [{ bundle: "a", line: 3, column: 13 }] },
    });
    expect(await policies.bundle("a")).toMatchObject({ value: { content: rule("a") } });
  });

  test("changes only for those who have seen it", async () => {
    const { policies } = await open();
    const first = await save(policies, "a", { seen: { kind: "absent" } });
    const tag = first.ok ? first.value.tag : "";
    expect(await save(policies, "a", { seen: { kind: "absent" } })).toEqual({ ok: false, error: { kind: "bundle-changed" } });
    expect(await save(policies, "a", { content: rule("b"), seen: { kind: "tag", tag } })).toMatchObject({ ok: true });
    expect(await save(policies, "a", { content: rule("c"), seen: { kind: "tag", tag } })).toEqual({
      ok: false,
      error: { kind: "bundle-changed" },
    });
    expect(await policies.remove({ ...asked, id: "a", seen: { kind: "tag", tag } })).toEqual({
      ok: false,
      error: { kind: "bundle-changed" },
    });
  });

  test.each(["", "/a", "a//b", "../a", "a b", "ü", "a/".repeat(5)])("is not called %j", async (id) => {
    expect(await save((await open()).policies, id)).toEqual({ ok: false, error: { kind: "bad-bundle-id" } });
  });

  test("with the name of a policy file is refused", async () => {
    const { policies } = await open({ files: [file("base")] });
    expect(await save(policies, "base")).toEqual({ ok: false, error: { kind: "bundle-of-file" } });
    expect(await policies.remove({ ...asked, id: "base", seen: { kind: "any" } })).toEqual({
      ok: false,
      error: { kind: "bundle-of-file" },
    });
  });

  test("is listed with files and with what is in force without a draft", async () => {
    const { policies } = await open({ files: [file("base")] });
    await save(policies, "a");
    await save(policies, "gone");
    await publish(policies);
    await policies.remove({ ...asked, id: "gone", seen: { kind: "any" } });
    await save(policies, "a", { content: rule("later") });
    expect((await policies.bundles()).map(({ id, origin, sha256, inForce }) => [id, origin, inForce === sha256])).toEqual([
      ["a", "api", false],
      ["base", "file", true],
      ["gone", "api", true],
    ]);
  });
});

describe("a rollback", () => {
  test("puts an earlier snapshot in force, and the drafts back with it", async () => {
    const server = await open();
    await save(server.policies, "a");
    await publish(server.policies);
    const first = hashOf(server);
    await save(server.policies, "a", { content: rule("worse") });
    await save(server.policies, "b");
    await publish(server.policies);
    const second = hashOf(server);
    expect(await rollback(server.policies, first)).toMatchObject({ ok: true, value: { before: second, after: first, bundles: ["a"] } });
    expect(server.rules()).toEqual(["a/a"]);
    // Publishing something else does not bring back what was rolled back.
    await save(server.policies, "c");
    await publish(server.policies);
    expect(server.rules()).toEqual(["a/a", "c/c"]);
    expect((await recorded(server)).filter(({ kind }) => kind === "policy-rolled-back")).toMatchObject([
      { body: { snapshot_before: second, snapshot_after: first, cause: "rollback", by: ada } },
    ]);
  });

  test("to what was never in force is refused", async () => {
    expect(await rollback((await open()).policies, "f".repeat(64))).toEqual({ ok: false, error: { kind: "no-such-snapshot" } });
  });

  test("holds through a restart, until a policy file changes", async () => {
    const path = join(folder, "rollback.db");
    let server = await open({ path, files: [file("base", rule("one"))] });
    const first = hashOf(server);
    await server.close();
    server = await open({ path, files: [file("base", rule("two"))] });
    await rollback(server.policies, first);
    expect(server.rules()).toEqual(["base/one"]);
    await server.close();
    server = await open({ path, files: [file("base", rule("two"))] });
    expect(server.rules()).toEqual(["base/one"]);
    await server.publisher.takeUp([file("base", rule("three"))]);
    expect(server.rules()).toEqual(["base/three"]);
    expect((await server.policies.publications(null, 10)).map(({ cause }) => cause)).toEqual(["file", "rollback", "file", "file"]);
  });
});

test("what cannot be recorded does not come into force", async () => {
  const server = await open();
  await save(server.policies, "a");
  const deps = { store: server.store, clock: manualClock(), signing: unsignedAllowed };
  const committer = { commit: () => Promise.reject(new Error("disk full")) };
  const publisher = createPublisher({ ...deps, committer, kernel: server.kernel, log: silentLog });
  const before = hashOf(server);
  await expect(publish(createPolicies({ ...deps, committer, publisher, files: new Set() }))).rejects.toThrow("disk full");
  await expect(publisher.takeUp([file("b")])).rejects.toThrow("disk full");
  expect(hashOf(server)).toBe(before);
});

test("a server on the same database follows what another one has published, once it is refused", async () => {
  const first = await open();
  await save(first.policies, "a");
  const kernel = createSafetyKernel({ newId: randomUUID, requirePolicy: false, limits: unlimited });
  const committer = createCommitter({ store: first.store, metrics: createMetrics() });
  const deps = { store: first.store, committer, clock: manualClock(), signing: unsignedAllowed };
  const publisher = createPublisher({ ...deps, kernel, log: silentLog });
  await publisher.takeUp([]);
  const second = createPolicies({ ...deps, publisher, files: new Set() });
  await publish(first.policies);
  await save(second, "b");
  expect(await publish(second)).toEqual({ ok: false, error: { kind: "changed-meanwhile" } });
  expect(kernel.snapshot().hash).toBe(hashOf(first));
  expect(await publish(second)).toMatchObject({ ok: true, value: { publication: { number: 2 } } });
});

test("too much text is refused", async () => {
  const { policies } = await open();
  const content = `${rule("a")}#${" ".repeat(1_500_000)}`;
  for (const id of ["a", "b"]) expect(await save(policies, id, { content })).toMatchObject({ ok: true });
  expect(await save(policies, "c", { content })).toEqual({ ok: false, error: { kind: "too-many-bundles" } });
});

describe("a restart", () => {
  test("recovers what was published, and publishes nothing", async () => {
    const path = join(folder, "restart.db");
    let server = await open({ path, files: [file("base")] });
    await save(server.policies, "a");
    await publish(server.policies);
    const inForce = hashOf(server);
    await server.close();
    server = await open({ path, files: [file("base")] });
    expect([hashOf(server), server.rules()]).toEqual([inForce, ["a/a", "base/base"]]);
    expect(await server.policies.publications(null, 10)).toHaveLength(2);
  });

  test("without a file that was there takes it out", async () => {
    const path = join(folder, "without.db");
    let server = await open({ path, files: [file("base")] });
    await server.close();
    server = await open({ path });
    expect(server.kernel.snapshot().unpublished).not.toBeNull();
    expect(await server.policies.publications(null, 1)).toMatchObject([{ cause: "file", bundles: [] }]);
  });

  test("with a file called like a bundle of the API is refused", async () => {
    const path = join(folder, "clash.db");
    let server = await open({ path });
    await save(server.policies, "base");
    await server.close();
    server = await open({ path, files: [file("base")] });
    expect(server.taken).toMatchObject({ ok: false, error: [{ bundle: "base", message: expect.stringContaining("rename the file") }] });
  });
});

describe("signatures", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const signing = { keys: [publicKey], required: true };
  const signature = signBundle(Buffer.from(rule("a")), privateKey);

  test.each([
    ["unsigned", undefined, "the bundle is not signed"],
    ["signed by another", signBundle(Buffer.from(rule("a")), generateKeyPairSync("ed25519").privateKey), "by none of the given keys"],
    ["signed for another text", signBundle(Buffer.from(rule("b")), privateKey), "changed after it was signed"],
  ])("a bundle that is %s is refused, from files and over the API", async (_, wrong, said) => {
    const problems = [{ bundle: "a", message: expect.stringContaining(said) }];
    const { policies } = await open({ signing });
    expect(await save(policies, "a", { signature: wrong })).toMatchObject({ ok: false, error: { kind: "broken-policy", problems } });
    const { taken } = await open({ signing, files: [{ ...file("a"), signature: wrong ?? null }] });
    expect(taken).toMatchObject({ ok: false, error: problems });
  });

  test("a bundle that is signed is published, and its signature is kept with it", async () => {
    const server = await open({ signing });
    expect(await save(server.policies, "a", { signature })).toMatchObject({ ok: true });
    // Nothing new to sign.
    expect(await save(server.policies, "a", { enabled: true })).toMatchObject({ ok: true });
    expect(await publish(server.policies)).toMatchObject({ ok: true });
    expect(await server.policies.snapshot(hashOf(server))).toMatchObject({ value: [{ id: "a", signature }] });
  });

  test("that come to be required later keep the server from starting with what is not signed", async () => {
    const path = join(folder, "unsigned.db");
    let server = await open({ path });
    await save(server.policies, "a");
    await publish(server.policies);
    await server.close();
    server = await open({ path, signing });
    expect(server.taken).toMatchObject({ ok: false, error: [{ bundle: "a", message: expect.stringContaining("not signed") }] });
  });
});
