import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answerJson, openEndpoint, type ReceivedPush } from "../../service/push/push.test-kit.ts";
import { selfSigned } from "../../service/push/self-signed.test-kit.ts";
import { manualClock } from "../../service/service.test-kit.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const v1 = "/api/v1";
const secret = `whsec_${Buffer.alloc(32, "secret").toString("base64")}`;

const closing: (() => Promise<unknown>)[] = [];
let api: TestApi;
const open = async (policy?: string, allowPrivate: boolean | readonly string[] = ["127.0.0.1"]) => {
  api = await openApi(policy, { clock: manualClock(Date.now()), push: { allowPrivate, endpoints: {} } });
  // The server's time goes as that of its clients does.
  const { clock } = api.core;
  const ticking = setInterval(() => clock.advance(Math.max(0, Date.now() - clock.now())), 5);
  closing.push(async () => {
    clearInterval(ticking);
    await api.close();
  });
};
beforeEach(() => open());
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const put = (body: object, { id = "e", headers = {} }: { id?: string; headers?: { [name: string]: string } } = {}) =>
  api.ask("PUT", `${v1}/endpoints/${id}`, { as: "ann", body, headers });
const submit = async (body: object = {}): Promise<string> => {
  const { json } = await api.ask("POST", `${v1}/jobs`, { as: "ann", body: { topic: "job.push", input: { n: 1 }, ...body } });
  return String(json.job_id);
};
async function reaches(id: string, state: string) {
  for (;;) {
    const { json } = await api.ask("GET", `${v1}/jobs/${id}`);
    if (String(json.state) === state) return json;
    if (["SUCCEEDED", "FAILED", "TIMEOUT", "DENIED", "CANCELLED"].includes(String(json.state))) throw new Error(JSON.stringify(json));
    await new Promise((turn) => setTimeout(turn, 5));
  }
}
/** An endpoint that is registered for the jobs of these tests. */
async function registered(answer: (push: ReceivedPush) => void, more: object = {}) {
  const endpoint = await openEndpoint(answer);
  closing.push(endpoint.close);
  expect((await put({ task_queues: "job.push", url: endpoint.url, secret, ...more })).status).toBe(200);
  return endpoint;
}
const signature = ({ headers, body }: ReceivedPush, key: string) =>
  `v1,${createHmac("sha256", Buffer.from(key.slice("whsec_".length), "base64"))
    .update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`)
    .digest("base64")}`;
type Answers = readonly (readonly [status: number, body?: unknown, headers?: { readonly [name: string]: string }])[];
/** Of one that answers so, one request after the other. */
function inTurn(...answers: Answers): (push: ReceivedPush) => void {
  const left = [...answers];
  return (push) => {
    const [status, body = {}, headers = {}] = left.shift() ?? [500];
    if (status === 204) push.response.writeHead(204).end();
    else answerJson(push, status, body, headers);
  };
}

describe("a job is pushed", () => {
  test("to the endpoint of its task queue, signed, as workers that ask get it, and ends with the answer", async () => {
    const endpoint = await registered((push) => answerJson(push, 200, { done: true }, { "holdfast-usage": '{"tokens":3}' }), {
      headers: { authorization: "Bearer x" },
    });
    const id = await submit({ labels: { env: "dev" } });
    expect(await reaches(id, "SUCCEEDED")).toMatchObject({ result: { done: true }, worker: "endpoint:e" });
    const [push] = endpoint.received;
    if (push === undefined) throw new Error("nothing came");
    const body = JSON.parse(push.body);
    expect(body).toMatchObject({ job_id: id, activity_type: "job.push", attempt: 1, input: [{ n: 1 }], lease: expect.any(String) });
    expect(body.headers["holdfast-action"]).toMatchObject({ labels: { env: "dev" } });
    expect(push.headers).toMatchObject({ authorization: "Bearer x", "content-type": "application/json", "holdfast-event": "task" });
    expect(push.headers["webhook-id"]).toBe(`task_${body.run_id}_${Buffer.from("job").toString("base64url")}_1`);
    expect(push.headers["webhook-signature"]).toBe(signature(push, secret));
    expect(Math.abs(Number(push.headers["webhook-timestamp"]) - Date.now() / 1000)).toBeLessThan(10);
  });

  test("that waited already when its endpoint was registered, by a pattern", async () => {
    const id = await submit();
    await reaches(id, "DISPATCHED");
    await registered(inTurn([204]), { task_queues: "job.*" });
    expect(await reaches(id, "SUCCEEDED")).toMatchObject({ result: null });
  });

  test.each<[string, Answers, object, string, object]>([
    [
      "500, then 200",
      [[500], [200, "done"]],
      { retries: { max_attempts: 2, backoff_ms: 1 } },
      "SUCCEEDED",
      { result: "done", attempts: 2 },
    ],
    ["408", [[408], [200, 1]], { retries: { max_attempts: 2, backoff_ms: 1 } }, "SUCCEEDED", { attempts: 2 }],
    ["500 without a retry", [[500]], {}, "FAILED", { error_code: "PushFailed", error_message: "`127.0.0.1` answered 500" }],
    ["404", [[404]], { retries: { max_attempts: 3, backoff_ms: 1 } }, "FAILED", { attempts: 1 }],
    [
      "422 with an error of its own",
      [[422, { error: { message: "no such repository", type: "NotFound", details: { repo: "x" } } }]],
      {},
      "FAILED",
      { error_code: "NotFound", error_message: "no such repository", error_details: { repo: "x" } },
    ],
    [
      "409 that says to try again",
      [
        [409, { error: { message: "busy", retryable: true } }],
        [200, 2],
      ],
      { retries: { max_attempts: 2, backoff_ms: 1 } },
      "SUCCEEDED",
      { result: 2 },
    ],
    ["a redirect to a private address", [[302, {}, { location: "http://169.254.169.254/latest" }]], {}, "FAILED", { attempts: 1 }],
    [
      "429 with Retry-After",
      [
        [429, {}, { "retry-after": "1" }],
        [200, 3],
      ],
      { retries: { max_attempts: 2, backoff_ms: 1 } },
      "SUCCEEDED",
      { result: 3 },
    ],
  ])("and %s is what it says", async (_, answers, job, state, shown) => {
    const endpoint = await registered(inTurn(...answers));
    const started = Date.now();
    expect(await reaches(await submit(job), state)).toMatchObject(shown);
    expect(endpoint.received.length).toBe(answers.length);
    // Each attempt is another one to its receiver.
    expect(new Set(endpoint.received.map(({ headers }) => headers["webhook-id"])).size).toBe(answers.length);
    if (answers[0]?.[0] === 429) expect(Date.now() - started).toBeGreaterThan(950);
  });

  test("to one that hangs, until its time is over", async () => {
    await registered(() => {}, { timeout_ms: 50 });
    expect(await reaches(await submit(), "FAILED")).toMatchObject({ error_message: "`127.0.0.1` did not answer within 50 ms" });
  });

  test("to one that breaks off", async () => {
    await registered(({ response }) => void response.destroy());
    expect(await reaches(await submit(), "FAILED")).toMatchObject({ error_message: expect.stringContaining("cannot reach `127.0.0.1`") });
  });

  test("to one whose certificate nobody vouches for: it gets nothing", async () => {
    const endpoint = await openEndpoint(() => {}, selfSigned());
    closing.push(endpoint.close);
    await put({ task_queues: "job.push", url: endpoint.url });
    expect(await reaches(await submit(), "FAILED")).toMatchObject({ error_message: expect.stringMatching(/SELF_SIGNED|UNABLE_TO_VERIFY/) });
    expect(endpoint.received).toEqual([]);
  });

  test("to one that takes it and answers later, with the lease", async () => {
    const endpoint = await registered(inTurn([202]));
    const id = await submit();
    const { lease } = JSON.parse((await endpoint.gets(1)).body);
    await reaches(id, "RUNNING");
    expect((await api.ask("POST", `${v1}/workers/heartbeat`, { body: { lease, details: 1 } })).json).toMatchObject({ lease_gone: false });
    expect((await api.ask("POST", `${v1}/workers/complete`, { body: { lease, result: "late" } })).status).toBe(204);
    expect(await reaches(id, "SUCCEEDED")).toMatchObject({ result: "late" });
  });

  test("to one that answers twice: the first answer counts", async () => {
    const endpoint = await registered(() => {});
    const id = await submit();
    const push = await endpoint.gets(1);
    const { lease } = JSON.parse(push.body);
    expect((await api.ask("POST", `${v1}/workers/complete`, { body: { lease, result: "first" } })).status).toBe(204);
    answerJson(push, 200, "second");
    expect(await reaches(id, "SUCCEEDED")).toMatchObject({ result: "first" });
    expect((await api.ask("POST", `${v1}/workers/complete`, { body: { lease, result: "third" } })).json).toMatchObject({
      code: "lease-gone",
    });
  });

  test("no more at one time than the endpoint wants", async () => {
    const endpoint = await registered(() => {}, { max_concurrent: 1 });
    const ids = [await submit(), await submit()];
    answerJson(await endpoint.gets(1), 200, 1);
    expect(await reaches(ids[0] ?? "", "SUCCEEDED")).toMatchObject({ result: 1 });
    answerJson(await endpoint.gets(2), 200, 2);
    expect(await reaches(ids[1] ?? "", "SUCCEEDED")).toMatchObject({ result: 2 });
  });

  test("and given up when it is cancelled", async () => {
    const endpoint = await registered(() => {});
    const id = await submit({ heartbeat_timeout_ms: 200 });
    const { response } = await endpoint.gets(1);
    const closed = new Promise((resolve) => response.once("close", resolve));
    await api.ask("POST", `${v1}/jobs/${id}/cancel`);
    await closed;
    await reaches(id, "CANCELLED");
  });

  test("and kept alive, with what its endpoint said of how far it is", async () => {
    const endpoint = await registered(() => {});
    const id = await submit({ heartbeat_timeout_ms: 150 });
    const push = await endpoint.gets(1);
    const { lease } = JSON.parse(push.body);
    await api.ask("POST", `${v1}/workers/heartbeat`, { body: { lease, details: { percent: 40 } } });
    await new Promise((later) => setTimeout(later, 500));
    expect((await api.ask("GET", `${v1}/jobs/${id}`)).json).toMatchObject({
      state: "RUNNING",
      attempts: 1,
      last_heartbeat_details: { percent: 40 },
    });
    answerJson(push, 200, "done");
    await reaches(id, "SUCCEEDED");
  });

  test("only if the policy permits it, and when people have", async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await open(`
version: v1
default_decision: allow
rules:
  - { id: never, match: { labels: { env: prod } }, decision: deny, reason: not there }
  - { id: ask, match: { labels: { env: stage } }, decision: require_approval, reason: ask }
`);
    const endpoint = await registered((push) => answerJson(push, 200, "done"));
    await reaches(await submit({ labels: { env: "prod" } }), "DENIED");
    const id = await submit({ labels: { env: "stage" } });
    const { approval_ref } = await reaches(id, "APPROVAL_REQUIRED");
    expect(endpoint.received).toEqual([]);
    expect((await api.ask("POST", `${v1}/approvals/${approval_ref}/approve`, { as: "bob", body: {} })).status).toBe(200);
    await reaches(id, "SUCCEEDED");
    expect(endpoint.received.length).toBe(1);
  });
});

describe("an endpoint", () => {
  const address = { task_queues: "job.none", url: "https://example.com/hook?token=t0ken" };

  test("has a secret that is told once, and nothing else tells", async () => {
    const made = await put({ ...address, headers: { authorization: "Bearer s3cret" } });
    expect(made.json).toMatchObject({
      id: "e",
      url: "https://example.com/hook?***",
      header_names: ["authorization"],
      timeout_ms: 30_000,
      max_concurrent: 10,
      enabled: true,
      origin: "api",
      secret: expect.stringMatching(/^whsec_/),
      previous_secret_until: null,
      updated_by: "ann",
    });
    const again = await put({ enabled: false });
    expect(again.json).toMatchObject({ enabled: false, secret: null });
    const rotated = await put({ rotate_secret: true });
    expect(rotated.json).toMatchObject({ secret: expect.stringMatching(/^whsec_/), previous_secret_until: expect.any(String) });
    const audit = await api.ask("GET", `${v1}/audit?kind=administration`);
    const shown = [
      (await api.ask("GET", `${v1}/endpoints`)).text,
      (await api.ask("GET", `${v1}/endpoints/e`)).text,
      again.text,
      audit.text,
    ].join("\n");
    for (const hidden of [made.json.secret, rotated.json.secret, "s3cret", "t0ken"]) expect(shown).not.toContain(hidden);
    expect(JSON.stringify(audit.json)).toMatch(/endpoint-registered/);
    expect(JSON.stringify(audit.json)).toMatch(/"secret":"changed"/);
    expect((await api.ask("DELETE", `${v1}/endpoints/e`, { as: "ann" })).status).toBe(204);
    expect((await api.ask("GET", `${v1}/endpoints/e`)).json).toMatchObject({ code: "no-such-endpoint" });
    expect((await api.ask("GET", `${v1}/audit?kind=administration`)).text).toMatch(/endpoint-deleted/);
  });

  test("is signed for with both secrets for a time after the change", async () => {
    const endpoint = await registered((push) => answerJson(push, 200, "pong"));
    const { json } = await put({ rotate_secret: true });
    expect((await api.ask("POST", `${v1}/endpoints/e/test`)).json).toMatchObject({ ok: true, status: 200, error: null });
    const [push] = endpoint.received;
    if (push === undefined) throw new Error("nothing came");
    expect(JSON.parse(push.body)).toEqual({ type: "ping", endpoint: "e" });
    expect(push.headers["holdfast-event"]).toBe("ping");
    expect(push.headers["webhook-signature"]).toBe(`${signature(push, String(json.secret))} ${signature(push, secret)}`);
  });

  test("that does not answer a test as hoped says so", async () => {
    await registered(inTurn([401]));
    expect((await api.ask("POST", `${v1}/endpoints/e/test`)).json).toMatchObject({
      ok: false,
      status: 401,
      error: "`127.0.0.1` answered 401",
    });
  });

  test("is changed only in the place of the version that was seen, and is of one tenant", async () => {
    expect((await put(address, { headers: { "if-none-match": "*" } })).status).toBe(200);
    expect((await put(address, { headers: { "if-none-match": "*" } })).json).toMatchObject({ status: 412, code: "endpoint-changed" });
    const { etag } = await api.ask("GET", `${v1}/endpoints/e`);
    expect((await put({ max_concurrent: 2 }, { headers: { "if-match": etag } })).status).toBe(200);
    expect((await put({ max_concurrent: 3 }, { headers: { "if-match": etag } })).json).toMatchObject({ code: "endpoint-changed" });
    const other = { headers: { "x-tenant-id": "other" } };
    expect((await api.ask("GET", `${v1}/endpoints/e`, other)).status).toBe(404);
    expect((await api.ask("GET", `${v1}/endpoints`, other)).json).toEqual({ endpoints: [] });
  });

  test.each<[string, object, string, string]>([
    ["no address", {}, "e", "invalid-endpoint"],
    ["no https", { ...address, url: "http://example.com" }, "e", "endpoint-not-https"],
    ["credentials", { ...address, url: "https://a:b@example.com" }, "e", "invalid-endpoint"],
    ["another protocol", { ...address, url: "ftp://example.com" }, "e", "invalid-endpoint"],
    ["a short secret", { ...address, secret: "whsec_YQ==" }, "e", "invalid-endpoint"],
    ["a header of the server's own", { ...address, headers: { "Webhook-Id": "a" } }, "e", "invalid-endpoint"],
    ["a header that is two", { ...address, headers: { a: "b\r\nc: d" } }, "e", "invalid-endpoint"],
    ["a malformed pattern", { ...address, task_queues: "job.[" }, "e", "invalid-endpoint"],
    ["too many at one time", { ...address, max_concurrent: 1_001 }, "e", "invalid-request"],
    ["an id that is none", address, "-", "invalid-endpoint"],
  ])("with %s is refused", async (_, body, id, code) => {
    expect((await put(body, { id })).json).toMatchObject({ status: 400, code });
  });

  test("on this machine is reached only when the configuration says so", async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await open(undefined, false);
    const endpoint = await openEndpoint(() => {});
    closing.push(endpoint.close);
    expect((await put({ ...address, url: endpoint.url })).json).toMatchObject({ code: "endpoint-not-https" });
    expect((await put({ ...address, url: endpoint.url.replace("http:", "https:") })).status).toBe(200);
    expect((await api.ask("POST", `${v1}/endpoints/e/test`)).json).toMatchObject({
      ok: false,
      status: null,
      error: "`127.0.0.1` has no public address, and `push.allowPrivate` does not name it",
    });
  });
});
