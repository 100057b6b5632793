import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { verifyChain } from "../../governance/ledger/verify-chain.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openApi();
});
afterEach(() => api.close());

const submit = async (body: object = {}, headers = {}): Promise<string> => {
  const { status, json } = await api.ask("POST", "/api/v1/jobs", {
    as: "ann",
    headers,
    body: { input: { n: 1 }, topic: "job.a", ...body },
  });
  expect(status).toBe(200);
  return String(json.job_id);
};
const take = async (taskQueue = "job.a") => {
  const taken = await api.ask("POST", "/api/v1/workers/lease", { body: { task_queue: taskQueue, worker_id: "w", wait_ms: 20_000 } });
  expect(taken.status).toBe(200);
  return taken.json;
};
const complete = (body: object) => api.ask("POST", "/api/v1/workers/complete", { body });
const get = async (id: string) => (await api.ask("GET", `/api/v1/jobs/${id}`)).json;
async function reaches(id: string, state: string) {
  for (;;) {
    const job = await get(id);
    if (String(job.state) === state) return job;
  }
}
const dead = async (body: object = {}): Promise<string> => {
  const id = await submit(body);
  const { lease } = await take();
  expect((await complete({ lease, error: { message: "it broke", type: "Broken", retryable: false } })).status).toBe(204);
  await reaches(id, "FAILED");
  return id;
};

test("a job is submitted, leased, kept alive and completed", async () => {
  const id = await submit({ labels: { env: "dev" }, capability: "a.b", risk_tags: ["x"], heartbeat_timeout_ms: 60_000 });
  const leased = await take();
  expect(leased).toMatchObject({
    job_id: id,
    workflow_id: id,
    activity_type: "job.a",
    task_queue: "job.a",
    attempt: 1,
    input: [{ n: 1 }],
    heartbeat_timeout_ms: 60_000,
    headers: { "holdfast-action": { topic: "job.a", labels: { env: "dev" }, capability: "a.b", risk_tags: ["x"] } },
  });
  const beat = await api.ask("POST", "/api/v1/workers/heartbeat", { body: { lease: leased.lease, details: { percent: 50 } } });
  expect(beat.json).toEqual({ cancel_requested: false, lease_gone: false });
  expect(await get(id)).toMatchObject({ state: "RUNNING", last_heartbeat_details: { percent: 50 }, worker: "w", attempts: 1 });
  expect((await complete({ lease: leased.lease, result: { ok: true }, usage: { tokens: 5 } })).status).toBe(204);
  expect(await reaches(id, "SUCCEEDED")).toMatchObject({ context: { n: 1 }, result: { ok: true }, tenant: "default", principal: "ann" });
  const again = await complete({ lease: leased.lease, result: 1 });
  expect([again.status, again.json.code]).toEqual([410, "lease-gone"]);
});

test("a worker that waits in vain is told so", async () => {
  const { status, text } = await api.ask("POST", "/api/v1/workers/lease", { body: { task_queue: "empty", wait_ms: 0 } });
  expect([status, text]).toEqual([204, ""]);
});

test("workers are listed with where they came for tasks, in their tenant", async () => {
  expect((await api.ask("GET", "/api/v1/workers")).json).toEqual([]);
  for (const [worker_id, task_queue] of [
    ["w1", "job.b"],
    ["w1", "job.a"],
    ["w2", "job.a"],
  ]) {
    api.core.clock.advance(1_000);
    await api.ask("POST", "/api/v1/workers/lease", { body: { task_queue, worker_id, wait_ms: 0 } });
  }
  expect((await api.ask("GET", "/api/v1/workers")).json).toEqual([
    { worker_id: "w2", task_queues: ["job.a"], last_seen_at: "2026-01-01T00:00:03.000Z" },
    { worker_id: "w1", task_queues: ["job.a", "job.b"], last_seen_at: "2026-01-01T00:00:02.000Z" },
  ]);
  expect((await api.ask("GET", "/api/v1/workers?limit=1")).json).toHaveLength(1);
  expect((await api.ask("GET", "/api/v1/workers", { headers: { "x-tenant-id": "other" } })).json).toEqual([]);
  api.core.clock.advance(6 * 60_000);
  expect((await api.ask("GET", "/api/v1/workers")).json).toEqual([]);
});

test("a prompt reaches the worker with what was said beside it", async () => {
  const body = { prompt: "fix secret://token", context: { repo: "shop" }, max_output_tokens: 10, topic: "job.a" };
  const { json } = await api.ask("POST", "/api/v1/jobs", { body });
  const leased = await take();
  expect(leased.input).toEqual([
    {
      prompt: "fix secret://token",
      topic: "job.a",
      priority: "interactive",
      tenant_id: "default",
      max_output_tokens: 10,
      context: { repo: "shop" },
    },
  ]);
  expect(await get(String(json.job_id))).toMatchObject({
    risk_tags: ["secrets"],
    labels: { secrets_present: "true" },
    principal: "anonymous",
  });
});

test("one idempotency key is one job, in the body and in the header", async () => {
  const id = await submit({ idempotency_key: "k" });
  expect(await submit({ idempotency_key: "k" })).toBe(id);
  expect(await submit({}, { "idempotency-key": "k" })).toBe(id);
  const other = await api.ask("POST", "/api/v1/jobs", { body: { topic: "job.b", input: 1, idempotency_key: "k" } });
  expect([other.status, other.json.code]).toEqual([409, "idempotency-key-reused"]);
});

test("cancelled jobs are listed as such, and stay so", async () => {
  const id = await submit();
  expect((await api.ask("POST", `/api/v1/jobs/${id}/cancel`)).json).toEqual({ id, state: "CANCELLED" });
  expect((await api.ask("POST", `/api/v1/jobs/${id}/cancel`)).json).toEqual({ id, state: "CANCELLED", reason: "job already terminal" });
  expect((await api.ask("GET", "/api/v1/jobs?state=CANCELLED,FAILED&topic=job.a")).json).toMatchObject({
    items: [{ id }],
    next_cursor: null,
  });
  expect((await api.ask("GET", "/api/v1/jobs?state=RUNNING")).json).toEqual({ items: [], next_cursor: null });
  expect((await api.ask("GET", "/api/v1/jobs", { headers: { "x-tenant-id": "other" } })).json).toMatchObject({ items: [] });
});

describe("dead letters", () => {
  test("are listed, read, retried once and deleted", async () => {
    const id = await dead({ labels: { app: "shop" } });
    const entry = {
      job_id: id,
      topic: "job.a",
      status: "JOB_STATUS_FAILED",
      reason: "it broke",
      reason_code: "Broken",
      last_state: "RUNNING",
      attempts: 1,
    };
    expect((await api.ask("GET", "/api/v1/dlq")).json).toMatchObject([entry]);
    expect((await api.ask("GET", "/api/v1/dlq/page?limit=1&status=FAILED")).json).toMatchObject({ items: [entry] });
    const shown = (await api.ask("GET", `/api/v1/dlq/${id}`)).json;
    expect([...(shown.history ?? [])].map(({ type }) => String(type))).toContain("ACTIVITY_TASK_FAILED");
    const again = (await api.ask("POST", `/api/v1/dlq/${id}/retry`)).json;
    expect((await api.ask("POST", `/api/v1/dlq/${id}/retry`)).json).toEqual(again);
    expect(await get(String(again.job_id))).toMatchObject({ parent_job_id: id, labels: { app: "shop" } });
    expect((await api.ask("GET", "/api/v1/dlq")).json).toEqual([]);
  });

  test("are retried and deleted by a filter", async () => {
    const [first, second] = [await dead(), await dead({ labels: { n: "2" } })];
    expect((await api.ask("POST", "/api/v1/dlq/retry?topic=job.other")).json).toEqual({ retried: [], left: false });
    expect((await api.ask("DELETE", `/api/v1/dlq/${first}`)).status).toBe(204);
    expect((await api.ask("POST", "/api/v1/dlq/delete", { as: "ada" })).json).toEqual({ deleted: [second], left: false });
    const { json } = await api.ask("GET", "/api/v1/audit?kind=administration");
    const act = "dead-letter-deleted";
    expect([...(json.items ?? [])].map(({ body }) => body)).toEqual([
      { act, by: "anonymous", job_id: first, topic: "job.a", state: "FAILED" },
      { act, by: "ada", job_id: second, topic: "job.a", state: "FAILED" },
    ]);
  });

  test("are deleted once, by whoever is first", async () => {
    const id = await dead();
    const deletions = await Promise.all(Array.from({ length: 5 }, () => api.ask("DELETE", `/api/v1/dlq/${id}`)));
    expect(deletions.map(({ status }) => status).sort()).toEqual([204, 404, 404, 404, 404]);
    expect([...((await api.ask("GET", "/api/v1/audit?kind=administration")).json.items ?? [])]).toHaveLength(1);
  });
});

test("denied jobs say why, and are remediated", async () => {
  await api.close();
  api = await openApi(`
version: v1
default_decision: allow
rules:
  - id: not-here
    match: { topic: job.a }
    decision: deny
    reason: not here
    remediations: [{ id: there, title: Do it there, replacement_topic: job.b }]
`);
  const id = await submit();
  expect(await reaches(id, "DENIED")).toMatchObject({
    safety_decision: "DENY",
    safety_rule_id: "not-here",
    error_message: "not here",
    safety_remediations: [{ id: "there", replacement_topic: "job.b" }],
  });
  expect((await api.ask("GET", `/api/v1/jobs/${id}/decisions`)).json).toMatchObject([
    { decision: "DENY", rule_id: "not-here", attempt: 1 },
  ]);
  const { json } = await api.ask("POST", `/api/v1/jobs/${id}/remediate`, { body: {} });
  expect(await get(String(json.job_id))).toMatchObject({ topic: "job.b", parent_job_id: id });
});

test("what a policy wants a job to keep to is in its view, in its decisions and in the ledger, which verifies with it", async () => {
  await api.close();
  api = await openApi(`
version: v1
default_decision: allow
rules:
  - id: short
    match: { topic: job.a }
    decision: allow_with_constraints
    constraints: { budgets: { max_runtime_ms: 5000 }, toolchain: { allowed_tools: [git] } }
`);
  const constraints = { budgets: { max_runtime_ms: 5_000 }, toolchain: { allowed_tools: ["git"] } };
  const id = await submit();
  await take();
  expect(await get(id)).toMatchObject({ safety_decision: "ALLOW_WITH_CONSTRAINTS", safety_constraints: constraints });
  expect((await api.ask("GET", `/api/v1/jobs/${id}/decisions`)).json).toMatchObject([{ rule_id: "short", constraints }]);
  expect((await api.ask("GET", `/api/v1/jobs/${await submit({ topic: "job.b" })}`)).json).toMatchObject({ safety_constraints: null });
  const { store } = api.core;
  const { heads } = await store.readChains({ namespaceId: null, after: null, limit: 10 });
  for (const chain of heads) {
    const entries = await store.readChain(chain, 1, 100);
    expect(await verifyChain(entries, { chain })).toMatchObject({ ok: true });
    const lenient = entries.map((entry) => ({ ...entry, body: Buffer.from(Buffer.from(entry.body).toString().replace("5000", "9000")) }));
    if (entries.some(({ kind }) => kind === "decision")) expect(await verifyChain(lenient, { chain })).toMatchObject({ ok: false });
  }
});

describe("what is refused", () => {
  test.each<[string, string, object | undefined, number, string]>([
    ["POST", "/api/v1/jobs", {}, 400, "prompt-required"],
    ["POST", "/api/v1/jobs", { prompt: " " }, 400, "prompt-required"],
    ["POST", "/api/v1/jobs", { prompt: "x", topic: "deploy" }, 400, "bad-topic"],
    ["POST", "/api/v1/jobs", { prompt: "x", topic: "job.a b" }, 400, "bad-topic"],
    ["POST", "/api/v1/jobs", { prompt: "x", deadline_ms: -1 }, 400, "invalid-request"],
    ["POST", "/api/v1/jobs", { prompt: "x", retries: { max_attempts: 0 } }, 400, "invalid-request"],
    ["POST", "/api/v1/jobs", { prompt: "x", labels: { a: 1 } }, 400, "invalid-request"],
    [
      "POST",
      "/api/v1/jobs",
      { prompt: "x", labels: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [n, ""])) },
      400,
      "invalid-request",
    ],
    ["POST", "/api/v1/jobs", { prompt: "x".repeat(100_001) }, 400, "invalid-request"],
    ["POST", "/api/v1/jobs", { prompt: "x", nonsense: 1 }, 400, "invalid-request"],
    ["POST", "/api/v1/jobs", { prompt: "x", tenant_id: "other" }, 403, "tenant-access-denied"],
    [
      "POST",
      "/api/v1/jobs",
      { prompt: "x", labels: { big: "ü".repeat(1_024), b: "ü".repeat(1_024) }, risk_tags: Array(20).fill("ü".repeat(1_000)) },
      400,
      "refused",
    ],
    ["GET", "/api/v1/jobs?state=DONE", undefined, 400, "invalid-request"],
    ["GET", "/api/v1/jobs?tenant=other", undefined, 403, "tenant-access-denied"],
    ["GET", "/api/v1/jobs/nothing", undefined, 404, "no-such-job"],
    ["GET", "/api/v1/jobs/nothing/decisions", undefined, 404, "no-such-job"],
    ["POST", "/api/v1/jobs/nothing/cancel", undefined, 404, "no-such-job"],
    ["POST", "/api/v1/jobs/nothing/remediate", undefined, 404, "no-such-job"],
    ["GET", "/api/v1/dlq/nothing", undefined, 404, "no-such-dead-letter"],
    ["POST", "/api/v1/dlq/nothing/retry", undefined, 404, "no-such-dead-letter"],
    ["DELETE", "/api/v1/dlq/nothing", undefined, 404, "no-such-dead-letter"],
    ["POST", "/api/v1/workers/lease", {}, 400, "invalid-request"],
    ["POST", "/api/v1/workers/lease", { task_queue: "holdfast" }, 400, "refused"],
    ["POST", "/api/v1/workers/lease", { task_queue: "a", wait_ms: 60_001 }, 400, "invalid-request"],
    ["POST", "/api/v1/workers/heartbeat", { lease: "ß" }, 400, "invalid-request"],
    ["POST", "/api/v1/workers/heartbeat", { lease: "abc" }, 404, "no-such-lease"],
    ["POST", "/api/v1/workers/complete", { lease: "abc", result: 1, error: { message: "x" } }, 400, "one-outcome"],
    ["POST", "/api/v1/workers/complete", { lease: "abc" }, 404, "no-such-lease"],
  ])("%s %s %j → %i %s", async (method, path, body, status, code) => {
    const answered = await api.ask(method, path, body === undefined ? {} : { body });
    expect([answered.status, answered.json.code]).toEqual([status, code]);
  });

  test("a cursor that no page gave", async () => {
    await submit();
    expect((await api.ask("GET", "/api/v1/jobs?cursor=x")).json).toMatchObject({ code: "bad-cursor" });
  });

  test("an unknown tenant", async () => {
    const { status, json } = await api.ask("POST", "/api/v1/jobs", { headers: { "x-tenant-id": "nobody" }, body: { prompt: "x" } });
    expect([status, json.code]).toEqual([404, "no-such-namespace"]);
  });
});
