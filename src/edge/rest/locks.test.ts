import { afterEach, beforeEach, expect, test } from "vitest";
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
