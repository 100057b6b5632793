import { afterAll, beforeAll, expect, test } from "vitest";
import { present } from "../../base/assert.ts";
import { run } from "../../cli/cli.test-kit.ts";
import { fail, poll, schedule } from "../../service/limits/limits.test-kit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const policy = `
version: v1
default_decision: allow
limits:
  - topics: [activity.Ship]
    rate: { max: 10, per: 1m }
    breaker: { failures: 1, open_for: 30s }
tenants: { default: { max_concurrent_jobs: 5 } }
rules:
  - id: ship
    match: { topic: activity.Ship }
    decision: allow
    constraints: { spend: [{ unit: tokens, max: 100, by: tenant, per: 1d, reserve: 30 }] }
`;

let api: TestApi;
beforeAll(async () => {
  api = await openApi(policy);
});
afterAll(() => api.close());

const limits = async (query = "", headers = {}) => (await api.ask("GET", `/api/v1/policy/limits${query}`, { headers })).json;
const cli = (...args: readonly string[]) => run(["policy", "limits", ...args, "--address", new URL(api.url).host]);

test("before anything was counted there is nothing to show", async () => {
  expect(await limits()).toEqual({ items: [], next_cursor: null });
  expect((await cli()).printed).toBe("nothing has been counted under a limit");
});

test("a worker that has an attempt, and one that failed", async () => {
  await schedule(api.core, { workflowId: "order", types: ["Ship"] });
  const task = present(await poll(api.core), "activity task");
  const taken = await limits();
  const of = (kind: string) => [...(taken.items ?? [])].find(({ limit }) => String(limit) === kind);
  const ship = { counted: "topic=activity.Ship", source: "limits of main: activity.Ship", waiting: 0 };
  expect(of("rate")).toEqual({ limit: "rate", ...ship, max: 10, per_ms: 60_000, burst: 10, room: 9 });
  expect(of("breaker")).toEqual({ limit: "breaker", ...ship, max: 1, state: "closed", used: 0, until: null, room: null });
  expect(of("concurrency")).toEqual({
    limit: "concurrency",
    counted: "tenant",
    source: "tenant default",
    max: 5,
    used: 1,
    room: 4,
    waiting: 0,
  });
  expect(of("spend")).toEqual({
    limit: "spend",
    counted: "tenant=default",
    source: "rule main/ship",
    unit: "tokens",
    max: 100,
    per_ms: 86_400_000,
    reserve: 30,
    used: 0,
    reserved: 30,
    since: "2026-01-01T00:00:00.000Z",
    room: 2,
    waiting: 0,
  });
  await fail(api.core, task.taskToken);
  const after = [...((await limits()).items ?? [])].map(({ limit, used, state }) => [limit, used ?? null, state ?? null]);
  expect(after).toEqual([
    ["breaker", null, "open"],
    ["rate", null, null],
    ["spend", 30, null],
  ]);
});

test("pages hold each limit once, and another tenant sees none", async () => {
  const first = await limits("?limit=2");
  const second = await limits(`?limit=2&cursor=${first.next_cursor}`);
  expect([...(first.items ?? []), ...(second.items ?? [])].map(({ limit }) => limit)).toEqual(["breaker", "rate", "spend"]);
  expect(second.next_cursor).toBeNull();
  expect(await limits("", { "x-tenant-id": "other" })).toEqual({ items: [], next_cursor: null });
  expect(await limits("?limit=0")).toMatchObject({ code: "invalid-request" });
});

test("the command line shows the same", async () => {
  const { printed } = await cli();
  expect(printed.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["LIMIT", "COUNTED", "MAX", "USED", "ROOM", "WAITING", "STATE", "SET BY"],
    ["breaker", "topic=activity.Ship", "1", "0", "0", "open until 2026-01-01T00:00:30.000Z", "limits of main: activity.Ship"],
    ["rate", "topic=activity.Ship", "10 per 1m", "9", "0", "limits of main: activity.Ship"],
    ["spend", "tenant=default", "100 tokens per 1d", "30", "2", "0", "rule main/ship"],
  ]);
});
