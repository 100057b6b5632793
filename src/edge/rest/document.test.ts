import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { hourMs, secondMs } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { StartWorkflowExecutionRequest } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { openAccess } from "../../service/access/access.ts";
import { openSession } from "../../service/access/session.ts";
import { unsignedAllowed } from "../../service/policy/bundle-source.ts";
import { bundleIdOf } from "../../service/policy/policy-files.ts";
import { newSecret } from "../../service/push/webhook-signature.ts";
import { accepted, patient } from "../../service/service.test-kit.ts";
import { StoreError } from "../../store/store.ts";
import { answersSeen, document, resolve } from "./conform.test-kit.ts";
import { documentedRoutes } from "./document-routes.ts";
import type { JsonSchema, OpenApi } from "./openapi.ts";
import { requestExamples } from "./request-examples.ts";
import { type Asked, openApi, type TestApi } from "./rest.test-kit.ts";
import type { Route } from "./route.ts";
import { routes } from "./routes.ts";

// The API's document is OpenAPI, says what happens, and all that it says happens. Every answer here, as in all tests of this folder, is held
// against it (`conform.test-kit.ts`).

const folder = mkdtempSync(join(tmpdir(), "holdfast-rest-"));
const policyFile = join(folder, "refunds.yaml");
const bootstrapToken = "t".repeat(32);
const worksHere = { namespaces: ["default"], roles: ["worker"] };
const twoMustAgree =
  "rules: [{ id: refunds, match: { topics: [activity.Refund] }, decision: require_approval, approval: { quorum: 2, roles: [finance] } }]";

let api: TestApi;
beforeAll(async () => {
  writeFileSync(policyFile, `default_decision: allow\n${twoMustAgree}`);
  const { privateKey } = generateKeyPairSync("ed25519");
  api = await openApi(undefined, {
    policy: { files: [policyFile], signing: unsignedAllowed },
    push: { allowPrivate: false, endpoints: { fixed } },
    checkpoints: { privateKey, interval: hourMs, file: null },
    access: { ...openAccess, bootstrapToken },
  });
});
afterAll(async () => {
  await api.close();
  rmSync(folder, { recursive: true });
});

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    operation,
  })),
);

describe("the document", () => {
  test("is OpenAPI 3.1", async () => {
    const { json } = await api.ask("GET", "/api/v1/openapi.json");
    const validator = new Validator();
    expect(await validator.validate(structuredClone(json) as never)).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  test("is the same as YAML", async () => {
    const { text, type } = await api.ask("GET", "/api/v1/openapi.yaml");
    expect(type).toBe("application/yaml");
    expect(parse(text)).toEqual((await api.ask("GET", "/api/v1/openapi.json")).json);
  });

  test("is a page that needs nothing from elsewhere", async () => {
    const { text, type } = await api.ask("GET", "/api/v1/docs");
    expect(type).toBe("text/html; charset=utf-8");
    // Examples may name addresses.
    expect(text.replace(/<pre>.*?<\/pre>/gs, "")).not.toMatch(/<script|\ssrc=|https?:\/\//);
    for (const { path, operation } of operations) {
      expect(text).toContain(`id="${operation.operationId}"`);
      expect(text).toContain(path);
    }
    for (const shown of ["next_cursor: string | null", "Needs <code>jobs.write</code>", "curl -s -X POST localhost:8081/api/v1/jobs"])
      expect(text).toContain(shown);
    const anchors = [...text.matchAll(/href="#([^"]+)"/g)].map(([, id]) => `id="${id}"`);
    expect(anchors.filter((anchor) => !text.includes(anchor))).toEqual([]);
  });

  test("says what each group and each parameter is for", async () => {
    const { json } = await api.ask("GET", "/api/v1/openapi.json");
    const served = json as unknown as OpenApi;
    expect(served.tags.filter(({ description }) => description === undefined)).toEqual([]);
    const meant = Object.entries(served.paths).flatMap(([path, methods]) =>
      Object.values(methods).flatMap(({ parameters }) => parameters.map(({ name, description }) => ({ path, name, description }))),
    );
    expect(meant.filter(({ description }) => description === undefined)).toEqual([]);
  });

  test("says who may ask: nobody has to prove anything for the document itself", async () => {
    const { json } = await api.ask("GET", "/api/v1/openapi.json");
    const { paths, security } = json as unknown as OpenApi;
    expect(security).toEqual([{ apiKey: [] }, { bearer: [] }, { certificate: [] }, {}]);
    expect(paths["/api/v1/jobs"]?.post).toMatchObject({ description: "Needs `jobs.write` in the tenant." });
    expect(paths["/api/v1/policy/publish"]?.post).toMatchObject({ description: "Needs `policy.write` in every tenant." });
    expect(paths["/api/v1/docs"]?.get).toMatchObject({ security: [] });
  });

  test("has an example of each body, which the route takes", () => {
    const taking = documentedRoutes(routes).filter(({ body }) => body !== null);
    const exampleOf = ({ method, path }: Route): unknown => requestExamples[`${method} ${path}`];
    expect(taking.filter((one) => exampleOf(one) === undefined).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    for (const one of taking) expect([one.path, one.body?.safeParse(exampleOf(one)).success]).toEqual([one.path, true]);
    const known = new Set(taking.map(({ method, path }) => `${method} ${path}`));
    expect(Object.keys(requestExamples).filter((name) => !known.has(name))).toEqual([]);
  });

  test("names each operation once", () => {
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
  });
});

type Example = readonly [path: string, asked?: Asked];
const v1 = "/api/v1";
const deny = `rules:
  - { id: no, match: { topic: a }, decision: deny }
  - { id: no-jobs, match: { topic: job.denied }, decision: deny, remediations: [{ id: other, replacement_topic: job.other }] }
  - { id: no-runs, match: { topics: [workflow.waits], labels: { denied: "yes" } }, decision: deny }
`;
const yaml = { "content-type": "application/yaml" };
const waits = "id: waits\ninput_schema: { type: object, required: [order] }\nsteps:\n  go: { type: signal }\n";
const key = { "idempotency-key": "key-1" };
const ofFile = bundleIdOf(policyFile);
const finance = { "x-principal-role": "finance" };
const ofTenantC = { "x-tenant-id": "c" };
const lock = { resource: "db", owner: "a" };
const action = { body: { topic: "a" } };

/** Nobody is reached there: the address is not public. */
const endpoint = { task_queues: "job.none", url: "https://127.0.0.1" };
const fixed = {
  namespace: "default",
  taskQueues: endpoint.task_queues,
  url: endpoint.url,
  secret: newSecret(),
  headers: {},
  timeout: secondMs,
  maxConcurrent: 1,
  enabled: true,
};

describe("every status that the document has occurs", () => {
  let held: string;
  let open: string;
  let waiting: string;
  let inForce: string;
  let runs: readonly string[];
  let job: string;
  let dead: readonly string[];
  let leases: readonly string[];
  let artifact: string;
  let keyId: string;
  const submitted = async (topic: string): Promise<string> =>
    String((await api.ask("POST", `${v1}/jobs`, { body: { topic, input: 1 } })).json.job_id);
  const denied = async (): Promise<string> => {
    const id = await submitted("job.denied");
    while (String((await api.ask("GET", `${v1}/jobs/${id}`)).json.state) !== "DENIED");
    return id;
  };
  const leased = async (): Promise<string> => {
    await submitted("job.leased");
    return String((await api.ask("POST", `${v1}/workers/lease`, { body: { task_queue: "job.leased" } })).json.lease);
  };
  const runWaits = async (labels = {}): Promise<string> =>
    String((await api.ask("POST", `${v1}/workflows/waits/runs`, { body: { input: { order: 1 }, labels } })).json.run_id);
  beforeAll(async () => {
    await api.ask("POST", `${v1}/workflows`, { text: waits, headers: yaml });
    await api.ask("POST", `${v1}/workflows`, { text: waits.replace("waits", "gone"), headers: yaml });
    runs = [await runWaits(), await runWaits(), await runWaits(), await runWaits(), await runWaits(), await runWaits({ denied: "yes" })];
    await api.ask("POST", `${v1}/workflows/waits/runs`, { body: { order: 1 }, headers: key });
    await api.ask("POST", `${v1}/workflow-runs/${runs[4]}/rerun`, { body: {}, headers: key });
    const taskQueue = make(TaskQueue, { name: "holdfast-dag" });
    const stranger = { namespace: "default", workflowId: "not-ours", workflowType: { name: "waits" }, taskQueue, requestId: "1" };
    accepted(await api.core.services.startWorkflowExecution(make(StartWorkflowExecutionRequest, stranger), patient));
    held = await api.hold();
    open = await api.hold();
    waiting = await api.hold();
    await api.ask("PUT", `${v1}/policy/bundles/mine`, { as: "ada", body: { content: deny } });
    await api.ask("POST", `${v1}/policy/publish`, { as: "ada", body: {} });
    inForce = api.core.kernel.snapshot().hash;
    job = await submitted("job.waits");
    dead = [await denied(), await denied(), await denied(), await denied()];
    leases = [await leased(), await leased(), await leased()];
    await api.ask("POST", `${v1}/workers/lease`, { body: { task_queue: "empty", wait_ms: 0 } });
    await api.ask("POST", `${v1}/jobs`, { body: { prompt: "x" }, headers: key });
    await api.ask("POST", `${v1}/locks/acquire`, { body: { resource: "taken", owner: "b" } });
    await api.ask("PUT", `${v1}/endpoints/other`, { body: endpoint });
    await api.ask("POST", `${v1}/auth/bootstrap`, { body: { token: "wrong" } });
    keyId = String((await api.ask("POST", `${v1}/auth/keys`, { body: { name: "old", grants: [worksHere] } })).json.id);
    const { json } = await api.ask("POST", `${v1}/artifacts`, { body: { content: "x" }, headers: key });
    artifact = encodeURIComponent(String(json.artifact_ptr));
  });

  /** A request of each operation that is not refused, in an order in which they can be asked. */
  const examples = (): { readonly [operation: string]: Example } => ({
    "POST /api/v1/jobs": [`${v1}/jobs`, { body: { topic: "job.leased", input: 1 } }],
    "GET /api/v1/jobs": [`${v1}/jobs`],
    "GET /api/v1/jobs/{id}": [`${v1}/jobs/${job}`],
    "GET /api/v1/jobs/{id}/decisions": [`${v1}/jobs/${job}/decisions`],
    "POST /api/v1/jobs/{id}/cancel": [`${v1}/jobs/${job}/cancel`],
    "POST /api/v1/jobs/{id}/remediate": [`${v1}/jobs/${dead[0]}/remediate`, { body: {} }],
    "GET /api/v1/dlq": [`${v1}/dlq`],
    "GET /api/v1/dlq/page": [`${v1}/dlq/page?limit=1`],
    "GET /api/v1/dlq/{job_id}": [`${v1}/dlq/${dead[0]}`],
    "POST /api/v1/dlq/{job_id}/retry": [`${v1}/dlq/${dead[1]}/retry`],
    "DELETE /api/v1/dlq/{job_id}": [`${v1}/dlq/${dead[2]}`],
    "POST /api/v1/dlq/retry": [`${v1}/dlq/retry?topic=job.none`],
    "POST /api/v1/dlq/delete": [`${v1}/dlq/delete?topic=job.none`],
    "GET /api/v1/workers": [`${v1}/workers`],
    "POST /api/v1/workers/lease": [`${v1}/workers/lease`, { body: { task_queue: "job.leased" } }],
    "POST /api/v1/workers/heartbeat": [`${v1}/workers/heartbeat`, { body: { lease: leases[0] } }],
    "POST /api/v1/workers/complete": [`${v1}/workers/complete`, { body: { lease: leases[1], result: 1 } }],
    "POST /api/v1/workflows": [`${v1}/workflows`, { text: waits, headers: yaml }],
    "GET /api/v1/workflows": [`${v1}/workflows`],
    "GET /api/v1/workflows/{id}": [`${v1}/workflows/waits`],
    "POST /api/v1/workflows/{id}/dry-run": [`${v1}/workflows/waits/dry-run`, { body: { order: 1 } }],
    "POST /api/v1/workflows/{id}/runs": [`${v1}/workflows/waits/runs`, { body: { order: 1 } }],
    "GET /api/v1/workflows/{id}/runs": [`${v1}/workflows/waits/runs`],
    "GET /api/v1/workflow-runs": [`${v1}/workflow-runs`],
    "GET /api/v1/workflow-runs/{id}": [`${v1}/workflow-runs/${runs[0]}`],
    "GET /api/v1/workflow-runs/{id}/timeline": [`${v1}/workflow-runs/${runs[0]}/timeline`],
    "POST /api/v1/workflow-runs/{id}/rerun": [`${v1}/workflow-runs/${runs[0]}/rerun`, { body: {} }],
    "POST /api/v1/config": [`${v1}/config`, { body: { data: { a: 1 } } }],
    "GET /api/v1/config": [`${v1}/config`],
    "PUT /api/v1/config": [`${v1}/config`, { body: { data: { a: 1 } } }],
    "GET /api/v1/config/effective": [`${v1}/config/effective`],
    "GET /api/v1/traces/{id}": [`${v1}/traces/${runs[0]}`],
    "POST /api/v1/workflow-runs/{id}/query": [`${v1}/workflow-runs/${runs[0]}/query`, { body: { query: "status" } }],
    "POST /api/v1/workflow-runs/{id}/signal": [`${v1}/workflow-runs/${runs[0]}/signal`, { body: { name: "other" } }],
    "POST /api/v1/workflow-runs/{id}/cancel": [`${v1}/workflow-runs/${runs[0]}/cancel`],
    "POST /api/v1/workflows/{workflow}/runs/{id}/cancel": [`${v1}/workflows/waits/runs/${runs[1]}/cancel`],
    "POST /api/v1/workflow-runs/{id}/terminate": [`${v1}/workflow-runs/${runs[2]}/terminate`],
    "DELETE /api/v1/workflow-runs/{id}": [`${v1}/workflow-runs/${runs[3]}`],
    "DELETE /api/v1/workflows/{id}": [`${v1}/workflows/gone`],
    "POST /api/v1/schemas": [`${v1}/schemas`, { body: { id: "acme/order", schema: {} } }],
    "GET /api/v1/schemas": [`${v1}/schemas`],
    "GET /api/v1/schemas/{id}": [`${v1}/schemas/acme%2Forder`],
    "DELETE /api/v1/schemas/{id}": [`${v1}/schemas/acme%2Forder`],
    "PUT /api/v1/endpoints/{id}": [`${v1}/endpoints/mine`, { body: endpoint }],
    "GET /api/v1/endpoints": [`${v1}/endpoints`],
    "GET /api/v1/endpoints/{id}": [`${v1}/endpoints/mine`],
    "POST /api/v1/endpoints/{id}/test": [`${v1}/endpoints/mine/test`],
    "DELETE /api/v1/endpoints/{id}": [`${v1}/endpoints/mine`],
    "POST /api/v1/locks/acquire": [`${v1}/locks/acquire`, { body: lock }],
    "GET /api/v1/locks": [`${v1}/locks?resource=db`],
    "POST /api/v1/locks/renew": [`${v1}/locks/renew`, { body: lock }],
    "POST /api/v1/locks/release": [`${v1}/locks/release`, { body: lock }],
    "POST /api/v1/artifacts": [`${v1}/artifacts`, { body: { content: "a" } }],
    "GET /api/v1/artifacts": [`${v1}/artifacts`],
    "GET /api/v1/artifacts/{ptr}": [`${v1}/artifacts/${artifact}`],
    "GET /api/v1/artifacts/{ptr}/content": [`${v1}/artifacts/${artifact}/content`],
    "DELETE /api/v1/artifacts/{ptr}": [`${v1}/artifacts/${artifact}`],
    "GET /api/v1/approvals": [`${v1}/approvals`],
    "GET /api/v1/approvals/{id}": [`${v1}/approvals/${open}`],
    "POST /api/v1/approvals/{id}/approve": [`${v1}/approvals/${open}/approve`, { as: "ada", headers: finance }],
    "POST /api/v1/approvals/{id}/delegate": [`${v1}/approvals/${open}/delegate`, { as: "bob", headers: finance, body: { to: "eve" } }],
    "POST /api/v1/approvals/{id}/reject": [`${v1}/approvals/${open}/reject`, { as: "eve" }],
    "POST /api/v1/approvals/{id}/withdraw": [`${v1}/approvals/${held}/withdraw`, { as: "shop" }],
    "POST /api/v1/policy/evaluate": [`${v1}/policy/evaluate`, action],
    "POST /api/v1/policy/explain": [`${v1}/policy/explain`, action],
    "POST /api/v1/policy/simulate": [`${v1}/policy/simulate`, { body: { topic: "a", content: deny } }],
    "POST /api/v1/policy/backtest": [`${v1}/policy/backtest`, { body: { content: deny } }],
    "GET /api/v1/policy/bundles": [`${v1}/policy/bundles`],
    "GET /api/v1/policy/bundles/{id}": [`${v1}/policy/bundles/mine`],
    "POST /api/v1/policy/bundles/{id}/simulate": [`${v1}/policy/bundles/mine/simulate`, { body: { request: { topic: "a" } } }],
    "GET /api/v1/policy/bundles/snapshots": [`${v1}/policy/bundles/snapshots`],
    "GET /api/v1/policy/bundles/snapshots/{hash}": [`${v1}/policy/bundles/snapshots/${inForce}`],
    "PUT /api/v1/policy/bundles/{id}": [`${v1}/policy/bundles/other`, { as: "ada", body: { content: deny } }],
    "POST /api/v1/policy/publish": [`${v1}/policy/publish`, { as: "ada", body: { dry_run: true } }],
    "POST /api/v1/policy/rollback": [`${v1}/policy/rollback`, { as: "ada", body: { snapshot_id: inForce, dry_run: true } }],
    "DELETE /api/v1/policy/bundles/{id}": [`${v1}/policy/bundles/other`, { as: "ada" }],
    "GET /api/v1/policy/snapshots": [`${v1}/policy/snapshots`],
    "GET /api/v1/policy/snapshots/{hash}": [`${v1}/policy/snapshots/${inForce}`],
    "GET /api/v1/policy/diff": [`${v1}/policy/diff?from=${inForce}`],
    "GET /api/v1/policy/audit": [`${v1}/policy/audit`],
    "GET /api/v1/policy/limits": [`${v1}/policy/limits`],
    "GET /api/v1/quotas": [`${v1}/quotas`],
    "GET /api/v1/stream": [`${v1}/stream`],
    "GET /api/v1/audit": [`${v1}/audit`],
    "GET /api/v1/audit/export": [`${v1}/audit/export`],
    "POST /api/v1/audit/checkpoint": [`${v1}/audit/checkpoint`, { as: "ada" }],
    "GET /api/v1/status": [`${v1}/status`],
    "GET /api/v1/doctor": [`${v1}/doctor`],
    "GET /api/v1/auth/config": [`${v1}/auth/config`],
    "GET /api/v1/auth/session": [`${v1}/auth/session`],
    "POST /api/v1/auth/bootstrap": [`${v1}/auth/bootstrap`, { body: { token: bootstrapToken } }],
    "POST /api/v1/auth/keys": [`${v1}/auth/keys`, { body: { name: "ci", grants: [worksHere], expires_in: "90d" } }],
    "GET /api/v1/auth/keys": [`${v1}/auth/keys?status=active,expired`],
    "GET /api/v1/auth/keys/{id}": [`${v1}/auth/keys/${keyId}`],
    "POST /api/v1/auth/keys/{id}/rotate": [`${v1}/auth/keys/${keyId}/rotate`, { body: {} }],
    "DELETE /api/v1/auth/keys/{id}": [`${v1}/auth/keys/${keyId}`],
    "PUT /api/v1/auth/roles/{name}": [`${v1}/auth/roles/seer`, { body: { permissions: ["jobs.read"] } }],
    "GET /api/v1/auth/roles": [`${v1}/auth/roles`],
    "GET /api/v1/auth/roles/{name}": [`${v1}/auth/roles/seer`],
    "DELETE /api/v1/auth/roles/{name}": [`${v1}/auth/roles/seer`],
    "GET /api/v1/openapi.json": [`${v1}/openapi.json`],
    "GET /api/v1/openapi.yaml": [`${v1}/openapi.yaml`],
    "GET /api/v1/docs": [`${v1}/docs`],
  });

  /** What is refused for a reason of its own. */
  const refused = (): readonly (readonly [method: string, ...Example])[] => [
    ["POST", `${v1}/jobs`, { body: { prompt: "x", tenant_id: "other" } }],
    ["POST", `${v1}/jobs`, { body: { prompt: "y" }, headers: key }],
    ["GET", `${v1}/jobs?tenant=other`],
    ["GET", `${v1}/jobs/none`],
    ["GET", `${v1}/jobs/none/decisions`],
    ["POST", `${v1}/jobs/none/cancel`],
    ["POST", `${v1}/jobs/none/remediate`, { body: {} }],
    ["POST", `${v1}/jobs/${job}/remediate`, { body: {} }],
    ["GET", `${v1}/dlq/none`],
    ["POST", `${v1}/dlq/none/retry`],
    ["DELETE", `${v1}/dlq/none`],
    ["POST", `${v1}/workers/complete`, { body: { lease: leases[1], result: 1 } }],
    ["POST", `${v1}/workers/complete`, { body: { lease: "none", result: 1 } }],
    ["POST", `${v1}/workers/heartbeat`, { body: { lease: "none" } }],
    ["POST", `${v1}/workflows`, { text: "id: a/b", headers: yaml }],
    ["POST", `${v1}/workflows`, { text: waits, headers: { ...yaml, "x-tenant-id": "nowhere" } }],
    ["POST", `${v1}/workflows`, { text: waits, headers: { ...yaml, "if-match": '"x"' } }],
    ["GET", `${v1}/workflows/none`],
    ["DELETE", `${v1}/workflows/none`],
    ["POST", `${v1}/workflows/none/dry-run`],
    ["POST", `${v1}/workflows/waits/dry-run`, { body: { input: {} } }],
    ["POST", `${v1}/workflows/waits/runs`, { body: { input: {} } }],
    ["POST", `${v1}/workflows/waits/runs`, { body: { order: 2 }, headers: key }],
    ["POST", `${v1}/workflows/waits/runs`, { body: { input: { order: 1 }, labels: { denied: "yes" } } }],
    ["POST", `${v1}/workflow-runs/${runs[5]}/rerun`, { body: {} }],
    ["POST", `${v1}/workflow-runs/${runs[4]}/rerun`, { body: { input: { order: 2 } }, headers: key }],
    ...["", "/timeline"].map((of) => ["GET", `${v1}/workflow-runs/none${of}`] as const),
    ...["", "/timeline"].map((of) => ["GET", `${v1}/workflow-runs/not-ours${of}`] as const),
    ["POST", `${v1}/workflow-runs/not-ours/rerun`, { body: {} }],
    ...["none", runs[2]].flatMap((id) => [
      ["POST", `${v1}/workflow-runs/${id}/signal`, { body: { name: "go" } }] as const,
      ["POST", `${v1}/workflow-runs/${id}/cancel`] as const,
      ["POST", `${v1}/workflows/waits/runs/${id}/cancel`] as const,
      ["POST", `${v1}/workflow-runs/${id}/terminate`] as const,
    ]),
    ["POST", `${v1}/workflow-runs/none/rerun`, { body: {} }],
    ["DELETE", `${v1}/workflow-runs/none`],
    ["POST", `${v1}/schemas`, { body: { id: "a", schema: { type: "nonsense" } } }],
    ["POST", `${v1}/schemas`, { body: { id: "a", schema: {} }, headers: { "if-match": '"x"' } }],
    ["GET", `${v1}/schemas/none`],
    ["POST", `${v1}/workflow-runs/none/query`, { body: { query: "status" } }],
    ["POST", `${v1}/workflow-runs/${runs[2]}/query`, { body: { query: "none" } }],
    ["GET", `${v1}/traces/none`],
    ["GET", `${v1}/config?scope=org&scope_id=none`],
    ["POST", `${v1}/config`, { body: { data: { prototype: 1 } } }],
    ["PUT", `${v1}/config`, { body: { data: {} }, headers: { "if-match": '"x"' } }],
    ["POST", `${v1}/config`, { body: { data: {} }, headers: { "if-match": '"x"' } }],
    ["DELETE", `${v1}/schemas/none`],
    ["PUT", `${v1}/endpoints/mine`, { body: { ...endpoint, url: "http://127.0.0.1" } }],
    ["PUT", `${v1}/endpoints/mine`, { body: endpoint, headers: { "if-match": '"x"' } }],
    ["PUT", `${v1}/endpoints/fixed`, { body: endpoint }],
    ["GET", `${v1}/endpoints/none`],
    ["POST", `${v1}/endpoints/none/test`],
    ["DELETE", `${v1}/endpoints/none`],
    ["DELETE", `${v1}/endpoints/fixed`],
    ["DELETE", `${v1}/endpoints/other`, { headers: { "if-match": '"x"' } }],
    ["POST", `${v1}/auth/keys`, { body: { name: "", grants: [] } }],
    ["GET", `${v1}/auth/keys?cursor=none`],
    ["GET", `${v1}/auth/keys/none`],
    ["DELETE", `${v1}/auth/keys/none`],
    ["POST", `${v1}/auth/keys/none/rotate`, { body: {} }],
    ["POST", `${v1}/auth/keys/${keyId}/rotate`, { body: {} }],
    ["GET", `${v1}/auth/roles/none`],
    ["PUT", `${v1}/auth/roles/Bad`, { body: { permissions: [] } }],
    ["PUT", `${v1}/auth/roles/admin`, { body: { permissions: ["jobs.read"] } }],
    ["DELETE", `${v1}/auth/roles/none`],
    ["DELETE", `${v1}/auth/roles/admin`],
    ["POST", `${v1}/auth/bootstrap`, { body: { token: bootstrapToken } }],
    ["GET", `${v1}/locks?resource=none`],
    ["POST", `${v1}/locks/renew`, { body: { ...lock, owner: "nobody" } }],
    ["POST", `${v1}/locks/release`, { body: { ...lock, owner: "nobody" } }],
    ["POST", `${v1}/locks/acquire`, { body: { ...lock, resource: "" } }],
    ["POST", `${v1}/locks/acquire`, { body: { ...lock, resource: "taken" } }],
    ["POST", `${v1}/artifacts`, { body: { content: "y" }, headers: key }],
    ["POST", `${v1}/artifacts?max_bytes=1`, { body: { content: "abc" } }],
    ["GET", `${v1}/artifacts/none`],
    ["GET", `${v1}/artifacts/none/content`],
    ["DELETE", `${v1}/artifacts/none`],
    ["GET", `${v1}/approvals/none`],
    ["POST", `${v1}/approvals/none/approve`, { as: "ada" }],
    ["POST", `${v1}/approvals/none/reject`, { as: "ada" }],
    ["POST", `${v1}/approvals/none/delegate`, { as: "ada", body: { to: "bob" } }],
    ["POST", `${v1}/approvals/none/withdraw`, { as: "ada" }],
    ...["approve", "reject", "withdraw"].map((act) => ["POST", `${v1}/approvals/${waiting}/${act}`, { as: "ada" }] as const),
    ["POST", `${v1}/approvals/${waiting}/delegate`, { as: "ada", body: { to: "grace" } }],
    ...["approve", "reject", "withdraw"].map((act) => ["POST", `${v1}/approvals/${open}/${act}`, { as: "shop" }] as const),
    ["POST", `${v1}/approvals/${open}/delegate`, { as: "ada", body: { to: "grace" } }],
    ...["evaluate", "explain", "simulate"].map(
      (question) => ["POST", `${v1}/policy/${question}`, { body: { topic: "a", tenant: "b" }, headers: ofTenantC }] as const,
    ),
    ["POST", `${v1}/policy/bundles/mine/simulate`, { body: { request: { topic: "a", tenant: "b" } }, headers: ofTenantC }],
    ["PUT", `${v1}/policy/bundles/${ofFile}`, { as: "ada", body: { content: deny } }],
    ["DELETE", `${v1}/policy/bundles/${ofFile}`, { as: "ada" }],
    ["POST", `${v1}/policy/bundles/none/simulate`, { body: { request: { topic: "a" } } }],
    ["POST", `${v1}/policy/bundles/mine/simulate`, { body: { request: { topic: "a" }, content: "rules: 7" } }],
    ["POST", `${v1}/policy/backtest`, { body: { content: "rules: 7" } }],
    ["GET", `${v1}/policy/bundles/none`],
    ["GET", `${v1}/policy/bundles/snapshots/none`],
    ["GET", `${v1}/policy/snapshots/none`],
    ["GET", `${v1}/policy/diff?from=none`],
    ["PUT", `${v1}/policy/bundles/bad`, { as: "ada", body: { content: "rules: 7" } }],
    ["PUT", `${v1}/policy/bundles/mine`, { as: "ada", body: { content: deny }, headers: { "if-match": '"x"' } }],
    ["DELETE", `${v1}/policy/bundles/none`, { as: "ada" }],
    ["DELETE", `${v1}/policy/bundles/mine`, { as: "ada", headers: { "if-match": '"x"' } }],
    ["POST", `${v1}/policy/publish`, { as: "ada", body: { bundle_ids: ["none"] } }],
    ["POST", `${v1}/policy/publish`, { as: "ada", body: {}, headers: { "if-match": `"${"0".repeat(64)}"` } }],
    ["POST", `${v1}/policy/rollback`, { as: "ada", body: { snapshot_id: "none" } }],
    ["POST", `${v1}/policy/rollback`, { as: "ada", body: { snapshot_id: inForce }, headers: { "if-match": `"${"0".repeat(64)}"` } }],
  ];

  test("each operation has an example, and is answered as it says", async () => {
    const given = examples();
    expect(operations.map(({ name }) => name).filter((name) => !Object.hasOwn(given, name))).toEqual([]);
    for (const [name, [path, asked]] of Object.entries(given)) {
      const { status, text } = await api.ask(name.split(" ", 1)[0] ?? "", path, asked);
      expect([name, status < 300, status < 300 || text]).toEqual([name, true, true]);
    }
  });

  test("and so is what is refused", async () => {
    const given = examples();
    for (const [method, path, asked] of refused()) {
      const { status } = await api.ask(method, path, asked);
      expect([method, path, status >= 400]).toEqual([method, path, true]);
    }
    for (const { name, method } of operations) {
      const [path, asked = {}] = given[name] ?? [""];
      await api.ask(method, `${path}${path.includes("?") ? "&" : "?"}nonsense=1`, asked);
      await api.ask(method, path, { ...asked, headers: { "x-tenant-id": "nowhere" } });
      if (method === "GET") continue;
      await api.ask(method, path, { as: "ada", text: "a=b", headers: { "content-type": "text/plain" } });
      await api.ask(method, path, { as: "ada", text: " ".repeat(2 ** 20 + 1) });
    }
    for (const { name, method } of operations) {
      const [path, asked = {}] = given[name] ?? [""];
      await api.ask(method, path, { ...asked, headers: { origin: "https://elsewhere.example" } });
      expect(await askAs("elsewhere.example", method, path)).toBe(421);
      answersSeen.add(`${name} 421`);
    }
    const closed = await openApi(undefined, { access: { ...openAccess, required: true } });
    const grants = [{ namespaces: ["here", "there"], roles: ["worker"] }];
    const key = { name: "x", principal: "x", kind: "service", grants, taskQueues: null, expiresAt: null } as const;
    const made = await closed.core.access.keys.create({ id: "x", authority: openSession.authority }, key);
    for (const { name, method } of operations) {
      const [path, asked = {}] = given[name] ?? [""];
      await closed.ask(method, path, asked);
      if (made.ok) await closed.ask(method, path, { ...asked, headers: { ...asked.headers, "x-api-key": made.value.text } });
    }
    await closed.close();
    const slow = await openApi(undefined, { rest: { requestsPerSecond: 0.001, requestBurst: 1 } });
    await slow.ask("GET", `${v1}/docs`);
    for (const { name, method } of operations) await slow.ask(method, given[name]?.[0] ?? "");
    await slow.close();
    const failing = await openApi();
    await failing.ask("POST", `${v1}/audit/checkpoint`, { as: "ada" });
    for (const error of [new Error("bug"), new StoreError("disk full")]) {
      const broken = {
        get: () => {
          throw error;
        },
        configurable: true,
      };
      for (const key of [
        "access",
        "approvals",
        "artifacts",
        "audit",
        "backtest",
        "checkpoints",
        "configs",
        "dag",
        "deadLetters",
        "endpoints",
        "jobs",
        "leases",
        "locks",
        "doctor",
        "policies",
        "policyLimits",
        "quotas",
        "schemas",
        "stream",
        "traces",
        "workers",
        "kernel",
      ])
        Object.defineProperty(failing.core, key, broken);
      for (const { name, method } of operations) {
        const [path, asked] = given[name] ?? [""];
        await failing.ask(method, path, asked);
      }
    }
    await failing.close();
    /** Texts that are no longer read as they were when they were saved come from another version of the server. */
    const otherVersions = ["POST /api/v1/policy/publish 422", "POST /api/v1/policy/rollback 422"];
    /** A thousand workflows, schemas or configurations, ten thousand keys. */
    const tooMany = [
      "POST /api/v1/auth/keys 409",
      "POST /api/v1/workflows 409",
      "POST /api/v1/schemas 409",
      "POST /api/v1/config 409",
      "PUT /api/v1/config 409",
    ];
    /** These need nothing that could fail. */
    const cannotFail = (path: string): boolean => /openapi|docs|session/.test(path);
    const missing = operations.flatMap(({ name, path, operation }) =>
      Object.keys(operation.responses)
        .filter((status) => !(cannotFail(path) && status.startsWith("5")))
        .map((status) => `${name} ${status}`)
        .filter((one) => !answersSeen.has(one) && ![...otherVersions, ...tooMany].includes(one)),
    );
    expect(missing).toEqual([]);
  });
});

/** With another `Host`, which `fetch` does not let a caller choose. */
const askAs = (host: string, method: string, path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const sent = request(`${api.url}${path}`, { method, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on("error", reject).end();
  });

/** Mostly what the schema wants, sometimes anything. */
const valuesOf = (schema: JsonSchema, depth = 0): fc.Arbitrary<unknown> => {
  const { $ref, enum: values, anyOf, type, items, properties, additionalProperties, minimum, maximum } = schema;
  const anything = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.string({ unit: "binary" }), fc.integer());
  const wanted = (): fc.Arbitrary<unknown> => {
    if (depth > 4) return fc.constant(null);
    if (typeof $ref === "string") return valuesOf(resolve($ref), depth + 1);
    if (Array.isArray(values)) return fc.constantFrom(...values);
    if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map((one: JsonSchema) => valuesOf(one, depth + 1)));
    switch (type) {
      case "string":
        return fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("a", "mine", "job.a", "2026-01-18T09:30:00Z", "rules: []"));
      case "integer":
      case "number":
        return fc.integer({ min: Math.max(-1000, Number(minimum ?? 0)), max: Math.min(10_000, Number(maximum ?? 10_000)) });
      case "boolean":
        return fc.boolean();
      case "null":
        return fc.constant(null);
      case "array":
        return fc.array(valuesOf((items ?? {}) as JsonSchema, depth + 1), { maxLength: 3 });
      case "object": {
        const named = Object.entries((properties ?? {}) as { readonly [name: string]: JsonSchema });
        if (named.length === 0)
          return fc.dictionary(fc.string(), valuesOf((additionalProperties ?? {}) as JsonSchema, depth + 1), { maxKeys: 3 });
        return fc.record(Object.fromEntries(named.map(([name, one]) => [name, valuesOf(one, depth + 1)])), { requiredKeys: [] });
      }
      default:
        return anything;
    }
  };
  return fc.oneof({ weight: 12, arbitrary: wanted() }, { weight: 1, arbitrary: anything });
};

const requestOf = ({ method, path, operation }: (typeof operations)[number]) => {
  const { parameters, requestBody } = operation;
  const within = (place: string) => parameters.filter((one) => one.in === place);
  const body = Object.values(requestBody?.content ?? {})[0];
  return fc.record({
    method: fc.constant(method),
    path: fc
      .tuple(
        ...within("path").map(() =>
          fc.oneof(
            fc.constantFrom("none", "mine", "a~b", "%00", "%2e%2e%2f"),
            fc.string({ minLength: 1, unit: "grapheme" }).map(encodeURIComponent),
          ),
        ),
      )
      .map((ids) => ids.reduce((filled, id) => filled.replace(/\{\w+\}/, () => id), path)),
    query: fc.record(Object.fromEntries(within("query").map(({ name, schema }) => [name, valuesOf(schema)])), { requiredKeys: [] }),
    as: fc.option(fc.constantFrom("ada", "bob", "shop"), { nil: undefined }),
    headers: fc.record(
      {
        "x-tenant-id": fc.constantFrom("default", "other", "nowhere"),
        "x-principal-kind": fc.constantFrom("human", "service", "cat"),
        "idempotency-key": fc.constantFrom("k", "l"),
        "if-match": fc.constantFrom("*", '"x"', "x"),
      },
      { requiredKeys: [] },
    ),
    body: body === undefined ? fc.constant(undefined) : valuesOf(body.schema),
  });
};

const fuzzMs = 8_000;

test("requests made from the document are never answered with 500, and always as it says", async () => {
  const fuzzed = await openApi(`default_decision: allow\n${twoMustAgree}`);
  await fuzzed.hold();
  await fuzzed.ask("PUT", `${v1}/policy/bundles/mine`, { as: "ada", body: { content: deny } });
  const requests = fc.oneof(...operations.map(requestOf));
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, path, query, as, headers, body }) => {
      const search = new URLSearchParams(
        Object.entries(query).map(([name, value]): [string, string] => [name, typeof value === "string" ? value : JSON.stringify(value)]),
      );
      const asked = { headers, ...(as === undefined ? {} : { as }), ...(body === undefined ? {} : { body }) };
      const { status, text } = await fuzzed.ask(method, `${path}?${search}`, asked);
      expect([status < 500, text]).toEqual([true, text]);
    }),
    { numRuns: 1_500, interruptAfterTimeLimit: fuzzMs, markInterruptAsFailure: false },
  );
  await fuzzed.close();
});
