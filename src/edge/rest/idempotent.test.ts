import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Asked, openApi, type TestApi } from "./rest.test-kit.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openApi();
  await api.ask("PUT", "/api/v1/policy/bundles/a", {
    as: "ada",
    body: { content: "rules: [{ id: no, match: { topic: a }, decision: deny }]" },
  });
});
afterAll(() => api.close());

const publish = (key: string, given: Asked = {}) =>
  api.ask("POST", "/api/v1/policy/publish", {
    as: "ada",
    body: { note: "first" },
    headers: { "idempotency-key": key, ...given.headers },
    ...given,
  });
const publications = async () => (await api.ask("GET", "/api/v1/policy/snapshots")).json.items;

describe("a request with an `Idempotency-Key`", () => {
  test("has one effect and one answer, however often it is sent at the same time", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => publish("k1")));
    expect([...new Set(answers.map(({ status, text }) => `${status} ${text}`))]).toEqual([expect.stringMatching(/^200 .*"publication":1/)]);
    expect(await publications()).toMatchObject([{ number: 1 }]);
  });

  test("is answered as before", async () => {
    expect((await publish("k1")).json).toMatchObject({ publication: 1 });
  });

  test.each<[string, Asked]>([
    ["body", { body: { note: "second" } }],
    ["principal", { as: "bob" }],
    ["precondition", { headers: { "idempotency-key": "k1", "if-match": "*" } }],
  ])("stands for one %s", async (_, given) => {
    expect(await publish("k1", given)).toMatchObject({ status: 409, json: { code: "idempotency-key-reused" } });
  });

  test("is of one tenant, and of one route", async () => {
    expect((await publish("k1", { headers: { "idempotency-key": "k1", "x-tenant-id": "other" } })).status).toBe(200);
    const rollback = { as: "ada", body: { snapshot_id: "none" }, headers: { "idempotency-key": "k1" } };
    expect(await api.ask("POST", "/api/v1/policy/rollback", rollback)).toMatchObject({ status: 404 });
  });

  test("that is refused may be corrected", async () => {
    expect((await publish("k2", { body: { bundle_ids: ["none"] } })).status).toBe(404);
    expect((await publish("k2", { body: { bundle_ids: ["a"] } })).status).toBe(200);
  });

  test("with a key that is too long is refused", async () => {
    expect(await publish("k".repeat(257))).toMatchObject({ status: 400, json: { code: "bad-idempotency-key" } });
  });
});

test("a vote with a key counts once, however often it is sent at the same time", async () => {
  const votes = await openApi(
    "rules: [{ id: two, match: { topics: [activity.Refund] }, decision: require_approval, approval: { quorum: 2 } }]",
  );
  const path = `/api/v1/approvals/${await votes.hold()}/approve`;
  const vote = { as: "ada", body: { reason: "fine" }, headers: { "idempotency-key": "vote-1" } };
  const answers = await Promise.all(Array.from({ length: 100 }, () => votes.ask("POST", path, vote)));
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers[0]).toMatchObject({ status: 200, json: { status: "pending", grants: 1, votes: [{ voter: { id: "ada" } }] } });
  expect((await votes.ask("POST", path, { as: "bob" })).json).toMatchObject({ status: "granted", grants: 2 });
  await votes.close();
});
