import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StoreError } from "../../store/store.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openApi(
    "version: v1\ndefault_decision: allow\nrules: [{ id: refunds, match: { topics: [activity.Refund] }, decision: require_approval }]",
  );
  await api.hold();
});
afterAll(() => api.close());

const vote = "/api/v1/approvals/x/approve";
const tooLarge = { text: " ".repeat(2 ** 20 + 1) };
const tooDeep = { text: `{"topic":"a","input":${"[".repeat(200_000)}${"]".repeat(200_000)}}` };
const evaluate = "/api/v1/policy/evaluate";

describe("bad input is a problem with a code", () => {
  test.each<[string, string, number, string, string, Parameters<TestApi["ask"]>[2]?]>([
    // method path                                status code        detail                  request
    ["GET", "/api/v1/nothing", 404, "no-such-route", "there is nothing at `GET /api/v1/nothing`"],
    ["DELETE", "/api/v1/approvals", 405, "method-not-allowed", "`/api/v1/approvals` is asked with GET"],
    ["GET", vote, 405, "method-not-allowed", "is asked with POST"],
    ["GET", "/api/%ZZ", 400, "bad-request", "the request cannot be understood"],
    ["GET", "/api/v1/approvals?limit=0", 400, "invalid-request", "#/limit: expected a whole number from 1 to 100"],
    ["GET", "/api/v1/approvals?limit=ten", 400, "invalid-request", "#/limit: expected a whole number"],
    ["GET", "/api/v1/approvals?limit=1&limit=2", 400, "invalid-request", "#/limit: expected a whole number"],
    ["GET", "/api/v1/approvals?include_resolved=maybe", 400, "invalid-request", "#/include_resolved: expected true or false"],
    ["GET", "/api/v1/approvals?resolved=true", 400, "invalid-request", "#/resolved: there is no such field"],
    ["GET", "/api/v1/approvals?cursor=x", 400, "bad-cursor", "`cursor` is not"],
    ["GET", "/api/v1/audit?cursor=x", 400, "bad-cursor", "`cursor` is not"],
    ["GET", "/api/v1/audit?since=yesterday", 400, "invalid-request", "#/since: expected a time such as 2026-01-18T09:30:00Z"],
    ["GET", "/api/v1/audit?until=2026-13-01T00:00:00Z", 400, "invalid-request", "#/until: expected a time"],
    ["GET", "/api/v1/audit?kind=decision,rumour", 400, "invalid-request", "#/kind: expected some of decision, approval-requested"],
    ["GET", "/api/v1/audit/export?limit=5", 400, "invalid-request", "#/limit: there is no such field"],
    ["POST", vote, 400, "bad-json", "the body is not JSON", { as: "ada", text: "{" }],
    ["POST", vote, 400, "bad-json", "the body is not JSON", { as: "ada", text: '{"__proto__":1}' }],
    ["POST", evaluate, 400, "bad-json", "the body is nested more than 200 times", tooDeep],
    ["POST", vote, 400, "invalid-request", "#/: expected an object", { as: "ada", body: ["reason"] }],
    ["POST", vote, 400, "invalid-request", "#/reason: expected a text", { as: "ada", body: { reason: 7 } }],
    ["POST", vote, 400, "invalid-request", "#/jobHash: there is no such field", { as: "ada", body: { jobHash: "x" } }],
    [
      "POST",
      vote,
      415,
      "not-json",
      "send JSON",
      { as: "ada", text: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } },
    ],
    ["POST", evaluate, 413, "too-large", "the body is larger than 1048576 bytes", tooLarge],
    ["POST", evaluate, 400, "topic-required", "topic is required"],
    ["POST", evaluate, 400, "topic-required", "topic is required", { body: { topic: " " } }],
    ["POST", evaluate, 400, "invalid-request", "#/labels/n: expected a text", { body: { topic: "a", labels: { n: 1 } } }],
    ["POST", evaluate, 400, "invalid-request", "#/kind: expected one of activity, job", { body: { topic: "a", kind: "wish" } }],
    ["POST", evaluate, 400, "invalid-request", "#/attempt: expected a whole number from 1", { body: { topic: "a", attempt: 0 } }],
    [
      "POST",
      evaluate,
      400,
      "invalid-request",
      "#/meta/risk_tags: expected a list of texts",
      { body: { topic: "a", meta: { risk_tags: "x" } } },
    ],
    [
      "POST",
      evaluate,
      403,
      "tenant-access-denied",
      "tenant access denied",
      { body: { topic: "a", tenant: "b" }, headers: { "x-tenant-id": "c" } },
    ],
  ])("%s %s: %i %s, %s", async (method, path, status, code, detail, request) => {
    const answer = await api.ask(method, path, request);
    expect(answer.type).toBe("application/problem+json; charset=utf-8");
    expect(answer).toMatchObject({ status, json: { status, code, detail: expect.stringContaining(detail) } });
  });
});

test("a database that cannot be used is told from a bug, and neither shows its inside", async () => {
  const { approvals } = api.core;
  const show = approvals.show;
  const failing = async (error: Error) => {
    Object.assign(approvals, { show: () => Promise.reject(error) });
    const answer = await api.ask("GET", "/api/v1/approvals/x");
    Object.assign(approvals, { show });
    return answer;
  };
  expect(await failing(new StoreError("disk of /secret/path is full"))).toMatchObject({ status: 503, json: { code: "unavailable" } });
  const bug = await failing(new Error("secret"));
  expect(bug).toMatchObject({ status: 500, json: { code: "internal" } });
  expect(bug.text).not.toContain("secret");
});
