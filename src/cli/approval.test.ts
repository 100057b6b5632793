import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openApi, type TestApi } from "../edge/rest/rest.test-kit.ts";
import { make } from "../protocol/codec.ts";
import { Header, Payload } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { jsonPayload } from "../service/approvals/approvals.test-kit.ts";
import { type Outcome, run } from "./cli.test-kit.ts";
import { oneLine, printable } from "./table.ts";

const policy = `
version: v1
actions: [{ match: { names: [Refund] }, topic: shop.refund, labels: { team: shop }, risk_tags: [money] }]
rules:
  - id: refunds
    match: { topics: [shop.refund] }
    decision: require_approval
    reason: money leaves the house
    approval: { roles: [finance], principals: [grace], quorum: 2, four_eyes: true, reason_required: true, expires_after: 1h }
`;

let api: TestApi;
beforeEach(async () => {
  api = await openApi(policy);
});
afterEach(() => api.close());

const approval = (...args: readonly string[]): Promise<Outcome> => run(["approval", ...args, "--address", new URL(api.url).host]);

test("list shows what waits, for people", async () => {
  expect(await approval("list")).toMatchObject({ exitCode: 0, printed: "nothing waits for approval", complaints: "" });
  const id = await api.hold();
  const { printed } = await approval("list");
  const [header = "", row = ""] = printed.split("\n");
  expect(header).toMatch(/^ID +STATUS +WHAT +ASKED BY +WORKFLOW +RULE +REASON +APPROVERS +EXPIRES$/);
  expect(row).toMatch(
    new RegExp(`^${id}  0 of 2 +Refund +shop +order-1 +refunds +money leaves the house +role finance or grace +2026-01-01T01:00:00.000Z$`),
  );
});

test("show has every fact, and none that is empty", async () => {
  const id = await api.hold();
  await approval("approve", id, "--as", "ada", "--role", "finance", "--reason", "looks right");
  const { printed } = await approval("show", id);
  const facts = printed.split("\n").map((line) => [line.slice(0, 12).trim(), line.slice(12)]);
  expect(facts).toEqual([
    ["Approval", id],
    ["Status", "pending"],
    ["Kind", "activity"],
    ["Action", "Refund (id 1, task queue orders)"],
    ["Workflow", expect.stringMatching(/^Order order-1 \(run [0-9a-f-]{36}\)$/)],
    ["Topic", "shop.refund"],
    ["Labels", "team=shop"],
    ["Risk", "money"],
    ["Asked by", "shop"],
    ["Started by", "shop"],
    ["Because", "money leaves the house (rule refunds)"],
    ["Approvers", "role finance or grace"],
    ["Conditions", "only people, and not whoever started the workflow, with a reason"],
    ["Grants", "1 of 2"],
    ["Vote", "grant by ada (finance) at 2026-01-01T00:00:00.000Z: looks right"],
    ["Asked at", "2026-01-01T00:00:00.000Z"],
    ["Expires at", "2026-01-01T01:00:00.000Z"],
    ["Job hash", expect.stringMatching(/^[0-9a-f]{64}$/)],
    ["Policy", api.core.kernel.snapshot().hash],
  ]);
});

test("show has what the action is given", async () => {
  const encrypted = make(Payload, { metadata: { encoding: Buffer.from("binary/encrypted") }, data: Buffer.from("4711") });
  const header = make(Header, { fields: { trace: jsonPayload("t-1") } });
  const id = await api.hold({ input: [jsonPayload({ amount: 250 }), encrypted, jsonPayload("x".repeat(3_000))], header });
  const { printed } = await approval("show", id);
  expect(printed.split("\n").filter((line) => /^(Input|Header)/.test(line))).toEqual([
    'Input       {"amount":250}',
    "Input       (binary/encrypted, 4 bytes; encrypted: only those who have the key can read it)",
    expect.stringMatching(/^Input {7}"x{1999}… \(--json shows more\)$/),
    'Header      trace: "t-1"',
  ]);
});

test("a change that is to be approved is shown as lines", async () => {
  const id = await api.hold({
    input: [jsonPayload({ diff: "--- a/pool.conf\n+++ b/pool.conf\n-connections = 4\n+connections = 40\u001b[2J\n" })],
  });
  expect((await approval("show", id)).printed.split("\n").slice(-5)).toEqual([
    ...["", "--- a/pool.conf", "+++ b/pool.conf", "-connections = 4", "+connections = 40\\u001b[2J"],
  ]);
});

test("whoever votes sees what about, and votes on exactly that", async () => {
  const id = await api.hold({ input: [jsonPayload({ amount: 250 })] });
  const { printed } = await approval("approve", id, "--as", "ada", "--role", "finance", "--reason", "fine");
  for (const fact of ['Input       {"amount":250}', "Asked by    shop", "Because     money leaves the house (rule refunds)"])
    expect(printed.split("\n")).toContain(fact);
  const json = JSON.parse((await approval("approve", id, "--as", "grace", "--reason", "fine", "--json")).printed);
  expect(json).toMatchObject({ id, status: "granted" });
});

test("--json is what the server says", async () => {
  const id = await api.hold();
  const shown = (await api.ask("GET", `/api/v1/approvals/${id}`)).json;
  const listed = (await api.ask("GET", "/api/v1/approvals")).json.items;
  expect(JSON.parse((await approval("show", id, "--json")).printed)).toEqual(shown);
  expect(JSON.parse((await approval("list", "--json")).printed)).toEqual(listed);
});

test.each<[readonly string[], boolean]>([
  [["--status", "pending"], true],
  [["--status", "granted"], false],
  [["--workflow-id", "order-1", "--topic", "shop.refund"], true],
  [["--workflow-id", "order-2"], false],
  [["--topic", "shop.other"], false],
])("list %j", async (options, isThere) => {
  const id = await api.hold();
  expect((await approval("list", ...options)).printed.includes(id)).toBe(isThere);
});

test("one hands it over, and another grants", async () => {
  const id = await api.hold();
  const delegated = await approval("delegate", id, "--as", "grace", "--to", "dora", "--reason", "on leave");
  expect(delegated).toMatchObject({ exitCode: 0, printed: "Refund of order-1 is for dora to decide; it has 0 of 2 grants" });
  expect((await approval("list")).printed).toContain("role finance or dora");
  expect((await approval("show", id)).printed).toMatch(/^Delegated +by grace to dora at .*: on leave$/m);
  api.core.clock.advance(1);
  expect((await approval("approve", id, "--as", "dora", "--reason", "fine")).printed).toMatch(/^Refund of order-1 has 1 of 2 grants$/m);
});

test("whoever asked takes it back", async () => {
  const id = await api.hold();
  expect(await approval("withdraw", id, "--as", "grace")).toMatchObject({
    exitCode: 1,
    complaints: expect.stringContaining("(not-the-requester)"),
  });
  expect(await approval("withdraw", id, "--as", "shop", "--reason", "not needed")).toMatchObject({
    printed: "Refund of order-1 is withdrawn",
  });
  expect((await approval("show", id)).printed).toMatch(/^Status +withdrawn: withdrawn by shop: not needed$/m);
});

test("the votes of two people grant", async () => {
  const id = await api.hold();
  const { json } = await api.ask("GET", `/api/v1/approvals/${id}`);
  const seen = ["--job-hash", String(json.job_hash), "--policy-snapshot", String(json.policy_snapshot)];
  const first = await approval("approve", id, "--as", "ada", "--role", "ops", "--role", "finance", "--reason", "fine", ...seen);
  expect(first).toMatchObject({ exitCode: 0, printed: expect.stringMatching(/\n\nRefund of order-1 has 1 of 2 grants$/) });
  expect((await approval("approve", id, "--as", "grace", "--reason", "fine")).printed).toMatch(/\n\nRefund of order-1 is granted$/);
  expect((await approval("list")).printed).toBe("nothing waits for approval");
  expect((await approval("list", "--all")).printed).toContain("granted");
});

test("one person rejects", async () => {
  const id = await api.hold();
  expect((await approval("reject", id, "--as", "grace", "--reason", "wrong account")).printed).toMatch(
    /\n\nRefund of order-1 is rejected$/,
  );
  expect((await approval("show", id)).printed).toMatch(/^Status +rejected: wrong account$/m);
});

describe("what is refused", () => {
  test.each<[readonly string[], number, string]>([
    [["approve", "ID"], 2, "required option '--as <id>' not specified"],
    [["delegate", "ID", "--as", "ada"], 2, "required option '--to <id>' not specified"],
    [["list", "--status", "open"], 1, "expected one of pending, granted, rejected, expired, withdrawn, void (invalid-request)"],
    [["list", "--limit", "none"], 2, "expected a whole number above 0"],
    [["approve", "ID", "--as", "ada", "--reason", "x"], 1, "holdfast: the rule asks other approvers (not-an-approver)"],
    [["approve", "ID", "--as", "grace"], 1, "holdfast: the rule wants a reason with every vote (reason-required)"],
    [["approve", "ID", "--as", "grace", "--job-hash", "0"], 1, "(job-hash-mismatch)"],
    [["show", "ID", "--namespace", "other"], 1, "holdfast: this tenant has no such approval (no-such-approval)"],
    [["show", "../audit"], 1, "(no-such-approval)"],
    [["list", "--namespace", "nobody"], 1, "holdfast: this tenant does not exist (no-such-namespace)"],
  ])("%j: exit code %i", async (args, exitCode, complaint) => {
    const id = await api.hold();
    const outcome = await approval(...args.map((arg) => (arg === "ID" ? id : arg)));
    expect(outcome.complaints).toContain(complaint);
    expect(outcome).toMatchObject({ exitCode, printed: "" });
  });
});

test("the address may come from the environment; where nobody answers is a sentence", async () => {
  expect(await run(["approval", "list"], { HOLDFAST_HTTP_ADDRESS: api.url })).toMatchObject({ exitCode: 0 });
  expect(await run(["approval", "list", "--address", "127.0.0.1:1"])).toMatchObject({
    exitCode: 1,
    printed: "",
    complaints: expect.stringMatching(/^holdfast: no server answers at 127\.0\.0\.1:1 \(.*\); name its HTTP port with --address$/),
  });
});

test("what others wrote cannot draw on the terminal", () => {
  expect(printable('{"a": "\u009b2J\u007f"}\r\n\tb\u001b[2J\rc')).toBe('{"a": "\\u009b2J\\u007f"}\r\n\tb\\u001b[2J\\u000dc');
  expect(oneLine("fine\n\u001b[2Japproved\u202e \u0000")).toBe("fine \ufffd[2Japproved\ufffd \ufffd");
});
