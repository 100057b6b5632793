import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hourMs } from "../../base/time.ts";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { Header, Payload } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { TerminateWorkflowExecutionRequest } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { jsonPayload, pollActivity } from "../../service/approvals/approvals.test-kit.ts";
import { patient } from "../../service/service.test-kit.ts";
import { problemOf } from "./problem.ts";
import { openApi, type TestApi } from "./rest.test-kit.ts";

const policy = `
version: v1
actions:
  - { match: { names: [Refund] }, topic: shop.refund, capability: money.refund, risk_tags: [money], labels: { team: shop } }
rules:
  - id: refunds
    match: { topics: [shop.refund] }
    decision: require_approval
    reason: money leaves the house
    approval: { roles: [finance], principals: [grace], expires_after: 1h }
  - id: deploys
    match: { topics: [activity.Deploy] }
    decision: require_approval
    approval: { quorum: 2, four_eyes: true, reason_required: true }
`;

let api: TestApi;
beforeEach(async () => {
  api = await openApi(policy);
});
afterEach(() => api.close());

describe("a person who decides", () => {
  test("sees all there is to know", async () => {
    const id = await api.hold();
    const { status, json } = await api.ask("GET", "/api/v1/approvals");
    expect(status).toBe(200);
    const created = new Date(api.core.clock.now()).toISOString();
    expect(json).toEqual({
      items: [
        {
          id,
          status: "pending",
          workflow_id: "order-1",
          workflow_type: "Order",
          run_id: expect.any(String),
          kind: "activity",
          activity_id: "1",
          activity_type: "Refund",
          task_queue: "orders",
          topic: "shop.refund",
          labels: { team: "shop" },
          capability: "money.refund",
          risk_tags: ["money"],
          requester: { id: "shop", kind: "service", roles: [] },
          starter: { id: "shop", kind: "service", roles: [] },
          title: "",
          context: null,
          rule_id: "refunds",
          reason: "money leaves the house",
          policy_snapshot: api.core.kernel.snapshot().hash,
          job_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
          requirements: {
            roles: ["finance"],
            principals: ["grace"],
            quorum: 1,
            four_eyes: false,
            reason_required: false,
            expires_after_ms: hourMs,
            on_expiry: "deny",
            escalations: [],
          },
          approvers: { anybody: false, roles: ["finance"], principals: ["grace"] },
          grants: 0,
          grants_needed: 1,
          votes: [],
          delegations: [],
          created_at: created,
          expires_at: new Date(api.core.clock.now() + hourMs).toISOString(),
          escalates_at: null,
          escalated_at: null,
          closed_at: null,
          close_reason: "",
          used_at: null,
        },
      ],
      next_cursor: null,
    });
    expect((await api.ask("GET", `/api/v1/approvals/${id}`)).json).toEqual({
      ...json.items?.[0],
      input: [],
      header: {},
      history_path: `/namespaces/default/workflows/order-1/${json.items?.[0]?.run_id}/history`,
    });
  });

  test("sees what the action is given", async () => {
    const encrypted = make(Payload, { metadata: { encoding: Buffer.from("binary/encrypted") }, data: Buffer.from("4711") });
    const id = await api.hold({
      workflowId: "order/7 ü",
      input: [jsonPayload({ amount: 250 }), encrypted],
      header: make(Header, { fields: { trace: jsonPayload("t-1") } }),
    });
    expect((await api.ask("GET", `/api/v1/approvals/${id}`)).json).toMatchObject({
      input: [
        { encoding: "json/plain", bytes: 14, value: { amount: 250 } },
        { encoding: "binary/encrypted", bytes: 4, note: "encrypted: only those who have the key can read it" },
      ],
      header: { trace: { encoding: "json/plain", bytes: 5, value: "t-1" } },
      history_path: expect.stringMatching(/^\/namespaces\/default\/workflows\/order%2F7%20%C3%BC\/[0-9a-f-]{36}\/history$/),
    });
  });

  test.each([
    ["approve", "granted", { verdict: "grant", reason: "", voter: { id: "ada", kind: "human", roles: ["finance", "ops"] } }, undefined],
    [
      "reject",
      "rejected",
      { verdict: "reject", reason: "not now\ncall me", voter: { id: "ada", kind: "human", roles: ["finance", "ops"] } },
      { reason: "not now", note: "call me" },
    ],
  ])("%ss it", async (verb, status, vote, body) => {
    const id = await api.hold();
    const headers = { "x-principal-role": "finance, ops" };
    const voted = await api.ask("POST", `/api/v1/approvals/${id}/${verb}`, { as: "ada", headers, ...(body === undefined ? {} : { body }) });
    expect(voted).toMatchObject({ status: 200, json: { id, status, votes: [vote] } });
    expect((await api.ask("GET", "/api/v1/approvals")).json.items).toEqual([]);
    expect((await api.ask("GET", "/api/v1/approvals?include_resolved=true")).json.items).toMatchObject([{ id, status }]);
  });

  test.each(["approve", "reject", "withdraw"])("%s: a body that is no object is none, `null` neither", async (verb) => {
    const id = await api.hold();
    for (const body of [null, [], 7, "fine"]) {
      const asked = await api.ask("POST", `/api/v1/approvals/${id}/${verb}`, { as: "ada", body });
      expect(asked).toMatchObject({ status: 400, json: { code: "invalid-request", errors: [{ detail: "expected an object" }] } });
    }
    expect((await api.ask("GET", `/api/v1/approvals/${id}`)).json.status).toBe("pending");
  });

  test("counts for what they have seen", async () => {
    const id = await api.hold();
    const { json } = await api.ask("GET", `/api/v1/approvals/${id}`);
    const body = { job_hash: json.job_hash, policy_snapshot: json.policy_snapshot };
    expect(await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "grace", body })).toMatchObject({ status: 200 });
  });

  test("may be one of several", async () => {
    const id = await api.hold({ activityType: "Deploy" });
    const approve = (as: string) => api.ask("POST", `/api/v1/approvals/${id}/approve`, { as, body: { reason: "fine" } });
    expect((await approve("ada")).json).toMatchObject({ status: "pending", grants: 1, grants_needed: 2 });
    expect((await approve("grace")).json).toMatchObject({ status: "granted", grants: 2 });
  });
});

describe("whoever is asked may hand it over", () => {
  test("and then the other one decides", async () => {
    const id = await api.hold();
    const body = { to: "dora", reason: "on leave" };
    const delegated = await api.ask("POST", `/api/v1/approvals/${id}/delegate`, { as: "grace", body });
    expect(delegated).toMatchObject({
      status: 200,
      json: {
        status: "pending",
        approvers: { roles: ["finance"], principals: ["dora"] },
        delegations: [{ from: { id: "grace" }, to: "dora", reason: "on leave" }],
      },
    });
    expect((await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "grace" })).json).toMatchObject({ code: "already-delegated" });
    expect((await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "dora" })).json).toMatchObject({ status: "granted" });
  });

  test.each<[number, string, Parameters<TestApi["ask"]>[2]]>([
    [400, "invalid-request", { as: "grace" }],
    [400, "principal-required", { body: { to: "dora" } }],
    [400, "bad-delegate", { as: "grace", body: { to: "grace" } }],
    [400, "bad-delegate", { as: "grace", body: { to: " " } }],
    [403, "not-an-approver", { as: "ada", body: { to: "dora" } }],
    [403, "self-approval", { as: "grace", body: { to: "shop" } }],
    [404, "no-such-approval", { as: "grace", body: { to: "dora" }, headers: { "x-tenant-id": "other" } }],
  ])("%i %s", async (status, code, asked) => {
    const id = await api.hold();
    expect((await api.ask("POST", `/api/v1/approvals/${id}/delegate`, asked)).json).toMatchObject({ status, code });
    expect((await api.ask("GET", `/api/v1/approvals/${id}`)).json).toMatchObject({ status: "pending", delegations: [] });
  });
});

describe("whoever asked may take it back", () => {
  test("and the action is refused", async () => {
    const id = await api.hold();
    const withdrawn = await api.ask("POST", `/api/v1/approvals/${id}/withdraw`, { as: "shop", body: { reason: "wrong customer" } });
    expect(withdrawn).toMatchObject({ status: 200, json: { status: "withdrawn", close_reason: "withdrawn by shop: wrong customer" } });
    expect(await pollActivity(api.core)).toBeNull();
    expect((await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "grace" })).json).toMatchObject({ code: "not-pending" });
  });

  test.each<[number, string, Parameters<TestApi["ask"]>[2]]>([
    [400, "principal-required", {}],
    [400, "bad-reason", { as: "shop", body: { reason: "x".repeat(5000) } }],
    [403, "not-the-requester", { as: "grace" }],
    [404, "no-such-approval", { as: "shop", headers: { "x-tenant-id": "other" } }],
  ])("%i %s", async (status, code, asked) => {
    const id = await api.hold();
    expect((await api.ask("POST", `/api/v1/approvals/${id}/withdraw`, asked)).json).toMatchObject({ status, code });
    expect((await api.ask("GET", `/api/v1/approvals/${id}`)).json).toMatchObject({ status: "pending" });
  });
});

describe("a grant is for what was asked", () => {
  test.each([
    ["the catalogue means something else by it now", policy.replace("team: shop", "team: shop, tier: gold"), "void"],
    [
      "the policy denies it now",
      policy.replace("decision: require_approval\n    reason: money", "decision: deny\n    reason: money"),
      "void",
    ],
    ["the policy is another one, and asks for the same", policy.replace("money leaves the house", "money leaves us"), "granted"],
  ])("%s → %s", async (_, now, status) => {
    const id = await api.hold();
    api.core.kernel.enforce(
      snapshotFrom(
        now.replace(
          "approval: { roles: [finance], principals: [grace], expires_after: 1h }",
          now.includes("decision: deny") ? "" : "approval: { principals: [grace] }",
        ),
      ),
    );
    expect((await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "grace" })).json).toMatchObject({ status });
    expect(await pollActivity(api.core)).toBe(status === "granted" ? "Refund" : null);
  });

  test("and is used once", async () => {
    const id = await api.hold();
    const approve = () => api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "grace" });
    expect(await approve()).toMatchObject({ status: 200, json: { status: "granted", used_at: expect.any(String) } });
    expect(await pollActivity(api.core)).toBe("Refund");
    expect(await approve()).toMatchObject({ status: 409, json: { code: "not-pending" } });
    expect(await pollActivity(api.core)).toBeNull();
  });
});

describe("a vote that does not count", () => {
  type Vote = Parameters<TestApi["ask"]>[2] & { readonly on?: string; readonly activityType?: string };
  test.each<[number, string, string, Vote]>([
    // status  code            verb       vote
    [400, "principal-required", "approve", {}],
    [400, "bad-principal", "approve", { as: "ada", headers: { "x-principal-kind": "robot" } }],
    [400, "reason-required", "approve", { as: "ada", activityType: "Deploy" }],
    [400, "bad-reason", "reject", { as: "grace", body: { reason: "x".repeat(5000) } }],
    [403, "self-approval", "approve", { as: "shop", headers: { "x-principal-role": "finance" } }],
    [403, "not-an-approver", "approve", { as: "ada" }],
    [403, "not-a-person", "approve", { as: "bot", headers: { "x-principal-kind": "service" }, activityType: "Deploy" }],
    [404, "no-such-approval", "approve", { as: "grace", on: "another" }],
    [404, "no-such-approval", "reject", { as: "grace", headers: { "x-tenant-id": "other" } }],
    [404, "no-such-namespace", "approve", { as: "grace", headers: { "x-tenant-id": "nobody" } }],
    [409, "job-hash-mismatch", "approve", { as: "grace", body: { job_hash: "00" } }],
    [409, "snapshot-mismatch", "approve", { as: "grace", body: { policy_snapshot: "00" } }],
  ])("%i %s", async (status, code, verb, { on, activityType, ...vote }) => {
    const id = await api.hold(activityType === undefined ? {} : { activityType });
    const { type, json } = await api.ask("POST", `/api/v1/approvals/${on ?? id}/${verb}`, vote);
    expect(type).toMatch("application/problem+json");
    expect(json).toMatchObject({ status, code, title: expect.any(String), detail: expect.any(String) });
    expect((await api.ask("GET", `/api/v1/approvals/${id}`)).json).toMatchObject({ status: "pending", votes: [] });
  });

  test("409 not-pending: it has ended", async () => {
    const id = await api.hold();
    await api.ask("POST", `/api/v1/approvals/${id}/reject`, { as: "grace" });
    expect((await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "grace" })).json).toMatchObject({
      status: 409,
      code: "not-pending",
    });
  });

  test("409 already-voted: by the same person", async () => {
    const id = await api.hold({ activityType: "Deploy" });
    const approve = () => api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "ada", body: { reason: "fine" } });
    await approve();
    expect((await approve()).json).toMatchObject({ status: 409, code: "already-voted" });
  });

  test("409 too-late: its time is over", async () => {
    const id = await api.hold();
    api.core.clock.jump(2 * hourMs);
    expect((await api.ask("POST", `/api/v1/approvals/${id}/approve`, { as: "grace" })).json).toMatchObject({
      status: 409,
      code: "too-late",
    });
  });

  test("503 busy: somebody else was always faster", () => {
    expect(problemOf("busy")).toMatchObject({ status: 503, code: "busy" });
  });
});

test("a page ends at its limit, and the next one begins there", async () => {
  const ids = [await api.hold(), await api.hold(), await api.hold()];
  const first = (await api.ask("GET", "/api/v1/approvals?limit=2")).json;
  const second = (await api.ask("GET", `/api/v1/approvals?limit=2&cursor=${encodeURIComponent(String(first.next_cursor))}`)).json;
  expect([...(first.items ?? []), ...(second.items ?? [])].map(({ id }) => id).sort()).toEqual(ids.sort());
  expect(second.next_cursor).toBeNull();
});

describe("filters", () => {
  test.each([
    // of: a refund of order-1, a deploy of order-2, a rejected refund of order-3 and another refund of order-3
    ["", "order-1 order-2 order-3"],
    ["?include_resolved=true", "order-1 order-2 order-3 order-3"],
    ["?status=pending", "order-1 order-2 order-3"],
    ["?status=rejected", "order-3"],
    ["?status=rejected&include_resolved=false", "order-3"],
    ["?status=void", ""],
    ["?workflow_id=order-3", "order-3"],
    ["?workflow_id=order-3&include_resolved=true", "order-3 order-3"],
    ["?workflow_id=order", ""],
    ["?topic=shop.refund", "order-1 order-3"],
    ["?topic=activity.Deploy", "order-2"],
    ["?topic=shop.refund&limit=1", "order-1"],
    ["?topic=shop.refund&status=rejected&workflow_id=order-3", "order-3"],
  ])("%s", async (query, expected) => {
    await api.hold();
    api.core.clock.advance(1);
    await api.hold({ activityType: "Deploy" });
    api.core.clock.advance(1);
    await api.ask("POST", `/api/v1/approvals/${await api.hold()}/reject`, { as: "grace" });
    api.core.clock.advance(1);
    await api.core.services.terminateWorkflowExecution(
      make(TerminateWorkflowExecutionRequest, { namespace: "default", workflowExecution: { workflowId: "order-3", runId: "" } }),
      patient,
    );
    await api.hold({ workflowId: "order-3" });
    const { json } = await api.ask("GET", `/api/v1/approvals${query}`);
    expect([...(json.items ?? [])].map((item) => item.workflow_id).join(" ")).toBe(expected);
  });

  test("a page of one topic goes on where it ended", async () => {
    for (const activityType of ["Refund", "Deploy", "Deploy", "Refund"]) {
      await api.hold({ activityType });
      api.core.clock.advance(1);
    }
    const seen: unknown[] = [];
    for (let cursor: unknown = ""; cursor !== null; ) {
      const { json } = await api.ask("GET", `/api/v1/approvals?topic=shop.refund&limit=1${cursor === "" ? "" : `&cursor=${cursor}`}`);
      seen.push(...[...(json.items ?? [])].map((item) => item.workflow_id));
      cursor = json.next_cursor;
    }
    expect(seen).toEqual(["order-1", "order-4"]);
  });

  test("a status that there is not", async () => {
    expect((await api.ask("GET", "/api/v1/approvals?status=open")).json).toMatchObject({
      code: "invalid-request",
      detail: "#/status: expected one of pending, granted, rejected, expired, withdrawn, void",
    });
  });
});

test("a tenant sees its own", async () => {
  const id = await api.hold({ namespace: "other" });
  const headers = { "x-tenant-id": "other" };
  expect((await api.ask("GET", "/api/v1/approvals")).json.items).toEqual([]);
  expect((await api.ask("GET", "/api/v1/approvals", { headers })).json.items).toMatchObject([{ id }]);
  expect((await api.ask("GET", `/api/v1/approvals/${id}`)).json).toMatchObject({ status: 404, code: "no-such-approval" });
  expect((await api.ask("GET", `/api/v1/approvals/${id}`, { headers })).status).toBe(200);
});
