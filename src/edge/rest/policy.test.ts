import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const policy = `
version: v7
default_decision: deny
rules:
  - id: reads
    match: { topics: [job.read.*] }
    decision: allow_with_constraints
    constraints:
      budgets: { max_runtime_ms: 5000, max_retries: 2, max_artifact_bytes: 1024 }
      sandbox: { isolated: true, network_allowlist: [example.com] }
  - id: big-refunds
    match: { topics: [activity.Refund] }
    when: input.amount > 1000
    decision: require_approval
  - id: robots
    match: { topics: [job.write], actor_types: [service], labels: { env: prod } }
    decision: deny
    reason: people only
    remediations: [{ id: stage, title: try staging, replacement_topic: job.write.staging, add_labels: { env: staging }, remove_labels: [prod] }]
  - id: tools
    match: { kinds: [tool-call], names: [delete_*] }
    decision: require_approval
  - id: people
    match: { topics: [job.write], tenants: [default, other], capabilities: [repo.write], risk_tags: [prod], requires: [git], pack_ids: [git] }
    decision: allow
`;

let api: TestApi;
beforeAll(async () => {
  api = await openApi(policy);
});
afterAll(() => api.close());

const ask = async (what: string, body: object, headers: Record<string, string> = {}) =>
  (await api.ask("POST", `/api/v1/policy/${what}`, { body, headers })).json;

test("a tool call is decided for whoever is about to make it", async () => {
  const asked = { kind: "tool-call", name: "delete_branch", labels: { "mcp.server": "git" } };
  expect(await ask("evaluate", asked)).toMatchObject({ decision: "DECISION_TYPE_REQUIRE_HUMAN", ruleId: "tools" });
  expect(await ask("evaluate", { ...asked, name: "read_file" })).toMatchObject({ decision: "DECISION_TYPE_DENY" });
});

test("an answer has every field of the reference, as protocol buffers have them in JSON", async () => {
  expect(await ask("evaluate", { topic: "job.read.file", priority: "JOB_PRIORITY_BATCH", memory_id: "m" })).toEqual({
    decision: "DECISION_TYPE_ALLOW_WITH_CONSTRAINTS",
    reason: "allowed within limits by rule `reads`",
    redactedContextPtr: "",
    policySnapshot: api.core.kernel.snapshot().hash,
    ruleId: "reads",
    constraints: {
      budgets: {
        maxRuntimeMs: "5000",
        maxRetries: 2,
        maxArtifactBytes: "1024",
        maxConcurrentJobs: 0,
        maxAttempts: 3,
        maxInputBytes: "0",
        maxOutputBytes: "0",
      },
      sandbox: { isolated: true, networkAllowlist: ["example.com"], fsReadOnly: [], fsReadWrite: [] },
      toolchain: { allowedTools: [], allowedCommands: [] },
      diff: { maxFiles: 0, maxLines: 0, denyPathGlobs: [] },
      redactionLevel: "",
    },
    approvalRequired: false,
    approvalRef: "",
    remediations: [],
    bundle: "main",
    topic: "job.read.file",
    exactConstraints: {
      budgets: { maxRuntimeMs: 5000, maxAttempts: 3, maxArtifactBytes: 1024 },
      sandbox: { isolated: true, networkAllowlist: ["example.com"] },
    },
    approval: null,
    delayMs: null,
    observed: null,
  });
});

const person = { actor_id: "ada", actor_type: "human", capability: "repo.write", risk_tags: ["prod"], requires: ["git"], pack_id: "git" };

describe("what a request says, rules can see", () => {
  test.each<[string, object, Record<string, string>, object]>([
    [
      "labels",
      { topic: "job.write", labels: { env: "prod" } },
      {},
      { ruleId: "robots", decision: "DECISION_TYPE_DENY", reason: "people only" },
    ],
    ["labels of the metadata", { topic: "job.write", meta: { labels: { env: "prod" } } }, {}, { ruleId: "robots" }],
    ["metadata", { topic: "job.write", labels: { env: "prod" }, meta: person }, {}, { ruleId: "people", decision: "DECISION_TYPE_ALLOW" }],
    ["the tenant, from the header", { topic: "job.write", meta: person }, { "x-tenant-id": "other" }, { ruleId: "people" }],
    ["the tenant, from the body", { topic: "job.write", tenant: "third", meta: person }, {}, { ruleId: "" }],
    [
      "input",
      { kind: "activity", name: "Refund", input: { amount: 1200 } },
      {},
      { decision: "DECISION_TYPE_REQUIRE_HUMAN", approvalRequired: true },
    ],
    [
      "other input",
      { kind: "activity", name: "Refund", input: { amount: 12 } },
      {},
      { decision: "DECISION_TYPE_DENY", topic: "activity.Refund" },
    ],
    ["nothing else", { topic: "job.fly" }, {}, { decision: "DECISION_TYPE_DENY", ruleId: "", constraints: null }],
  ])("%s", async (_, body, headers, expected) => {
    expect(await ask("evaluate", body, headers)).toMatchObject(expected);
  });
});

test("a denial offers what to do instead", async () => {
  expect((await ask("evaluate", { topic: "job.write", labels: { env: "prod" } })).remediations).toEqual([
    {
      id: "stage",
      title: "try staging",
      summary: "",
      replacementTopic: "job.write.staging",
      replacementCapability: "",
      addLabels: { env: "staging" },
      removeLabels: ["prod"],
    },
  ]);
});

test("explain says why each rule did not match", async () => {
  const { decision, rules } = await ask("explain", { topic: "job.write", meta: person });
  expect(decision).toBe("DECISION_TYPE_ALLOW");
  expect([...(rules ?? [])].map(({ id, result }) => `${id} ${result}`)).toEqual([
    "reads not-matched",
    "big-refunds not-matched",
    "robots not-matched",
    "tools not-matched",
    "people decided",
  ]);
  expect(rules?.[2]?.mismatches).toMatchObject([
    { field: "actor_types", wanted: "service", found: "human" },
    { field: "labels", wanted: "env=prod" },
  ]);
});

describe("simulate", () => {
  test("without a candidate is evaluate", async () => {
    expect(await ask("simulate", { topic: "job.fly" })).toEqual(await ask("evaluate", { topic: "job.fly" }));
  });
  test("decides by the candidate, beside what is decided now", async () => {
    const content = "version: v1\nrules: [{ id: fly, match: { topics: [job.fly] }, decision: allow }]";
    const simulated = await ask("simulate", { topic: "job.fly", content });
    expect(simulated).toMatchObject({ decision: "DECISION_TYPE_ALLOW", changed: true, current: { decision: "DECISION_TYPE_DENY" } });
    expect((await ask("evaluate", { topic: "job.fly" })).decision).toBe("DECISION_TYPE_DENY");
  });
  test("says where a candidate is wrong", async () => {
    expect(await ask("simulate", { topic: "job.fly", content: "rulez: []" })).toMatchObject({
      status: 400,
      code: "bad-policy",
      detail: expect.stringMatching(/^1:\d+: /),
    });
  });
});

test("the snapshot in force, by its hash", async () => {
  const { hash } = api.core.kernel.snapshot();
  expect((await api.ask("GET", "/api/v1/policy/snapshots")).json).toEqual({
    snapshots: [hash],
    in_force: { hash, version: "v7", published: true, rules: 5, bundles: [{ id: "main", mode: "enforce", rules: 5 }] },
    items: [],
    next_cursor: null,
  });
});
