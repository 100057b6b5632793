import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { complete, fail, shows, take } from "../../service/dag/dag.test-kit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1";
const yaml = { "content-type": "application/yaml" };
const ship = `# how an order leaves the house
id: ship
input_schema: { type: object, required: [order], additionalProperties: true }
steps:
  pack: { topic: job.pack, capability: write.stock, risk_tags: [warehouse] }
  send: { topic: job.send, depends_on: [pack], compensate: { topic: job.fetch-back } }
`;

let api: TestApi;
beforeEach(async () => {
  api = await openApi();
  await api.ask("POST", `${v1}/workflows`, { as: "ada", text: ship, headers: yaml });
});

afterEach(() => api.close());

const start = async (body: unknown = { input: { order: 7 } }, headers = {}): Promise<string> => {
  const { json } = await api.ask("POST", `${v1}/workflows/ship/runs`, { as: "ada", body, headers });
  return String(json.run_id);
};

describe("workflows", () => {
  test("are kept as they were sent, and name their version by its tag", async () => {
    const { status, json, etag } = await api.ask("POST", `${v1}/workflows`, { as: "ada", text: ship, headers: yaml });
    expect({ status, json }).toEqual({ status: 201, json: { id: "ship", sha256: expect.any(String), warnings: [] } });
    expect(etag).toBe(`"${json.sha256}"`);
    const got = await api.ask("GET", `${v1}/workflows/ship`);
    expect(got.etag).toBe(etag);
    expect(got.json).toMatchObject({ id: "ship", source: ship, updated_by: "ada", definition: { id: "ship" } });
    expect((await api.ask("GET", `${v1}/workflows`)).json).toHaveLength(1);
    expect((await api.ask("GET", `${v1}/workflows?org_id=none`)).json).toEqual([]);
  });

  test("may be JSON, and get an id when they have none", async () => {
    const { status, json } = await api.ask("POST", `${v1}/workflows`, { body: { steps: { one: { topic: "job.one" } } } });
    expect(status).toBe(201);
    expect((await api.ask("DELETE", `${v1}/workflows/${json.id}`)).status).toBe(204);
    expect((await api.ask("GET", `${v1}/workflows/${json.id}`)).status).toBe(404);
    expect((await api.ask("DELETE", `${v1}/workflows/${json.id}`)).json).toMatchObject({ code: "no-such-workflow" });
  });

  test("are created once for an idempotency key, however often it is sent", async () => {
    const create = () => api.ask("POST", `${v1}/workflows`, { body: { steps: { a: {} } }, headers: { "idempotency-key": "create-1" } });
    const answers = [...(await Promise.all(Array.from({ length: 10 }, create))), await create()];
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect((await api.ask("GET", `${v1}/workflows`)).json).toHaveLength(2);
  });

  test("are refused with the place of what is wrong", async () => {
    const text = "id: bad\nsteps:\n  a: { topic: job.a, depends_on: [b] }\n  b: { topic: job.b, depends_on: [a] }\n";
    const { status, json } = await api.ask("POST", `${v1}/workflows`, { text, headers: yaml });
    expect({ status, json }).toMatchObject({
      status: 400,
      json: { code: "invalid-workflow", errors: [{ line: 3, detail: "steps wait for each other: a → b → a" }] },
    });
  });

  test.each([
    ["an id that is none", { text: "id: a/b\nsteps: { a: { topic: job.a } }", headers: yaml }, 400, "bad-workflow-id"],
    ["another version than the one that was seen", { text: ship, headers: { ...yaml, "if-match": '"x"' } }, 412, "workflow-changed"],
    ["a condition that is none", { text: ship, headers: { ...yaml, "if-match": "x" } }, 400, "bad-condition"],
    ["no such tenant", { text: ship, headers: { ...yaml, "x-tenant-id": "nowhere" } }, 404, "no-such-namespace"],
  ])("%s", async (_, asked, status, code) => {
    expect(await api.ask("POST", `${v1}/workflows`, asked)).toMatchObject({ status, json: { code } });
  });

  test("belong to their tenant", async () => {
    expect((await api.ask("GET", `${v1}/workflows/ship`, { headers: { "x-tenant-id": "other" } })).status).toBe(404);
    expect((await api.ask("GET", `${v1}/workflows`, { headers: { "x-tenant-id": "other" } })).json).toEqual([]);
  });

  test("YAML is for definitions alone", async () => {
    expect(await api.ask("POST", `${v1}/policy/evaluate`, { text: "topic: a", headers: yaml })).toMatchObject({
      status: 415,
      json: { code: "not-json" },
    });
  });
});

describe("a run", () => {
  test("is shown with its steps and its timeline", async () => {
    const runId = await start();
    await complete(api.core, await take(api.core, "job.pack"), { box: 3 });
    await complete(api.core, await take(api.core, "job.send"));
    await shows(api.core, runId, ({ status }) => status === "succeeded");
    const { json } = await api.ask("GET", `${v1}/workflow-runs/${runId}`);
    expect(json).toMatchObject({
      id: runId,
      workflow_id: "ship",
      status: "succeeded",
      input: { order: 7 },
      triggered_by: "ada",
      rerun_of: null,
      dry_run: false,
      steps: { pack: { status: "succeeded", attempts: 1, job_id: `${runId}:pack@1`, output: { box: 3 } } },
    });
    const timeline = await api.ask("GET", `${v1}/workflow-runs/${runId}/timeline?limit=200`);
    expect(timeline.json).toContainEqual(expect.objectContaining({ type: "step_completed", step_id: "pack", run_id: runId }));
    const page = await api.ask("GET", `${v1}/workflow-runs/${runId}/timeline?limit=1&cursor=1`);
    expect(page.json).toEqual([timeline.json[1]]);
  });

  test.each([
    ["an object with `input` alone is about the run", { input: { order: 1 }, labels: { a: "b" } }, { order: 1 }],
    ["anything else is the input", { order: 1, input: 2 }, { order: 1, input: 2 }],
  ])("%s", async (_, body, input) => {
    expect((await api.ask("GET", `${v1}/workflow-runs/${await start(body)}`)).json.input).toEqual(input);
  });

  test("is one for an idempotency key", async () => {
    const key = { "idempotency-key": "order-7" };
    const runId = await start({ input: { order: 7 } }, key);
    expect(await start({ input: { order: 7 } }, key)).toBe(runId);
    const byQuery = await api.ask("POST", `${v1}/workflows/ship/runs?idempotency_key=order-7`, { body: { input: { order: 7 } } });
    expect(byQuery.json.run_id).toBe(runId);
    const other = await api.ask("POST", `${v1}/workflows/ship/runs`, { body: { input: { order: 8 } }, headers: key });
    expect(other).toMatchObject({ status: 409, json: { code: "idempotency-key-reused" } });
  });

  test.each([
    ["an input that is not what the definition asks for", "ship", { input: {} }, {}, 400, "invalid-input"],
    ["no such workflow", "none", {}, {}, 404, "no-such-workflow"],
    ["no such tenant", "ship", {}, { "x-tenant-id": "nowhere" }, 404, "no-such-namespace"],
    ["labels that are none", "ship", { input: {}, labels: { a: 1 } }, {}, 400, "invalid-request"],
    ["a key that is none", "ship", {}, { "idempotency-key": "x".repeat(300) }, 400, "bad-idempotency-key"],
  ])("%s: not started", async (_, id, body, headers, status, code) => {
    expect(await api.ask("POST", `${v1}/workflows/${id}/runs`, { body, headers })).toMatchObject({ status, json: { code } });
  });

  test("does not start against the policy", async () => {
    api.core.kernel.enforce(snapshotFrom("rules: [{ id: no, match: { topics: [workflow.ship] }, decision: deny, reason: closed today }]"));
    const { status, json } = await api.ask("POST", `${v1}/workflows/ship/runs`, { body: { order: 1 } });
    expect({ status, code: json.code, detail: json.detail }).toMatchObject({ status: 403, code: "policy-denied" });
    expect(json.detail).toContain("closed today");
  });

  test("is cancelled, terminated, signalled and deleted", async () => {
    await api.ask("POST", `${v1}/workflows`, { text: "id: wait\nsteps:\n  go: { type: signal }\n", headers: yaml });
    const run = async (): Promise<string> => String((await api.ask("POST", `${v1}/workflows/wait/runs`, { body: {} })).json.run_id);
    const statusOf = async (runId: string) => (await api.ask("GET", `${v1}/workflow-runs/${runId}`)).json.status;

    const signalled = await run();
    await shows(api.core, signalled, ({ status }) => status === "waiting");
    expect((await api.ask("POST", `${v1}/workflow-runs/${signalled}/signal`, { body: { name: "go", payload: 1 } })).status).toBe(204);
    await shows(api.core, signalled, ({ status }) => status === "succeeded");

    const cancelled = await run();
    expect((await api.ask("POST", `${v1}/workflow-runs/${cancelled}/cancel`, { body: { reason: "no" } })).status).toBe(204);
    await shows(api.core, cancelled, ({ status }) => status === "cancelled");
    const again = await run();
    expect((await api.ask("POST", `${v1}/workflows/wait/runs/${again}/cancel`)).status).toBe(204);

    const terminated = await run();
    expect((await api.ask("POST", `${v1}/workflow-runs/${terminated}/terminate`)).status).toBe(204);
    expect(await statusOf(terminated)).toBe("cancelled");
    for (const act of ["cancel", "terminate", "signal"]) {
      const body = act === "signal" ? { name: "go" } : {};
      const answer = await api.ask("POST", `${v1}/workflow-runs/${terminated}/${act}`, { body });
      expect(answer).toMatchObject({ status: 409, json: { code: "run-ended" } });
    }
    expect((await api.ask("DELETE", `${v1}/workflow-runs/${terminated}`)).status).toBe(204);
    expect((await api.ask("GET", `${v1}/workflow-runs/${terminated}`)).json).toMatchObject({ code: "no-such-run" });
  });

  test("runs again from a step, with what was done before it", async () => {
    const runId = await start();
    await complete(api.core, await take(api.core, "job.pack"), { box: 3 });
    await fail(api.core, await take(api.core, "job.send"), { nonRetryable: true });
    await shows(api.core, runId, ({ status }) => status === "failed");
    const plan = await api.ask("POST", `${v1}/workflow-runs/${runId}/rerun`, { body: { from_step: "send", dry_run: true } });
    expect(plan.json).toMatchObject({ run_id: null, dry_run: true, steps: [{ step_id: "send" }] });
    const { status, json } = await api.ask("POST", `${v1}/workflow-runs/${runId}/rerun`, { body: { from_step: "send", dry_run: false } });
    expect(status).toBe(200);
    expect((await take(api.core, "job.send")).task.workflowExecution?.workflowId).toBe(json.run_id);
    expect((await api.ask("GET", `${v1}/workflow-runs/${json.run_id}`)).json).toMatchObject({
      rerun_of: runId,
      rerun_step: "send",
      metadata: { rerun_of: runId, rerun_step: "send" },
      steps: { pack: { status: "succeeded", output: { box: 3 } } },
    });
    expect(await api.ask("POST", `${v1}/workflow-runs/${runId}/rerun`, { body: { from_step: "none" } })).toMatchObject({
      status: 400,
      json: { code: "cannot-rerun", detail: "step not found" },
    });
  });
});

test("100 identical reruns at once are one run, and so are those that come later", async () => {
  await api.ask("POST", `${v1}/workflows`, { body: { id: "again", steps: { a: { topic: "job.again" } } } });
  const { json } = await api.ask("POST", `${v1}/workflows/again/runs`, { body: { input: {} } });
  const runId = String(json.run_id);
  await fail(api.core, await take(api.core, "job.again"), { nonRetryable: true });
  await shows(api.core, runId, ({ status }) => status === "failed");
  const again = (from_step = "a") =>
    api.ask("POST", `${v1}/workflow-runs/${runId}/rerun`, { body: { from_step }, headers: { "idempotency-key": "again-1" } });
  const answers = await Promise.all(Array.from({ length: 100 }, () => again()));
  expect(new Set([...answers, await again()].map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect((await api.ask("GET", `${v1}/workflow-runs?workflow_id=again`)).json.items).toHaveLength(2);
});

test("a dry run decides every step, and does nothing", async () => {
  api.core.kernel.enforce(
    snapshotFrom(`
rules:
  - { id: stock, match: { capabilities: [write.stock] }, decision: require_approval, reason: stock is counted }
  - { id: never-send, match: { topics: [job.send] }, decision: deny }
  - { id: rest, match: { topics: ["*"] }, decision: allow }
`),
  );
  const before = (await api.ask("GET", `${v1}/workflow-runs?limit=1000`)).json.items;
  const { status, json } = await api.ask("POST", `${v1}/workflows/ship/dry-run`, { body: { input: { order: 7 } } });
  expect(status).toBe(200);
  expect(
    [...(json.steps ?? [])].map(({ step_id, action }) => [
      step_id,
      action?.task_queue,
      action?.decision?.decision,
      action?.decision?.ruleId,
    ]),
  ).toEqual([
    ["pack", "job.pack", "DECISION_TYPE_REQUIRE_HUMAN", "stock"],
    ["send", "job.send", "DECISION_TYPE_DENY", "never-send"],
  ]);
  expect(json.steps?.[1]?.compensation?.decision).toMatchObject({ decision: "DECISION_TYPE_ALLOW", ruleId: "rest" });
  const started = await api.ask("POST", `${v1}/workflows/ship/runs?dry_run=true`, { body: { order: 7 } });
  expect(started.json).toMatchObject({ run_id: null, dry_run: true, workflow_id: "ship" });
  expect((await api.ask("GET", `${v1}/workflow-runs?limit=1000`)).json.items).toEqual(before);
});

test("lists are filtered, and read page by page", async () => {
  await api.ask("POST", `${v1}/workflows`, { text: "id: listed\nsteps:\n  go: { type: signal }\n", headers: yaml });
  for (let count = 0; count < 3; count++) await api.ask("POST", `${v1}/workflows/listed/runs`, { body: {} });
  const seen: unknown[] = [];
  for (let cursor = ""; ; ) {
    const { json } = await api.ask("GET", `${v1}/workflow-runs?workflow_id=listed&limit=2${cursor}`);
    seen.push(...[...(json.items ?? [])].map(({ id }) => id));
    if (json.next_cursor === null) break;
    cursor = `&cursor=${encodeURIComponent(String(json.next_cursor))}`;
  }
  expect(new Set(seen).size).toBe(3);
  expect((await api.ask("GET", `${v1}/workflows/listed/runs`)).json).toHaveLength(3);
  await shows(api.core, String(seen[0]), ({ status }) => status === "waiting");
  expect((await api.ask("GET", `${v1}/workflow-runs?workflow_id=listed&status=succeeded`)).json.items).toEqual([]);
  expect((await api.ask("GET", `${v1}/workflow-runs?cursor=x`)).json).toMatchObject({ code: "bad-cursor" });
});
