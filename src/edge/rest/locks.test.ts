import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1/locks";
let api: TestApi;
beforeEach(async () => {
  api = await openApi();
});
afterEach(() => api.close());

const ask = (act: string, owner: string, more = {}, headers = {}) =>
  api.ask("POST", `${v1}/${act}`, { body: { resource: "db/orders", owner, ...more }, headers });
const look = () => api.ask("GET", `${v1}?resource=db/orders`);

test("a lock is acquired, shown, renewed and released", async () => {
  const { json } = await ask("acquire", "a");
  expect(json).toMatchObject({ resource: "db/orders", mode: "exclusive", owners: { a: 1 } });
  expect(Date.parse(String(json.expires_at)) - Date.parse(String(json.updated_at))).toBe(30_000);
  expect((await look()).json).toEqual(json);
  expect((await ask("acquire", "b")).json).toMatchObject({ status: 409, code: "lock-unavailable" });
  const renewed = (await ask("renew", "a", { ttl_ms: 60_000 })).json;
  expect(Date.parse(String(renewed.expires_at)) - Date.parse(String(renewed.updated_at))).toBe(60_000);
  expect((await ask("release", "b")).json).toMatchObject({ status: 409, code: "lock-not-held" });
  expect((await ask("release", "a")).json).toEqual({ lock: null, released: true });
  expect((await look()).json).toMatchObject({ status: 404, code: "no-such-lock" });
  expect((await ask("renew", "a")).json).toMatchObject({ status: 404, code: "lock-lost" });
});

test("of many who ask at once, one has it", async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => ask("acquire", `owner-${index}`)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 39 }, () => 409)]);
});

test("many share it at once, and none is lost", async () => {
  await Promise.all(Array.from({ length: 40 }, (_, index) => ask("acquire", `owner-${index}`, { mode: "shared" })));
  expect(Object.keys((await look()).json.owners ?? {})).toHaveLength(40);
});

test("it is another one's when its time is over", async () => {
  await ask("acquire", "a", { ttl_ms: 1 });
  expect((await ask("acquire", "b")).status).toBe(409);
  api.core.clock.jump(1);
  expect((await look()).status).toBe(404);
  expect((await ask("acquire", "b")).json).toMatchObject({ owners: { b: 1 } });
});

describe("by force", () => {
  const recorded = async () => {
    const { json } = await api.ask("GET", "/api/v1/audit?kind=administration");
    return [...(json.items ?? [])].map(({ body }) => body);
  };

  test("it is taken from whoever is in the way, and the ledger says so", async () => {
    await ask("acquire", "a");
    const body = { resource: "db/orders", owner: "b", force: true, reason: "a is gone" };
    expect((await api.ask("POST", `${v1}/acquire`, { as: "ada", body })).json).toMatchObject({ owners: { b: 1 } });
    expect((await ask("renew", "a")).json).toMatchObject({ code: "lock-lost" });
    expect(await recorded()).toEqual([
      { act: "lock-taken-over", by: "ada", reason: "a is gone", resource: "db/orders", owner: "b", ended: ["a"] },
    ]);
  });

  test("it is freed of all who hold it", async () => {
    for (const owner of ["a", "a", "b"]) await ask("acquire", owner, { mode: "shared" });
    const body = { resource: "db/orders", force: true };
    expect((await api.ask("POST", `${v1}/release`, { as: "ada", body })).json).toEqual({ lock: null, released: true });
    expect((await api.ask("POST", `${v1}/release`, { as: "ada", body })).json).toMatchObject({ code: "lock-not-held" });
    expect(await recorded()).toEqual([{ act: "lock-freed", by: "ada", reason: "", resource: "db/orders", ended: ["a", "b"] }]);
  });

  test("what ends nobody's hold is not recorded", async () => {
    await ask("acquire", "a", { force: true });
    await ask("acquire", "a", { force: true });
    await ask("release", "a");
    expect(await recorded()).toEqual([]);
  });
});

test("tenants do not see each other's", async () => {
  await ask("acquire", "a");
  expect((await ask("acquire", "b", {}, { "x-tenant-id": "other" })).status).toBe(200);
});

test.each([
  ["no owner", { owner: "" }, "bad-lock"],
  ["a resource that is no text for people", { resource: "a\u0000" }, "bad-lock"],
  ["no time", { ttl_ms: 0 }, "invalid-request"],
  ["too long a time", { ttl_ms: 86_400_001 }, "invalid-request"],
  ["another mode", { mode: "mine" }, "invalid-request"],
])("%s is refused", async (_, wrong, code) => {
  expect((await ask("acquire", "a", wrong)).json).toMatchObject({ status: 400, code });
});
