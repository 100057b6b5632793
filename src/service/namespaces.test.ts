import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { err, ok } from "../base/result.ts";
import { dayMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { Namespace } from "../protocol/generated/holdfast/state/v1/namespace.ts";
import { IndexedValueType } from "../protocol/generated/temporal/api/enums/v1/common.ts";
import { NamespaceState } from "../protocol/generated/temporal/api/enums/v1/namespace.ts";
import { invalidArgument } from "../protocol/refusal.ts";
import { serverNamespaceId } from "./ledger/audit.ts";
import { createNamespaces } from "./namespaces.ts";
import { accepted, manualClock, openTestStore, type TestStore } from "./service.test-kit.ts";

async function open(given?: TestStore) {
  const store = given ?? (await openTestStore());
  return { store, namespaces: createNamespaces({ store, clock: manualClock(), newId: randomUUID }) };
}
const body = (fields: Partial<Namespace> = {}) => make(Namespace, { retention: dayMs, ...fields });
const wanted = (name: string, searchAttributes = {}) => ({ name, retention: dayMs, searchAttributes });

test("a namespace is found by name and by id", async () => {
  const { namespaces } = await open();
  const entry = accepted(await namespaces.create({ name: "payments", body: body() }, "ada"));
  expect(accepted(namespaces.get("payments"))).toBe(entry);
  expect(namespaces.byId(entry.id)).toBe(entry);
  expect(namespaces.get("nowhere")).toEqual(err({ kind: "namespace-not-found", namespace: "nowhere" }));
});

test("a name is taken once, also by requests that arrive together", async () => {
  const { namespaces } = await open();
  const taken = err({ kind: "namespace-already-exists", message: 'Namespace "payments" already exists' });
  const created = await Promise.all([1, 2].map(() => namespaces.create({ name: "payments", body: body() }, "ada")));
  expect(created).toEqual([{ ok: true, value: accepted(namespaces.get("payments")) }, taken]);
  expect(await namespaces.create({ name: "payments", body: body() }, "ada")).toEqual(taken);
});

describe("a change", () => {
  test("replaces the body, and is stored", async () => {
    const { store, namespaces } = await open();
    await namespaces.create({ name: "payments", body: body() }, "ada");
    const changed = accepted(
      await namespaces.update("payments", "namespace-updated", (old) => ok({ ...old, description: "money" }), "ada"),
    );
    expect(changed).toMatchObject({ version: 2, body: { description: "money", retention: dayMs } });
    const { namespaces: later } = await open(store);
    await later.recover([]);
    expect(accepted(later.get("payments"))).toEqual(changed);
  });

  test("may be refused, which changes nothing", async () => {
    const { namespaces } = await open();
    const before = accepted(await namespaces.create({ name: "payments", body: body() }, "ada"));
    expect(await namespaces.update("payments", "namespace-updated", () => err(invalidArgument("no")), "ada")).toEqual(
      err(invalidArgument("no")),
    );
    expect(accepted(namespaces.get("payments"))).toBe(before);
  });

  test("that another process was faster with is to be tried again", async () => {
    const { store, namespaces } = await open();
    await namespaces.create({ name: "payments", body: body() }, "ada");
    const other = await open(store);
    await other.namespaces.recover([]);
    await namespaces.update("payments", "namespace-updated", ok, "ada");
    expect(await other.namespaces.update("payments", "namespace-updated", ok, "ada")).toMatchObject({
      ok: false,
      error: { kind: "unavailable" },
    });
  });

  test("of search attributes changes what queries and workers may use", async () => {
    const { namespaces } = await open();
    await namespaces.create({ name: "payments", body: body() }, "ada");
    await namespaces.update(
      "payments",
      "namespace-updated",
      (old) => ok({ ...old, searchAttributes: { Region: IndexedValueType.KEYWORD } }),
      "ada",
    );
    const { attributeTypes } = accepted(namespaces.get("payments"));
    expect(attributeTypes.get("Region")).toBe(IndexedValueType.KEYWORD);
  });
});

test("a deleted namespace gives its name free, and stays known by its id", async () => {
  const { namespaces } = await open();
  const { id } = accepted(await namespaces.create({ name: "payments", body: body() }, "ada"));
  const retired = accepted(await namespaces.retire("payments", "ada"));
  const name = `payments-deleted-${id.slice(0, 5)}`;
  expect(retired).toMatchObject({ id, name, body: { state: NamespaceState.DELETED } });
  expect(namespaces.get("payments").ok).toBe(false);
  expect(namespaces.byId(id)).toBe(retired);
  expect((await namespaces.create({ name: "payments", body: body() }, "ada")).ok).toBe(true);
  expect(namespaces.list().map(({ name }) => name)).toEqual(["payments", name]);
});

describe("at the start of the server", () => {
  test("configured namespaces that are missing are registered; others are left alone", async () => {
    const { store, namespaces } = await open();
    await namespaces.create({ name: "payments", body: body({ retention: 3 * dayMs }) }, "ada");
    const { namespaces: later } = await open(store);
    await later.recover([wanted("default"), wanted("payments")]);
    expect(later.list().map(({ name, body: { retention } }) => [name, retention / dayMs])).toEqual([
      ["default", 1],
      ["payments", 3],
    ]);
  });

  test("configured search attributes are added, and do not change the type of one that is there", async () => {
    const { store, namespaces } = await open();
    await namespaces.create({ name: "payments", body: body({ searchAttributes: { Region: IndexedValueType.KEYWORD } }) }, "ada");
    const { namespaces: later } = await open(store);
    await later.recover([wanted("payments", { Region: IndexedValueType.TEXT, Count: IndexedValueType.INT })]);
    expect(accepted(later.get("payments")).body.searchAttributes).toEqual({
      Region: IndexedValueType.KEYWORD,
      Count: IndexedValueType.INT,
    });
  });
});

describe("the ledger of the server", () => {
  async function recorded(store: TestStore) {
    const { entries } = await store.readLedger({ namespaceId: serverNamespaceId, after: null, limit: 100 });
    return entries.map(({ kind, runId, body: said }) => {
      expect([kind, runId]).toEqual(["administration", null]);
      return JSON.parse(Buffer.from(said).toString());
    });
  }

  test("says what is done to a namespace, and which settings are new", async () => {
    const { store, namespaces } = await open();
    const settings = body({
      state: NamespaceState.REGISTERED,
      description: "money",
      data: { team: "blue", site: "north" },
      searchAttributes: { Region: IndexedValueType.KEYWORD },
    });
    const { id } = accepted(await namespaces.create({ name: "payments", body: settings }, "ada"));
    await namespaces.update(
      "payments",
      "namespace-updated",
      (old) => ok({ ...old, ownerEmail: "ada@example.com", retention: 2 * dayMs, data: { ...old.data, team: "red" } }),
      "ada",
    );
    await namespaces.update(
      "payments",
      "search-attributes-added",
      (old) => ok({ ...old, searchAttributes: { ...old.searchAttributes, Count: IndexedValueType.INT } }),
      "ada",
    );
    await namespaces.update(
      "payments",
      "search-attributes-removed",
      (old) => ok({ ...old, searchAttributes: { Count: IndexedValueType.INT } }),
      "ada",
    );
    await namespaces.retire("payments", "ada");
    const of = { cause: "api", namespace: "payments", namespace_id: id, by: "ada" };
    expect(await recorded(store)).toEqual([
      {
        ...of,
        act: "namespace-registered",
        description: "money",
        retention_ms: dayMs,
        state: "REGISTERED",
        data: ["site", "team"],
        added: { Region: "Keyword" },
      },
      { ...of, act: "namespace-updated", owner_email: "ada@example.com", retention_ms: 2 * dayMs, data: ["team"] },
      { ...of, act: "search-attributes-added", added: { Count: "Int" } },
      { ...of, act: "search-attributes-removed", removed: ["Region"] },
      { ...of, act: "namespace-deleted", state: "DELETED" },
    ]);
  });

  test("has what the configuration registers once, and what it adds later", async () => {
    const { store, namespaces } = await open();
    await namespaces.recover([wanted("payments", { Region: IndexedValueType.KEYWORD })]);
    for (const attributes of [{ Region: IndexedValueType.TEXT }, { Count: IndexedValueType.INT }, { Count: IndexedValueType.INT }]) {
      const { namespaces: later } = await open(store);
      await later.recover([wanted("payments", attributes)]);
    }
    expect(await recorded(store)).toMatchObject([
      { act: "namespace-registered", cause: "configuration", namespace: "payments", added: { Region: "Keyword" } },
      { act: "search-attributes-added", cause: "configuration", namespace: "payments", added: { Count: "Int" } },
    ]);
  });

  test("says nothing of what is refused", async () => {
    const { store, namespaces } = await open();
    await namespaces.create({ name: "payments", body: body() }, "ada");
    const other = await open(store);
    await other.namespaces.recover([]);
    await namespaces.create({ name: "payments", body: body() }, "ada");
    await namespaces.update("payments", "namespace-updated", () => err(invalidArgument("no")), "ada");
    await namespaces.update("absent", "namespace-updated", ok, "ada");
    await namespaces.update("payments", "namespace-updated", ok, "ada");
    await other.namespaces.retire("payments", "ada");
    expect((await recorded(store)).map(({ act }) => act)).toEqual(["namespace-registered", "namespace-updated"]);
  });
});
