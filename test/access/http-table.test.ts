import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RouteName, routes } from "../../src/edge/rest/routes.ts";
import { type AccessServer, foreign, nowhere, own, startAccessServer } from "./access-server.ts";
import { type Grantee, grantees, isAllowed, type Marks, type Target, targets, titleOf, type Who } from "./expectations.ts";
import { type Headers, type HttpAnswer, type HttpClient, openHttp } from "./raw-client.ts";
import { everyCredential, type Presented, workersOfOwn } from "./wrong-credentials.ts";

// Who may ask which route, written down once more and independently of the server's own table, and asked of a server: every route, with every
// role, in their own tenant, another and none; and with every kind of credential.

type Row = { readonly who: Who; readonly query: string; readonly body: unknown; readonly headers: Headers };
type Given = { readonly query?: string; readonly body?: unknown; readonly headers?: Headers };

const row = (who: Who, { query = "", body, headers = {} }: Given): Row => ({ who, query, body, headers });
const tenant = (marks: Marks, given: Given = {}): Row => row({ inNamespace: marks }, given);
const everywhere = (marks: Marks, given: Given = {}): Row => row({ everywhere: marks }, given);

const action = { topic: "job.deploy" };
const policy = "version: v1\nrules: [{ id: all, decision: allow }]";
const hash = "0".repeat(64);

/** Anybody may ask these. */
const forStrangers = ["getAuthConfig", "bootstrap"] as const satisfies readonly RouteName[];
type GuardedRoute = Exclude<RouteName, (typeof forStrangers)[number]>;

/** Those that may: admin operator developer approver auditor worker. What is named by an id is not there, unless it says otherwise. */
const table: { readonly [R in GuardedRoute]: Row } = {
  submitJob: tenant("xxx...", { body: { prompt: "deploy" } }),
  listJobs: tenant("xxxxx."),
  getJob: tenant("xxxxx."),
  listJobDecisions: tenant("xxxxx."),
  cancelJob: tenant("xxx..."),
  remediateJob: tenant("xxx...", { body: {} }),
  listDeadLetters: tenant("xxxxx."),
  pageDeadLetters: tenant("xxxxx."),
  retryDeadLetters: tenant("xxx..."),
  deleteDeadLetters: tenant("xxx..."),
  getDeadLetter: tenant("xxxxx."),
  retryDeadLetter: tenant("xxx..."),
  deleteDeadLetter: tenant("xxx..."),
  listWorkers: tenant("xxxxx."),
  leaseTask: tenant("x.x..x", { body: { task_queue: "orders", wait_ms: 0 } }),
  heartbeatLease: tenant("x.x..x", { body: { lease: "lease" } }),
  completeLease: tenant("x.x..x", { body: { lease: "lease", result: 1 } }),
  listEndpoints: tenant("xxx.x."),
  putEndpoint: tenant("xx....", { body: { task_queues: "orders", url: "https://example.com/" } }),
  getEndpoint: tenant("xxx.x."),
  deleteEndpoint: tenant("xx...."),
  testEndpoint: tenant("xx...."),

  listWorkflows: tenant("xxxxx."),
  saveWorkflow: tenant("xxx...", { body: { id: "order", steps: { wait: { type: "delay", delay_sec: 1 } } } }),
  getWorkflow: tenant("xxxxx."),
  deleteWorkflow: tenant("xxx..."),
  dryRunWorkflow: tenant("xxx...", { body: {} }),
  startRun: tenant("xxx...", { body: {} }),
  listRunsOfWorkflow: tenant("xxxxx."),
  cancelRunOfWorkflow: tenant("xxx...", { body: {} }),
  listRuns: tenant("xxxxx."),
  getRun: tenant("xxxxx."),
  getRunTimeline: tenant("xxxxx."),
  cancelRun: tenant("xxx...", { body: {} }),
  terminateRun: tenant("xxx...", { body: {} }),
  signalRun: tenant("xxx...", { body: { name: "go" } }),
  queryRun: tenant("xxxxx.", { body: { query: "status" } }),
  rerunRun: tenant("xxx...", { body: {} }),
  deleteRun: tenant("xxx..."),
  getTrace: tenant("xxxxx."),
  streamEvents: tenant("xxxxx."),

  listSchemas: tenant("xxx.x."),
  saveSchema: tenant("xxx...", { body: { id: "order", schema: { type: "object" } } }),
  getSchema: tenant("xxx.x."),
  deleteSchema: tenant("xxx..."),
  getConfig: tenant("xxx.x."),
  saveConfig: tenant("xx....", { body: { data: {} } }),
  putConfig: tenant("xx....", { body: { data: {} } }),
  getEffectiveConfig: tenant("xxx.x."),
  getLock: tenant("xxx.xx", { query: "?resource=door" }),
  acquireLock: tenant("xxx..x", { body: { resource: "door", owner: "me" } }),
  releaseLock: tenant("xxx..x", { body: { resource: "door", owner: "me" } }),
  renewLock: tenant("xxx..x", { body: { resource: "door", owner: "me" } }),
  saveArtifact: tenant("x.x..x", { body: { content: "text" } }),
  listArtifacts: tenant("xxx..x"),
  getArtifact: tenant("xxx..x"),
  getArtifactContent: tenant("xxx..x"),
  deleteArtifact: tenant("x.x..x"),

  listApprovals: tenant("xxxxx."),
  getApproval: tenant("xxxxx."),
  approve: tenant("x..x..", { body: {} }),
  reject: tenant("x..x..", { body: {} }),
  delegate: tenant("x..x..", { body: { to: "ada" } }),
  withdraw: tenant("xxxx..", { body: {} }),

  evaluatePolicy: tenant("xxxxxx", { body: action }),
  explainPolicy: tenant("xxxxx.", { body: action }),
  simulatePolicy: tenant("xxxxx.", { body: action }),
  backtestPolicy: tenant("xxxxx.", { body: { content: policy } }),
  listPolicyLimits: tenant("xxxxx."),
  getQuotas: tenant("xxxxxx"),
  listBundles: everywhere("xxxxx."),
  getBundle: everywhere("xxxxx."),
  simulateBundle: everywhere("xxxxx.", { body: { request: action } }),
  listBundleSnapshots: everywhere("xxxxx."),
  getBundleSnapshot: everywhere("xxxxx."),
  listPolicySnapshots: everywhere("xxxxx."),
  getPolicySnapshot: everywhere("xxxxx."),
  diffPolicy: everywhere("xxxxx.", { query: `?from=${hash}` }),
  listPolicyAudit: everywhere("xxxxx."),
  putBundle: everywhere("x.....", { body: { content: policy } }),
  deleteBundle: everywhere("x....."),
  publishPolicy: everywhere("x.....", { body: { bundle_ids: ["absent"] } }),
  rollbackPolicy: everywhere("x.....", { body: { snapshot_id: hash } }),

  listAudit: tenant("xx..x."),
  exportAudit: tenant("xx..x."),
  makeCheckpoint: everywhere("x....."),
  getStatus: everywhere("xx..x."),
  getDoctor: everywhere("xx..x."),

  getSession: row("everybody", {}),
  createKey: tenant("x.....", { body: { name: "ci", grants: [{ namespaces: [own], roles: ["worker"] }] } }),
  listKeys: tenant("x...x."),
  getKey: tenant("x...x."),
  revokeKey: tenant("x....."),
  rotateKey: tenant("x.....", { body: {} }),
  listRoles: tenant("x...x."),
  getRole: tenant("x...x."),
  saveRole: everywhere("x.....", { body: { permissions: ["jobs.read"] } }),
  deleteRole: everywhere("x....."),
};

const names = Object.keys(table) as GuardedRoute[];

let server: AccessServer;
let client: HttpClient;
let keys: ReadonlyMap<string, string>;
let credentials: readonly Presented[];
const keyOf = ({ role, reach }: Grantee): Headers => ({ "x-api-key": keys.get(`${role} ${reach}`) ?? "" });

function ask(from: HttpClient, name: GuardedRoute, headers: Headers): Promise<HttpAnswer> {
  const { method, path } = routes[name];
  const { query, body, headers: always } = table[name];
  const filled = path.replaceAll(/:\w+/g, "absent");
  return from.ask(method, `${filled}${query}`, { headers: { ...always, ...headers }, body });
}

/** Also that requests which get through are well-formed, so that it is not their form that lets them through. */
function outcomeOf({ status, headers, text }: HttpAnswer): string {
  const code = headers["content-type"]?.startsWith("application/problem+json") ? (JSON.parse(text) as { readonly code?: string }).code : "";
  if (status === 401 && code === "unauthenticated" && headers["www-authenticate"] === 'Bearer realm="holdfast"') return "unauthenticated";
  if (status === 403 && code === "permission-denied") return "denied";
  if (code === "nothing-to-publish") return "allowed";
  return [400, 401, 403, 405, 413, 415, 429].includes(status) || status >= 500 ? `${status} ${text}` : "allowed";
}

beforeAll(async () => {
  server = await startAccessServer({ certificates: [workersOfOwn] });
  client = openHttp(server.http, { ca: server.ca.certificatePem });
  const made = grantees.map(async ({ role, reach }) => {
    const { text } = await server.key({ grants: [{ namespaces: [reach === "own" ? own : "*"], roles: [role] }] });
    return [`${role} ${reach}`, text] as const;
  });
  keys = new Map(await Promise.all(made));
  credentials = await everyCredential(server);
});
afterAll(async () => {
  client.close();
  await server.stop();
});

describe.each(names)("%s", (name) => {
  const { who } = table[name];

  test("is for the roles of the table, where they are given", async () => {
    const asked = grantees.flatMap((grantee) => targets.map((target) => ({ grantee, target, title: titleOf(grantee, target) })));
    const found = asked.map(async ({ grantee, target, title }) => {
      return [title, outcomeOf(await ask(client, name, { ...keyOf(grantee), "x-tenant-id": target }))] as const;
    });
    const expected = asked.map(({ grantee, target, title }) => [title, isAllowed(who, grantee, target) ? "allowed" : "denied"]);
    expect(Object.fromEntries(await Promise.all(found))).toEqual(Object.fromEntries(expected));
  });

  test("a tenant that there is not looks as one that is not theirs", async () => {
    for (const grantee of grantees.filter(({ reach }) => reach === "own")) {
      const of = (target: Target) => ask(client, name, { ...keyOf(grantee), "x-tenant-id": target });
      const [there, notThere] = [await of(foreign), await of(nowhere)];
      expect({ status: notThere.status, text: notThere.text.replaceAll(nowhere, foreign) }).toEqual({
        status: there.status,
        text: there.text,
      });
    }
  });

  test("whoever has no valid credential is not authenticated", async () => {
    const address = `127.3.0.${names.indexOf(name) + 1}`;
    const found: [what: string, outcome: string][] = [];
    for (const { what, headers, certificate } of credentials) {
      const theirs = openHttp(server.http, { ca: server.ca.certificatePem, address, certificate });
      found.push([what, outcomeOf(await ask(theirs, name, { ...headers, "x-tenant-id": own }))]);
      theirs.close();
    }
    const expected = credentials.map(({ what, proves }) => {
      if (proves === null) return [what, "unauthenticated"];
      return [what, isAllowed(who, { role: proves, reach: "own" }, own) ? "allowed" : "denied"];
    });
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  });
});

test.each(names.filter((name) => routes[name].method === "GET"))("%s: HEAD asks for no less than GET", async (name) => {
  const { path } = routes[name];
  const head = async (headers: Headers) =>
    (await client.ask("HEAD", `${path.replaceAll(/:\w+/g, "absent")}${table[name].query}`, { headers })).status;
  expect(await head({})).toBe(401);
  if (table[name].who === "everybody") return;
  expect(await head({ ...keyOf({ role: "approver", reach: "own" }), "x-tenant-id": foreign })).toBe(403);
});

describe("what a request says of itself", () => {
  const developer = () => keyOf({ role: "developer", reach: "own" });
  const submit = (body: object, headers: Headers = {}) =>
    client.ask("POST", "/api/v1/jobs", { headers: { ...developer(), ...headers }, body });

  test("without a tenant it is for the only one of whoever asks, whatever the case of the header", async () => {
    const made = await submit({ prompt: "deploy" });
    expect(made.status).toBe(200);
    const { job_id } = JSON.parse(made.text) as { readonly job_id: string };
    const job = await client.ask("GET", `/api/v1/jobs/${job_id}`, { headers: { ...developer(), "X-TENANT-ID": own } });
    expect(JSON.parse(job.text)).toMatchObject({ tenant: own });
  });

  test.each(["org_id", "tenant_id"])("another tenant in the field `%s` is refused", async (field) => {
    expect((await submit({ prompt: "deploy", [field]: foreign })).status).toBe(403);
    expect((await submit({ prompt: "deploy", [field]: foreign }, { "x-tenant-id": own })).status).toBe(403);
  });

  test("another principal is not believed in a header, and refused in the body", async () => {
    expect((await submit({ prompt: "deploy", principal_id: "ada" })).status).toBe(403);
    const made = await submit({ prompt: "deploy" }, { "x-principal-id": "ada", "x-principal-role": "admin", "x-principal-kind": "human" });
    const { job_id } = JSON.parse(made.text) as { readonly job_id: string };
    const job = JSON.parse((await client.ask("GET", `/api/v1/jobs/${job_id}`, { headers: developer() })).text);
    expect(job.actor_id).not.toBe("ada");
  });

  test("a role that is only said opens nothing", async () => {
    const headers = { ...keyOf({ role: "worker", reach: "own" }), "x-tenant-id": own, "x-principal-role": "admin" };
    expect(outcomeOf(await ask(client, "getStatus", headers))).toBe("denied");
    expect(outcomeOf(await ask(client, "listJobs", headers))).toBe("denied");
  });

  test("a stream names its tenant in the query, which opens no other", async () => {
    const watch = (tenantId: string) => client.ask("GET", `/api/v1/stream?tenant=${tenantId}`, { headers: developer() });
    expect(outcomeOf(await watch(own))).toBe("allowed");
    expect(outcomeOf(await watch(foreign))).toBe("denied");
  });
});

test.each(["/api/v1/openapi.json", "/api/v1/openapi.yaml", "/api/v1/docs", "/healthz", "/readyz"])("%s answers strangers", async (path) => {
  expect((await client.ask("GET", path)).status).toBe(200);
});

test("metrics are for the roles of the table that are given in all tenants", async () => {
  const read = async (headers: Headers) => outcomeOf(await client.ask("GET", "/metrics", { headers }));
  for (const grantee of grantees)
    expect(await read(keyOf(grantee)), titleOf(grantee, own)).toBe(
      isAllowed({ everywhere: "xx..x." }, grantee, own) ? "allowed" : "denied",
    );
  expect(await read({})).toBe("unauthenticated");
});

test.each(forStrangers)("%s answers strangers", async (name) => {
  const { method, path } = routes[name];
  const body = name === "bootstrap" ? { token: "guessed" } : undefined;
  const { status, text } = await client.ask(method, path, { body });
  expect(JSON.parse(text).code).not.toBe("unauthenticated");
  expect(status).toBe(name === "bootstrap" ? 409 : 200);
});

test("an address that guesses is slowed down, and hears for how long", async () => {
  const guesser = openHttp(server.http, { ca: server.ca.certificatePem, address: "127.4.0.2" });
  const guess = () => ask(guesser, "listJobs", { "x-api-key": `hfk_${"1".repeat(16)}_${"A".repeat(43)}` });
  const statuses = [];
  for (let times = 0; times < 6; times++) statuses.push((await guess()).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  const { headers, text } = await guess();
  expect(headers["retry-after"]).toBe("1");
  expect(JSON.parse(text)).toMatchObject({ status: 429, code: "locked-out" });
  // A key that there is holds from there all the same.
  expect((await ask(guesser, "listJobs", { ...keyOf({ role: "admin", reach: "all" }), "x-tenant-id": own })).status).toBe(200);
  guesser.close();
});
