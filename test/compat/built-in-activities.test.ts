import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkflowHandle } from "@temporalio/client";
import { temporal } from "@temporalio/proto";
import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statusWords } from "../../src/governance/approval/approval-entry.ts";
import { Holdfast } from "../../src/main.ts";
import { ApprovalStatus } from "../../src/protocol/generated/holdfast/state/v1/governance.ts";
import { signatureOf } from "../../src/service/built-in/webhook.ts";
import { governed, person } from "./governance-kit.ts";
import { bundleOf, eventsOf, setup, unique, until } from "./kit.ts";
import { cancel, cancelCall, rest, tryActivity, tryAll } from "./workflows/governance.ts";

// `holdfast.approval` and `holdfast.notify`, called by workflows of the published SDK and carried out by the server.

const taskQueue = "holdfast";
const options = { taskQueue, startToCloseTimeout: "10s" } as const;

describe("holdfast.approval", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-built-in-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  const allowing = "version: v1\ndefault_decision: allow\nrules: []";
  const ruling = (decision: string, terms = "") => `
version: v1
default_decision: allow
rules:
  - { id: releases, match: { topics: [activity.holdfast.approval] }, decision: ${decision}, reason: it is a Friday${terms} }
`;
  const server = governed({ policy: allowing, db: join(folder, "holdfast.db") });
  const compat = setup({ workflows: "governance", launch: server.launch, client: { identity: "shop" } });
  let code: { readonly workflowBundle: Awaited<ReturnType<typeof bundleOf>> };
  beforeAll(async () => {
    code = { workflowBundle: await bundleOf("governance") };
  });

  type Handle = Pick<WorkflowHandle, "workflowId" | "fetchHistory" | "describe">;
  const ask = (input: object, more: object = {}) =>
    compat.start(tryActivity, { args: ["holdfast.approval", [input], { ...options, ...more }] });
  const replay = async (handle: Handle) => Worker.runReplayHistory(code, await handle.fetchHistory(), handle.workflowId);
  const endOf = (id: string) =>
    until(async () => {
      const { status } = await server.approval(id);
      return status !== ApprovalStatus.PENDING && statusWords[status as keyof typeof statusWords];
    });
  const when = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);

  test("waits for people, who see title, reason and context; a grant is its result", async () => {
    const handle = await ask({
      title: "Deploy 7 to production",
      reason: "it fixes the checkout",
      approvers: { roles: ["ops"], principals: ["ann"] },
      expires_after: "1h",
      context: { build: 7, changes: ["checkout"] },
    });
    const approval = await server.approvalOf(handle);
    expect(approval).toMatchObject({
      activityType: "holdfast.approval",
      topic: "activity.holdfast.approval",
      ruleId: "holdfast.approval",
      title: "Deploy 7 to production",
      reason: "it fixes the checkout",
      context: '{"build":7,"changes":["checkout"]}',
      requirements: { approvers: { roles: ["ops"], principals: ["ann"] } },
    });
    expect(approval.expiresAt - approval.createdAt).toBe(3_600_000);
    const [pending] = (await handle.describe()).raw.pendingActivities ?? [];
    expect(pending).toMatchObject({
      state: temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED,
      pauseInfo: { rule: { ruleId: "holdfast.approval", reason: "it fixes the checkout" } },
    });
    expect(await server.vote(approval.id, "grant", { by: "eve" })).toEqual({ ok: false, error: "not-an-approver" });
    expect(await server.vote(approval.id, "grant", { reason: "fine" })).toMatchObject({ ok: true });
    expect(await handle.result()).toEqual({
      approved: true,
      approval_id: approval.id,
      reason: "fine",
      decided_by: [{ principal: "ann", reason: "fine", at: when }],
      decided_at: when,
    });
    expect(await eventsOf(handle, 5)).toContain("5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskCompleted");
    expect(await server.approval(approval.id)).toMatchObject({ status: ApprovalStatus.GRANTED, usedAt: expect.any(Number) });
    expect((await server.recordOf(handle.workflowId)).slice(-6)).toEqual([
      "decision REQUIRE_APPROVAL holdfast.approval attempt 1",
      "approval-requested holdfast.approval",
      "approval-vote grant by ann",
      "approval-closed granted",
      "approval-changed used",
      "decision REQUIRE_APPROVAL holdfast.approval attempt 1",
    ]);
    await replay(handle);
  });

  test("a rejection is a failure of its own type, with who and why", async () => {
    const handle = await ask({ title: "Delete the archive" });
    const { id, reason } = await server.approvalOf(handle);
    expect(reason).toBe("Delete the archive");
    await server.vote(id, "reject", { reason: "we need it" });
    expect(await handle.result()).toMatchObject({
      outer: "ActivityFailure",
      type: "ApprovalRejected",
      message: "rejected by ann: we need it",
      nonRetryable: true,
      details: {
        approved: false,
        approval_id: id,
        reason: "we need it",
        decided_by: [{ principal: "ann", reason: "we need it", at: when }],
        decided_at: when,
      },
    });
    await replay(handle);
  });

  test("what nobody decides in time fails as expired", async () => {
    const handle = await ask({ title: "Deploy", expires_after: "100ms" });
    const { id } = await server.approvalOf(handle);
    expect(await handle.result()).toMatchObject({
      type: "ApprovalExpired",
      message: "approval expired: Deploy",
      nonRetryable: true,
      details: { approved: false, approval_id: id, reason: "nobody decided in time", decided_by: [], decided_at: when },
    });
    expect(await endOf(id)).toBe("expired");
    await replay(handle);
  });

  test("waiting does not run its time-outs", async () => {
    const handle = await ask({ title: "Deploy" }, { startToCloseTimeout: "200ms", scheduleToCloseTimeout: "200ms" });
    const { id } = await server.approvalOf(handle);
    await (await compat.start(rest, { args: [400] })).result();
    await server.vote(id, "grant");
    expect(await handle.result()).toMatchObject({ approved: true });
  });

  test("a quorum and four eyes hold as for any approval", async () => {
    const handle = await ask({ title: "Deploy", quorum: 2, four_eyes: true });
    const { id } = await server.approvalOf(handle);
    expect(await server.vote(id, "grant", { by: "shop" })).toEqual({ ok: false, error: "self-approval" });
    await server.vote(id, "grant", { by: "ann" });
    await server.vote(id, "grant", { by: "bob" });
    expect(await handle.result()).toMatchObject({ approved: true, decided_by: [{ principal: "ann" }, { principal: "bob" }] });
  });

  test("cancelling the activity withdraws it", async () => {
    const call = { name: "holdfast.approval", args: [{ title: "Deploy" }], options } as const;
    const handle = await compat.start(cancelCall, { args: [call, "when-signalled"] });
    const { id } = await server.approvalOf(handle);
    await handle.signal(cancel);
    expect(await handle.result()).toBe("cancelled");
    expect(await endOf(id)).toBe("withdrawn");
    await replay(handle);
  });

  test("two at once are two approvals, each with its own end", async () => {
    const calls = ["one", "two"].map((title) => ({ name: "holdfast.approval", args: [{ title }], options }) as const);
    const handle = await compat.start(tryAll, { args: [calls] });
    const approvals = await until(async () => {
      const page = await server.core.approvals.list({ namespace: "default", all: false, after: null, limit: 100 });
      const ofRun = page.ok ? page.value.approvals.filter(({ workflowId }) => workflowId === handle.workflowId) : [];
      return ofRun.length === 2 && ofRun;
    });
    for (const { id, title } of approvals) await server.vote(id, title === "one" ? "reject" : "grant");
    expect(await handle.result()).toMatchObject([{ type: "ApprovalRejected" }, { approved: true }]);
    await replay(handle);
  });

  test("a restart while it is held loses nothing", async () => {
    const handle = await ask({ title: "Deploy", context: { build: 8 } });
    const { id } = await server.approvalOf(handle);
    await server.restart(allowing);
    expect(await server.approvalOf(handle)).toMatchObject({ id, title: "Deploy", context: '{"build":8}' });
    await server.vote(id, "grant");
    expect(await handle.result()).toMatchObject({ approved: true, approval_id: id });
    await replay(handle);
  });

  describe("and the policy", () => {
    test("may deny it, before anybody is asked and after", async () => {
      server.enforce(ruling("DENY"));
      expect(await (await ask({ title: "Deploy" })).result()).toMatchObject({ type: "PolicyDenied", message: "it is a Friday" });
      server.enforce(allowing);
      const handle = await ask({ title: "Deploy" });
      const { id } = await server.approvalOf(handle);
      server.enforce(ruling("DENY"));
      await server.vote(id, "grant");
      expect(await handle.result()).toMatchObject({ type: "PolicyDenied", message: "the policy denies it now: it is a Friday" });
      expect(await endOf(id)).toBe("void");
      server.enforce(allowing);
    });

    test("may demand more: the stricter terms of both hold, in one approval", async () => {
      server.enforce(ruling("REQUIRE_APPROVAL", ", approval: { principals: [ann, bob], quorum: 2 }"));
      const handle = await ask({ title: "Deploy", approvers: { principals: ["eve"] }, reason_required: true, expires_after: "1h" });
      const approval = await server.approvalOf(handle);
      expect(approval).toMatchObject({
        ruleId: "releases",
        title: "Deploy",
        reason: "Deploy; it is a Friday",
        requirements: { approvers: { principals: ["ann", "bob"] }, quorum: 2, reasonRequired: true, expiresAfter: 3_600_000 },
      });
      expect(await server.vote(approval.id, "grant", { by: "eve", reason: "please" })).toEqual({ ok: false, error: "not-an-approver" });
      await server.vote(approval.id, "grant", { by: "ann", reason: "fine" });
      await server.vote(approval.id, "grant", { by: "bob", reason: "fine" });
      expect(await handle.result()).toMatchObject({ approved: true, approval_id: approval.id });
      server.enforce(allowing);
      await replay(handle);
    });
  });

  describe("what is wrong fails at once, and is not tried again", () => {
    test.each([
      [[{ titel: "x" }], "`titel`: unknown key `titel`, did you mean `title`?"],
      [[{ quorum: 0 }], "`quorum`: expected a whole number from 1 to 100, not 0"],
      [["now"], "expected an object"],
    ])("the input %j", async (args, message) => {
      const handle = await compat.start(tryActivity, { args: ["holdfast.approval", args, options] });
      expect(await handle.result()).toMatchObject({ type: "InvalidInput", message, nonRetryable: true });
    });

    test("an activity type that the server does not know", async () => {
      const handle = await compat.start(tryActivity, { args: ["holdfast.aproval", [{}], options] });
      expect(await handle.result()).toMatchObject({
        type: "UnknownActivityType",
        message:
          "unknown activity type `holdfast.aproval`: task queue `holdfast` knows `holdfast.approval`, `holdfast.notify`, `holdfast.http`",
        nonRetryable: true,
      });
    });
  });

  test("no other worker takes tasks from its queue", async () => {
    const { workflowService } = compat.client;
    const message = /task queue `holdfast` is the server's own, no other worker can poll it/;
    const request = { namespace: "default", taskQueue: { name: taskQueue }, identity: "eve" };
    await expect(workflowService.pollActivityTaskQueue(request)).rejects.toThrow(message);
    await expect(workflowService.pollWorkflowTaskQueue(request)).rejects.toThrow(message);
  });

  test.each(["holdfast", "holdfast-dag", "holdfast-jobs"])("no workflow can be started on %s", async (name) => {
    const start = compat.client.workflow.start("anything", { taskQueue: name, workflowId: `on-${name}` });
    await expect(start).rejects.toMatchObject({
      cause: { details: `task queue \`${name}\` is the server's own, no workflow can be started on it` },
    });
  });

  test("a held activity cannot be completed from elsewhere", async () => {
    const handle = await ask({ title: "Deploy" });
    const { id, activityId } = await server.approvalOf(handle);
    const answer = compat.client.activity.complete({ workflowId: handle.workflowId, activityId }, { approved: true });
    await expect(answer).rejects.toThrow();
    await server.core.approvals.vote(
      { namespace: "default", id },
      { voter: person("ann"), verdict: "grant", reason: "", jobHash: null, policySnapshot: null },
    );
    expect(await handle.result()).toMatchObject({ approved: true, decided_by: [{ principal: "ann" }] });
  });
});

describe("without a policy, over HTTP", () => {
  const compat = setup({ workflows: "governance", server: { httpPort: 0 } });

  test("an approval is held, and granted by one request", async () => {
    const handle = await compat.start(tryActivity, { args: ["holdfast.approval", [{ title: "Deploy", context: { build: 7 } }], options] });
    const approvals = `http://${compat.server.httpAddress}/api/v1/approvals`;
    const [item] = await until(async () => {
      const { items } = (await (await fetch(approvals)).json()) as { items: readonly { id: string; title: string }[] };
      return items.length > 0 && items;
    });
    expect(item).toMatchObject({ title: "Deploy", context: { build: 7 }, activity_type: "holdfast.approval" });
    const voted = await fetch(`${approvals}/${item?.id}/approve`, { method: "POST", headers: { "x-principal-id": "ann" } });
    expect(voted.status).toBe(200);
    expect(await handle.result()).toMatchObject({ approved: true, decided_by: [{ principal: "ann" }] });
  });
});

describe("holdfast.notify", () => {
  type Received = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };
  const received: Received[] = [];
  /** What the webhook answers to each path, one after the other; 200 after that. */
  const answers = new Map<string, ((response: ServerResponse) => void)[]>();
  const hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const path = request.url ?? "";
      received.push({ path, headers: request.headers, body });
      const next = answers.get(path)?.shift();
      if (next === undefined) response.writeHead(200).end("ok");
      else next(response);
    });
  });
  const answering = (path: string, ...statuses: readonly (readonly [status: number, headers?: { [name: string]: string }])[]) =>
    answers.set(
      path,
      statuses.map(
        ([status, headers = {}]) =>
          (response) =>
            response.writeHead(status, headers).end(),
      ),
    );
  const at = (path: string) => received.filter((one) => one.path === path);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-notify-"));
  let origin = "";
  let server: Holdfast;
  const start = async (port: number) => {
    server = await Holdfast.start({
      db: join(folder, "holdfast.db"),
      port,
      httpPort: null,
      log: { level: "silent" },
      notify: { channels: { ops: `${origin}/ops` }, signingKey: "s3cret", allowPrivate: ["127.0.0.1"] },
    });
    return server;
  };
  const compat = setup({
    workflows: "governance",
    launch: async () => {
      await new Promise<void>((listening) => hook.listen(0, "127.0.0.1", listening));
      origin = `http://127.0.0.1:${(hook.address() as AddressInfo).port}`;
      const { address, httpAddress } = await start(0);
      return { address, httpAddress, drain: () => server.drain(), stop: () => server.stop() };
    },
  });
  afterAll(async () => {
    await new Promise((closed) => hook.close(closed).closeAllConnections());
    rmSync(folder, { recursive: true });
  });

  const tell = (input: object, more: object = {}) =>
    compat.start(tryActivity, {
      args: ["holdfast.notify", [input], { ...options, retry: { initialInterval: 10, maximumAttempts: 3 }, ...more }],
    });

  test("posts a signed message to a channel", async () => {
    const handle = await tell({ channel: "ops", title: "Deploy 7", text: "is live", severity: "info" });
    expect(await handle.result()).toEqual({ status: 200 });
    const { headers, body } = await until(() => at("/ops")[0]);
    expect(JSON.parse(body)).toMatchObject({
      text: "Deploy 7: is live",
      blocks: [{ type: "header" }, { type: "section" }, { type: "context" }],
    });
    const signature = String(headers["holdfast-signature"]);
    expect(signature).toBe(signatureOf(body, { key: "s3cret", seconds: Number(/^t=(\d+)/.exec(signature)?.[1]) }));
    expect(headers["idempotency-key"]).toMatch(/^[0-9a-f-]{36}\/\d+$/);
  });

  test("tries again after a failure of the receiver, under the same idempotency key", async () => {
    answering("/flaky", [500], [429, { "retry-after": "1" }]);
    expect(await (await tell({ url: `${origin}/flaky`, text: "hello" })).result()).toEqual({ status: 200 });
    expect(at("/flaky")).toHaveLength(3);
    expect(new Set(at("/flaky").map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
  });

  test("gives up when the retry policy does", async () => {
    answering("/down", [500], [502], [503]);
    const result = await (await tell({ url: `${origin}/down`, text: "hello" })).result();
    expect(result).toMatchObject({ type: "NotifyFailed", message: "`127.0.0.1` answered 503", retryState: "MAXIMUM_ATTEMPTS_REACHED" });
  });

  test.each([
    ["/bad", 400, "`127.0.0.1` answered 400"],
    ["/moved", 302, "`127.0.0.1` answered 302, and redirects are not followed"],
  ])("%s (%i) fails at once", async (path, status, message) => {
    answering(path, [status, { location: `${origin}/elsewhere` }]);
    const result = await (await tell({ url: origin + path, text: "hello" })).result();
    expect(result).toMatchObject({ type: "NotifyFailed", message, nonRetryable: true });
    expect(at(path)).toHaveLength(1);
    expect(at("/elsewhere")).toEqual([]);
  });

  test("an address that is not public is refused unless the configuration names it", async () => {
    const url = origin.replace("127.0.0.1", "localhost");
    expect(await (await tell({ url, text: "hello" })).result()).toMatchObject({
      type: "NotifyFailed",
      message: "`localhost` has no public address, and `notify.allowPrivate` does not name it",
      nonRetryable: true,
    });
  });

  test("wrong input fails at once and names the field", async () => {
    expect(await (await tell({ channel: "op", text: "hello" })).result()).toMatchObject({
      type: "InvalidInput",
      message: "`channel`: `op` is not one of `notify.channels`, did you mean `ops`?",
      nonRetryable: true,
    });
  });

  test("a cancelled call that heartbeats hangs up on its receiver", async () => {
    const path = `/${unique("silent")}`;
    let hungUp = () => {};
    const hangsUp = new Promise<void>((resolve) => {
      hungUp = resolve;
    });
    answers.set(path, [(response) => response.on("close", hungUp)]);
    const input = { url: origin + path, text: "hello" };
    const call = { name: "holdfast.notify", args: [input], options: { ...options, heartbeatTimeout: "200ms" } } as const;
    const handle = await compat.start(cancelCall, { args: [call, "when-signalled"] });
    await until(() => at(path).length === 1);
    await handle.signal(cancel);
    expect(await handle.result()).toBe("cancelled");
    await hangsUp;
  });

  test("what the server was sending when it stopped is sent again by the next one", async () => {
    const path = `/${unique("silent")}`;
    answers.set(path, [() => {}]);
    const handle = await tell({ url: origin + path, text: "hello" });
    await until(() => at(path).length === 1);
    await server.stop();
    await start(Number(server.address.split(":")[1]));
    expect(await handle.result()).toEqual({ status: 200 });
    expect(new Set(at(path).map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
  });
});
