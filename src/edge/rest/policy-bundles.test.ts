import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openApi, type TestApi } from "./rest.test-kit.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openApi();
});
afterEach(() => api.close());

const deny = (topic: string) => `rules: [{ id: no-${topic}, match: { topic: ${topic} }, decision: deny }]`;
const bundles = "/api/v1/policy/bundles";
const put = (id: string, body: object, headers: Record<string, string> = {}) =>
  api.ask("PUT", `${bundles}/${id}`, { as: "ada", body, headers });
const publish = (body: object = {}, headers: Record<string, string> = {}) =>
  api.ask("POST", "/api/v1/policy/publish", { as: "ada", body, headers: { "x-principal-role": "ops", ...headers } });
const evaluate = async (topic: string) => (await api.ask("POST", "/api/v1/policy/evaluate", { body: { topic } })).json.decision;

test("a bundle is written, published, decides, and is in the history", async () => {
  expect(await evaluate("a")).toBe("DECISION_TYPE_ALLOW");
  expect((await put("secops~a", { content: deny("a"), author: "Ada", message: "no a" })).json).toMatchObject({
    id: "secops/a",
    enabled: true,
    source: "secops",
    author: "Ada",
    in_force: false,
  });
  expect(await evaluate("a")).toBe("DECISION_TYPE_ALLOW");
  const before = api.core.kernel.snapshot().hash;
  const { status, json } = await publish({ note: "first", message: "go" });
  const after = api.core.kernel.snapshot().hash;
  expect([status, json]).toMatchObject([200, { snapshot_before: before, snapshot_after: after, published: ["secops/a"], publication: 1 }]);
  expect(await evaluate("a")).toBe("DECISION_TYPE_DENY");

  const history = (await api.ask("GET", "/api/v1/policy/snapshots")).json;
  expect(history).toMatchObject({
    snapshots: [after],
    in_force: { hash: after, published: true },
    items: [
      { number: 1, id: after, parent: before, cause: "api", by: "ada", roles: ["ops"], note: "first", bundles: [{ id: "secops/a" }] },
    ],
    next_cursor: null,
  });
  expect((await api.ask("GET", `/api/v1/policy/snapshots/${after}`)).json).toMatchObject({
    in_force: true,
    bundles: [{ id: "secops/a", content: deny("a") }],
  });
  expect((await api.ask("GET", "/api/v1/policy/audit")).json).toMatchObject({
    items: [{ action: "publish", actor_id: "ada", role: "ops", bundle_ids: ["secops/a"], message: "go", snapshot_after: after }],
  });
  const ledger = (await api.ask("GET", "/api/v1/audit", { headers: { "x-tenant-id": "system" } })).json;
  const acts = [...(ledger.items ?? [])].slice(-2).map(({ kind, body }) => ({ kind, body }));
  expect(acts).toMatchObject([
    { kind: "administration", body: { act: "policy-bundle-saved" } },
    { kind: "policy-published", body: { cause: "api" } },
  ]);
});

test("a draft is read with its tag, and written only by those who have seen it", async () => {
  const created = await put("a", { content: deny("a") }, { "if-none-match": "*" });
  const read = await api.ask("GET", `${bundles}/a`);
  expect(read).toMatchObject({ status: 200, json: { id: "a", content: deny("a"), enabled: true } });
  expect(read.etag).toBe(created.etag);
  expect(await put("a", { enabled: false }, { "if-match": read.etag })).toMatchObject({ status: 200, json: { enabled: false } });
  expect(await put("a", { content: deny("b") }, { "if-match": read.etag })).toMatchObject({
    status: 412,
    json: { code: "bundle-changed" },
  });
  expect(await api.ask("DELETE", `${bundles}/a`, { as: "ada", headers: { "if-match": read.etag } })).toMatchObject({ status: 412 });
  expect(await api.ask("DELETE", `${bundles}/a`, { as: "ada" })).toMatchObject({ status: 200, json: { id: "a" } });
  expect(await api.ask("GET", `${bundles}/a`)).toMatchObject({ status: 404, json: { code: "no-such-bundle" } });
});

test("a broken bundle is refused with line and column, and what is in force stays", async () => {
  await put("a", { content: deny("a") });
  await publish();
  const { hash } = api.core.kernel.snapshot();
  const refused = await put("a", { content: "rules:\n- id: x\n  decision: maybe\n" });
  expect(refused).toMatchObject({
    status: 422,
    type: expect.stringContaining("application/problem+json"),
    json: { code: "broken-policy", errors: [{ bundle: "a", line: 3, column: 13, detail: expect.stringContaining("maybe") }] },
  });
  await publish();
  expect(api.core.kernel.snapshot().hash).toBe(hash);
});

test("a dry run shows the difference, and a rollback undoes a publication", async () => {
  await put("a", { content: deny("a") });
  await publish();
  const first = api.core.kernel.snapshot().hash;
  await put("a", { content: deny("b") });
  expect((await publish({ dry_run: true })).json).toMatchObject({
    snapshot_before: first,
    publication: null,
    changes: [
      { kind: "removed", what: "rule `no-a`" },
      { kind: "added", what: "rule `no-b`" },
    ],
  });
  await publish();
  expect(await evaluate("a")).toBe("DECISION_TYPE_DENY");
  expect(await evaluate("b")).toBe("DECISION_TYPE_DENY");
  const second = api.core.kernel.snapshot().hash;
  expect((await api.ask("GET", `/api/v1/policy/diff?from=${first}`)).json).toMatchObject({ to: second, changes: [{}, {}] });
  const rolledBack = await api.ask("POST", "/api/v1/policy/rollback", { as: "ada", body: { snapshot_id: first, note: "too much" } });
  expect(rolledBack.json).toMatchObject({ snapshot_before: second, snapshot_after: first, rollback_to: first, publication: 3 });
  const page = (await api.ask("GET", "/api/v1/policy/snapshots?limit=2")).json;
  expect(page).toMatchObject({ items: [{ number: 3, cause: "rollback", note: "too much" }, { number: 2 }], next_cursor: "2" });
  expect((await api.ask("GET", "/api/v1/policy/snapshots?limit=2&cursor=2")).json).toMatchObject({
    items: [{ number: 1 }],
    next_cursor: null,
  });
});

test("a draft is tried beside what is in force", async () => {
  await put("a", { content: deny("a") });
  await publish();
  await put("b", { content: `default_decision: allow\n${deny("b")}` });
  const simulate = async (id: string, topic: string, content?: string) =>
    (await api.ask("POST", `${bundles}/${id}/simulate`, { body: { request: { topic }, ...(content === undefined ? {} : { content }) } }))
      .json;
  expect(await simulate("b", "b")).toMatchObject({ decision: "DECISION_TYPE_DENY", ruleId: "no-b", current: { ruleId: "" } });
  expect(await simulate("b", "a")).toMatchObject({ ruleId: "no-a", changed: false });
  expect(await simulate("a", "a", "default_decision: allow")).toMatchObject({ decision: "DECISION_TYPE_ALLOW", changed: true });
  expect(await simulate("a", "a", "rulez: []")).toMatchObject({ code: "broken-policy" });
  expect(await simulate("z", "a")).toMatchObject({ code: "no-such-bundle" });
});

test("the history as Cordum's clients read it", async () => {
  await put("a", { content: deny("a") });
  const id = (await publish({ note: "first" })).json.snapshot_after;
  expect((await api.ask("GET", `${bundles}/snapshots`)).json).toMatchObject({ items: [{ id, note: "first" }] });
  expect((await api.ask("GET", `${bundles}/snapshots/${id}`)).json).toEqual({ id, bundles: { a: deny("a") } });
});

test("of twenty publications at a time one wins, and the others are told", async () => {
  await put("a", { content: deny("a") });
  const parent = `"${api.core.kernel.snapshot().hash}"`;
  const answers = await Promise.all(Array.from({ length: 20 }, () => publish({}, { "if-match": parent })));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 19 }, () => 409)]);
  expect(answers.find(({ status }) => status === 409)?.json.code).toBe("changed-meanwhile");
  // The parent is in force no longer.
  expect((await publish({}, { "if-match": parent })).status).toBe(409);
});

describe("a backtest", () => {
  const backtest = (body: object, headers: Record<string, string> = {}) => api.ask("POST", "/api/v1/policy/backtest", { body, headers });

  test("says what a candidate would have decided", async () => {
    await put("a", {
      content: "rules: [{ id: ask, match: { topic: activity.Refund }, decision: require_approval }]\ndefault_decision: allow",
    });
    await publish();
    await api.hold();
    const content = "rules: [{ id: no, match: { topic: activity.Refund }, decision: deny }]\ndefault_decision: allow";
    const { json } = await backtest({ content });
    expect(json).toMatchObject({
      changed: 1,
      unknown: 0,
      groups: [
        {
          from: { effect: "REQUIRE_APPROVAL", bundle: "a", rule: "ask" },
          to: { effect: "DENY", bundle: "candidate", rule: "no" },
          count: 1,
        },
      ],
      changes: [{ workflow_id: "order-1", action_id: "1", kind: "activity", name: "Refund", topic: "activity.Refund" }],
      broken_off_at: null,
    });
    const later = new Date(api.core.clock.now() + 1).toISOString();
    expect((await backtest({ content, since: later })).json).toMatchObject({ decisions: 0 });
    expect((await backtest({ bundles: [{ id: "b", content }], limit: 0 })).json).toMatchObject({ changed: 1, changes: [] });
    expect((await backtest({ content }, { "x-tenant-id": "other" })).json).toMatchObject({ decisions: 0 });
  });

  test.each<[string, object, number, string]>([
    ["nothing", {}, 400, "content-required"],
    ["a broken text", { content: "rulez: []" }, 422, "broken-policy"],
    [
      "one id twice",
      {
        bundles: [
          { id: "a", content: "" },
          { id: "a", content: "" },
        ],
      },
      400,
      "bad-bundle-id",
    ],
    ["a bad time", { content: "rules: []", since: "soon" }, 400, "invalid-request"],
    ["a bad limit", { content: "rules: []", limit: 1e6 }, 400, "invalid-request"],
  ])("of %s is refused", async (_, body, status, code) => {
    expect(await backtest(body)).toMatchObject({ status, json: { code } });
  });
});

describe("refused:", () => {
  test.each<[string, string, string, object, number, string]>([
    ["nothing to publish", "POST", "publish", {}, 400, "nothing-to-publish"],
    ["an unknown bundle", "POST", "publish", { bundle_ids: ["z"] }, 400, "nothing-to-publish"],
    ["an unknown snapshot", "POST", "rollback", { snapshot_id: "f" }, 404, "no-such-snapshot"],
    ["no snapshot", "POST", "rollback", {}, 400, "invalid-request"],
    ["no text", "PUT", "bundles/a", {}, 400, "content-required"],
    ["a bad id", "PUT", "bundles/..", { content: "rules: []" }, 404, "no-such-route"],
    ["another bad id", "PUT", "bundles/~", { content: "rules: []" }, 400, "bad-bundle-id"],
    ["a field too many", "PUT", "bundles/a", { content: "rules: []", enable: true }, 400, "invalid-request"],
  ])("%s", async (_, method, path, body, status, code) => {
    expect(await api.ask(method, `/api/v1/policy/${path}`, { as: "ada", body })).toMatchObject({ status, json: { code } });
  });

  test("nobody", async () => {
    const answer = await api.ask("POST", "/api/v1/policy/publish", { body: {} });
    expect(answer).toMatchObject({ status: 400, json: { code: "principal-required" } });
  });
});
