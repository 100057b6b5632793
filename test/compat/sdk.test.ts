import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  allowedPath,
  checkBudget,
  checkDiff,
  checkTool,
  constraints,
  fetch as guardedFetch,
  idempotencyKey,
  reportUsage,
} from "@holdfast/sdk/activity";
import { acting, denialOf, holdfastInterceptor } from "@holdfast/sdk/client";
import { holdfastPlugin, remoteKernel } from "@holdfast/sdk/worker";
import type { ActionFields } from "@holdfast/sdk/workflow";
import { activityInfo } from "@temporalio/activity";
import { Client } from "@temporalio/client";
import { METADATA_ENCODING_KEY, type Payload, type PayloadCodec } from "@temporalio/common";
import type { temporal } from "@temporalio/proto";
import type { WorkerOptions } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Holdfast } from "../../src/main.ts";
import { causesOf, eventNamed, rejectionOf, setup, unique, until, workflowsPath } from "./kit.ts";
import { type Activities, askPeople, type Call, governedCall, governedChild, localCall, nestedCall, plainCall } from "./workflows/sdk.ts";

// What @holdfast/sdk says and hears, between the published Temporal SDK and a server with a policy.

const folder = mkdtempSync(join(tmpdir(), "holdfast-sdk-"));
const policyFile = join(folder, "policy.yaml");
writeFileSync(
  policyFile,
  `version: v1
default_decision: allow
actions:
  - match: { activity_types: [restart] }
    when: args[0] == "ledger"
    topic: job.restart.ledger
    labels: { env: prod }
rules:
  - id: no-night-work
    match: { capabilities: [service.restart], risk_tags: [night], labels: { env: prod, team: shop } }
    decision: deny
    reason: nobody restarts production at night
    remediations: [{ id: wait, title: Wait for the morning }]
  - id: ledger-stays
    match: { topics: [job.restart.ledger], labels: { env: prod } }
    decision: deny
    reason: the ledger is not restarted
  - id: production
    match: { topics: [job.restart], labels: { env: prod } }
    decision: deny
    reason: production is not restarted
  - id: the-agent
    match: { actor_ids: [ops-agent] }
    decision: deny
    reason: the agent only looks
  - id: a-person-first
    match: { names: [hold] }
    decision: require_approval
    constraints: { toolchain: { allowed_tools: [git] } }
    reason: held by a person
  - id: slowly
    match: { names: [slow] }
    decision: throttle
    delay: 3s
    reason: not so fast
  - id: within-bounds
    match: { names: [probe, think] }
    decision: allow_with_constraints
    reason: within bounds
    constraints:
      sandbox: { network_allowlist: ["127.0.0.1"], fs_read_write: ["${join(folder, "open")}"] }
      toolchain: { allowed_tools: [git] }
      diff: { max_lines: 2, deny_path_globs: ["secrets/*"] }
      budgets: { max_output_bytes: 200 }
  - id: no-sneaking
    match: { kinds: [local-activity], names: [sneak] }
    decision: deny
    reason: nobody sneaks
  - id: closed-environment
    match: { labels: { env: forbidden } }
    decision: deny
    reason: this environment is closed
  - id: no-peeking
    match: { topics: [local.secret] }
    decision: deny
    reason: secrets are not looked at
`,
);

const ran: string[] = [];
const web = createServer((request, response) => {
  if (request.url === "/away") response.writeHead(302, { location: "http://[::1]:1/" });
  response.end("here");
});
const webUrl = () => `http://127.0.0.1:${(web.address() as AddressInfo).port}`;

const diffOf = (file: string, lines: number): string =>
  [`--- a/${file}`, `+++ b/${file}`, `@@ -0,0 +1,${lines} @@`, ...Array.from({ length: lines }, () => "+new")].join("\n");

const activities: Activities = {
  restart: async (service) => {
    ran.push(`restart ${service}`);
    return `restarted ${service}`;
  },
  probe: async ({ kind, value }) => {
    if (kind === "url") return (await guardedFetch(value.replace("WEB", webUrl()))).text();
    if (kind === "write") return allowedPath(join(folder, value), "write");
    if (kind === "tool") checkTool(value);
    if (kind === "diff") checkDiff(diffOf(value, value === "long.ts" ? 3 : 2));
    return kind === "key" ? idempotencyKey() : `${kind} is fine, as ${JSON.stringify(Object.keys(constraints()).sort())}`;
  },
  think: async (prompt) => {
    reportUsage({ tokens: 100, usd: 0.01 });
    checkBudget({ tokens: 1_000_000 });
    reportUsage({ tokens: 20 });
    if (prompt === "fail") throw new TypeError("no idea");
    return prompt;
  },
  hold: async (what) => {
    ran.push(`hold ${what}`);
    return JSON.stringify(constraints());
  },
  slow: async (what) => {
    ran.push(`slow ${what}`);
  },
  sneak: async (where) => {
    ran.push(`sneak ${where}`);
  },
  peek: async (what) => {
    ran.push(`peek ${what} ${activityInfo().attempt}`);
    return `saw ${what}`;
  },
};

beforeAll(() => new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve)));
afterAll(async () => {
  await new Promise((resolve) => web.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

describe("with a server that decides", () => {
  let server: Holdfast;
  const compat = setup({
    workflows: "sdk",
    activities,
    launch: async () => {
      server = await Holdfast.start({ db: ":memory:", port: 0, httpPort: 0, log: { level: "error" }, policy: [policyFile] });
      return server;
    },
    client: { interceptors: { workflow: [holdfastInterceptor()] } },
    worker: null,
  });
  beforeAll(async () => {
    await compat.runWorker({
      workflowsPath: workflowsPath("sdk"),
      plugins: [holdfastPlugin({ kernel: { address: server.httpAddress ?? "" } })],
    });
  });
  const approvals = async (path: string, body?: object) => {
    const response = await fetch(`http://${server.httpAddress}/api/v1/approvals${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { "x-principal-id": "ann", "x-principal-role": "ops", "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as {
      readonly id: string;
      readonly items: readonly { readonly id: string; readonly workflow_id: string }[];
    };
  };
  const scheduledHeader = async (handle: Parameters<typeof eventNamed>[0]) => {
    const { activityTaskScheduledEventAttributes: scheduled } = await eventNamed(handle, "ActivityTaskScheduled");
    return Object.fromEntries(
      Object.entries(scheduled?.header?.fields ?? {}).map(([name, payload]) => [
        name,
        JSON.parse(Buffer.from(payload.data ?? []).toString()),
      ]),
    );
  };

  test("what the call site says is what rules see, and travels with the activity", async () => {
    const handle = await compat.start(governedCall, {
      args: [
        { name: "restart", with: "checkout" },
        { topic: "job.restart", labels: { env: "staging" }, requires: ["network"] },
      ],
    });
    expect(await handle.result()).toBe("restarted checkout");
    expect(await scheduledHeader(handle)).toMatchObject({
      "holdfast-action": { v: 1, topic: "job.restart", labels: { env: "staging" }, requires: ["network"] },
      "holdfast-decision": { effect: "ALLOW", rule: null },
    });
  });
  test("a denial is read by one function", async () => {
    const fields = { topic: "job.restart", labels: { env: "prod" } };
    const handle = await compat.start(governedCall, { args: [{ name: "restart", with: "checkout" }, fields] });
    expect(await handle.result()).toEqual({
      denial: {
        rule: "production",
        reason: "production is not restarted",
        snapshot: expect.stringMatching(/^[0-9a-f]{64}$/),
        jobHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        remediations: [],
      },
    });
    expect(ran).not.toContain("restart prod");
  });
  test("what callers say around a call adds up", async () => {
    const failure = await rejectionOf((await compat.start(nestedCall)).result());
    expect(causesOf(failure).at(-1)).toBe("ApplicationFailure: nobody restarts production at night");
  });
  test("the catalogue's word stands over the caller's", async () => {
    const fields = { topic: "job.harmless", labels: { env: "lab" } };
    const handle = await compat.start(governedCall, { args: [{ name: "restart", with: "ledger" }, fields] });
    expect(await handle.result()).toMatchObject({ denial: { rule: "ledger-stays" } });
  });
  test("an agent acts under its own name", async () => {
    const handle = await compat.start(governedCall, { args: [{ name: "restart", with: "checkout" }, { actor: "ops-agent" }] });
    expect(await handle.result()).toMatchObject({ denial: { rule: "the-agent" } });
  });
  test("what a person has approved runs within the limits of the rule", async () => {
    const handle = await compat.start(plainCall, { args: [{ name: "hold", with: "tight" }] });
    const { id } = await until(async () => (await approvals("")).items.find(({ workflow_id }) => workflow_id === handle.workflowId));
    await approvals(`/${id}/approve`, {});
    expect(await handle.result()).toBe('{"toolchain":{"allowedTools":["git"]}}');
  });
  test("… and who started the workflow is still known to those who decide", async () => {
    const handle = await compat.start(governedCall, { args: [{ name: "hold", with: "on" }, { actor: "deploy-bot" }] });
    const approval = await until(async () => (await approvals("")).items.find(({ workflow_id }) => workflow_id === handle.workflowId));
    expect(approval).toMatchObject({
      requester: { id: "deploy-bot", kind: "service", roles: [] },
      starter: { id: compat.client.options.identity },
    });
    await handle.terminate();
  });
  test("a header that cannot be read denies the action, and harms nothing else", async () => {
    // As a caller without types would.
    const bad = { labels: { env: true } } as unknown as ActionFields;
    const handle = await compat.start(governedCall, { args: [{ name: "restart", with: "checkout" }, bad] });
    expect(await handle.result()).toMatchObject({
      denial: { rule: null, reason: expect.stringContaining("`labels` has an entry `env` that is no text") },
    });
    expect(await (await compat.start(plainCall, { args: [{ name: "restart", with: "billing" }] })).result()).toBe("restarted billing");
  });

  test.each([
    ["url", "WEB/", "here"],
    ["url", "WEB/away", { denial: { rule: "within-bounds", reason: "`[::1]:1` is not in the network allow list" } }],
    ["url", "http://192.0.2.1/", { denial: { rule: "within-bounds", reason: "`192.0.2.1` is not in the network allow list" } }],
    ["write", "open/new.txt", expect.stringMatching(/open\/new\.txt$/)],
    ["write", "open/../policy.yaml", { denial: { reason: expect.stringContaining("not among the files that may be written") } }],
    ["tool", "git", 'tool is fine, as ["budgets","diff","sandbox","toolchain"]'],
    ["tool", "rm", { denial: { reason: "the tool `rm` is not allowed" } }],
    ["diff", "src/a.ts", expect.stringContaining("diff is fine")],
    ["diff", "long.ts", { denial: { reason: "the change has 3 lines, and at most 2 are allowed" } }],
    ["diff", "secrets/a/b.ts", { denial: { reason: "`secrets/a/b.ts` may not be changed" } }],
  ] as const)("constraints in the activity: %s %s", async (kind, value, outcome) => {
    const result = await (await compat.start(plainCall, { args: [{ name: "probe", with: { kind, value } }] })).result();
    expect(result).toEqual(
      typeof outcome === "object" && "denial" in outcome
        ? expect.objectContaining({ denial: expect.objectContaining(outcome.denial) })
        : outcome,
    );
  });
  test("results that are too large are refused where they are made", async () => {
    const handle = await compat.start(plainCall, { args: [{ name: "think", with: "x".repeat(300) }] });
    expect(await handle.result()).toMatchObject({ denial: { reason: "a result of 302 bytes, and at most 200 are allowed" } });
  });

  test("the idempotency key is the caller's, or the same in every attempt", async () => {
    const probe = { kind: "key", value: "" } as const;
    const given = await compat.start(governedCall, { args: [{ name: "probe", with: probe }, { idempotencyKey: "restart-7" }] });
    expect(await given.result()).toBe("restart-7");
    const made = await compat.start(plainCall, { args: [{ name: "probe", with: probe }] });
    expect(await made.result()).toBe(`${made.workflowId}/${made.firstExecutionRunId}/1`);
  });

  const usageOf = (payload: temporal.api.common.v1.IPayload | null | undefined): unknown =>
    JSON.parse(Buffer.from(payload?.metadata?.["holdfast-usage"] ?? []).toString() || "null");
  const resultPayload = async (handle: Parameters<typeof eventNamed>[0]) =>
    (await eventNamed(handle, "ActivityTaskCompleted")).activityTaskCompletedEventAttributes?.result?.payloads?.[0];
  test("what an attempt has used travels in the metadata of its result", async () => {
    const handle = await compat.start(plainCall, { args: [{ name: "think", with: "hello" }] });
    expect(await handle.result()).toBe("hello");
    expect(usageOf(await resultPayload(handle))).toEqual({ tokens: 120, usd: 0.01 });
    const silent = await compat.start(plainCall, { args: [{ name: "restart", with: "search" }] });
    await silent.result();
    expect(usageOf(await resultPayload(silent))).toBeNull();
  });
  test("… or of its failure", async () => {
    const handle = await compat.start(plainCall, { args: [{ name: "think", with: "fail" }] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toBe("ApplicationFailure: no idea");
    const { activityTaskFailedEventAttributes: failed } = await eventNamed(handle, "ActivityTaskFailed");
    expect(failed?.failure?.applicationFailureInfo?.type).toBe("TypeError");
    expect(usageOf(failed?.failure?.applicationFailureInfo?.details?.payloads?.[0])).toEqual({ tokens: 120, usd: 0.01 });
  });
  test("… also where payloads are encrypted, and rules read labels there", async () => {
    const mirrored: PayloadCodec = {
      encode: async (payloads) =>
        payloads.map((payload) => ({
          metadata: { [METADATA_ENCODING_KEY]: Buffer.from("binary/mirrored") },
          data: Buffer.from(JSON.stringify(keep(payload))).reverse(),
        })),
      decode: async (payloads) =>
        payloads.map(({ data }) =>
          restore(
            JSON.parse(
              Buffer.from(data ?? [])
                .reverse()
                .toString(),
            ),
          ),
        ),
    };
    const taskQueue = unique("encrypted");
    await compat.runWorker({
      taskQueue,
      workflowsPath: workflowsPath("sdk"),
      dataConverter: { payloadCodecs: [mirrored] },
      plugins: [holdfastPlugin({ kernel: { address: server.httpAddress ?? "" } })],
    });
    const client = new Client({ connection: compat.client.connection, dataConverter: { payloadCodecs: [mirrored] } });
    const args: Parameters<typeof governedCall> = [{ name: "think", with: "hello" }, { labels: { env: "lab" } }];
    const handle = await client.workflow.start(governedCall, { taskQueue, workflowId: taskQueue, args });
    expect(await handle.result()).toBe("hello");
    expect(await scheduledHeader(handle)).toMatchObject({ "holdfast-action": { v: 1, labels: { env: "lab" } } });
    const payload = await resultPayload(handle);
    expect(Buffer.from(payload?.metadata?.[METADATA_ENCODING_KEY] ?? []).toString()).toBe("binary/mirrored");
    expect(usageOf(payload)).toEqual({ tokens: 120, usd: 0.01 });
  });

  test("a local activity is decided before it runs", async () => {
    const fine = await compat.start(localCall, { args: [{ name: "peek", with: "weather" }, { topic: "local.weather" }] });
    expect(await fine.result()).toBe("saw weather");
    const denied = await compat.start(localCall, { args: [{ name: "peek", with: "secret" }, { topic: "local.secret" }] });
    expect(await denied.result()).toMatchObject({ denial: { rule: "no-peeking", reason: "secrets are not looked at" } });
    expect(ran).toContain("peek weather 1");
    expect(ran).not.toContain("peek secret 1");
  });
  test("… and the server, which sees its marker, lets its denial stand", async () => {
    const denied = await compat.start(localCall, { args: [{ name: "sneak", with: "in" }, {}] });
    expect(await denied.result()).toMatchObject({ denial: { rule: "no-sneaking" } });
    expect(ran).not.toContain("sneak in");
  });
  test("without an answer no local activity runs", async () => {
    const taskQueue = unique("unanswered");
    await compat.runWorker({
      taskQueue,
      workflowsPath: workflowsPath("sdk"),
      plugins: [holdfastPlugin({ kernel: { address: "127.0.0.1:1", timeoutMs: 500 } })],
    });
    const handle = await compat.start(localCall, { taskQueue, args: [{ name: "peek", with: "nothing" }, {}] });
    expect(causesOf(await rejectionOf(handle.result())).at(-1)).toMatch(
      /^ApplicationFailure: the safety kernel at 127.0.0.1:1 gave no decision/,
    );
    expect(ran.filter((line) => line.startsWith("peek nothing"))).toEqual([]);
  });

  test("children and starts say what they mean", async () => {
    const handle = await acting({ labels: { team: "shop" } }, () => compat.start(governedChild));
    expect(await handle.result()).toBe("child");
    const { workflowExecutionStartedEventAttributes: started } = await eventNamed(handle, "WorkflowExecutionStarted");
    expect(JSON.parse(Buffer.from(started?.header?.fields?.["holdfast-action"]?.data ?? []).toString())).toEqual({
      v: 1,
      labels: { team: "shop" },
    });
    const { startChildWorkflowExecutionInitiatedEventAttributes: initiated } = await eventNamed(
      handle,
      "StartChildWorkflowExecutionInitiated",
    );
    expect(JSON.parse(Buffer.from(initiated?.header?.fields?.["holdfast-action"]?.data ?? []).toString())).toEqual({
      v: 1,
      labels: { env: "prod" },
    });
  });

  test("a denied start is read by the same function", async () => {
    const failure = await rejectionOf(acting({ labels: { env: "forbidden" } }, () => compat.start(governedChild)));
    expect(denialOf(failure)).toEqual({
      rule: "closed-environment",
      reason: "this environment is closed",
      snapshot: expect.stringMatching(/^[0-9a-f]{64}$/),
      remediations: [],
    });
  });
  test("… and so is a denied child", async () => {
    const handle = await compat.start(governedChild, { args: ["forbidden"] });
    expect(await handle.result()).toMatchObject({ denial: { rule: "closed-environment", reason: "this environment is closed" } });
  });

  test("a worker without the plugin says so instead of losing what was said", async () => {
    const taskQueue = unique("plain");
    await compat.runWorker({ taskQueue });
    const handle = await compat.start(governedCall, {
      taskQueue,
      args: [{ name: "restart", with: "checkout" }, { labels: { env: "prod" } }],
    });
    const { workflowTaskFailedEventAttributes: failed } = await eventNamed(handle, "WorkflowTaskFailed");
    expect(failed?.failure?.message).toContain("the interceptors of @holdfast/sdk are not in this workflow's bundle");
    await handle.terminate();
  });

  test.each([
    ["approve", { approved: true, decidedBy: [expect.objectContaining({ principal: "ann" })] }],
    ["reject", { approved: false, ended: "rejected", message: expect.stringContaining("not today") }],
  ])("people %s what a workflow asks for", async (verdict, end) => {
    const handle = await compat.start(askPeople, {
      args: [{ title: "Restart checkout?", approvers: { roles: ["ops"] }, expiresAfter: "1h", context: { service: "checkout" } }],
    });
    const { id } = await until(async () => (await approvals("")).items.find(({ workflow_id }) => workflow_id === handle.workflowId));
    await approvals(`/${id}/${verdict}`, { reason: "not today" });
    expect(await handle.result()).toMatchObject({ ...end, approvalId: id });
  });
});

describe("with another server that only decides", () => {
  let kernel: Holdfast;
  const worker = (address: string): Partial<WorkerOptions> => ({
    taskQueue: unique("remote"),
    workflowsPath: workflowsPath("sdk"),
    interceptors: { activity: [remoteKernel({ address, timeoutMs: 2_000 })] },
  });
  const compat = setup({ workflows: "sdk", activities, worker: null });
  beforeAll(async () => {
    kernel = await Holdfast.start({ db: ":memory:", port: 0, httpPort: 0, log: { level: "error" }, policy: [policyFile] });
  });
  afterAll(() => kernel.stop());
  const httpAddress = () => kernel.httpAddress ?? "";

  test("what it allows runs, what it denies does not", async () => {
    const options = worker(httpAddress());
    await compat.runWorker(options);
    const start = (call: Call) => compat.start(plainCall, { taskQueue: options.taskQueue ?? "", args: [call] });
    expect(await (await start({ name: "restart", with: "search" })).result()).toBe("restarted search");
    expect(await (await start({ name: "restart", with: "ledger" })).result()).toMatchObject({ denial: { rule: "ledger-stays" } });
    expect(await (await start({ name: "probe", with: { kind: "tool", value: "rm" } })).result()).toMatchObject({
      denial: { rule: "within-bounds", reason: "the tool `rm` is not allowed" },
    });
    expect(await (await start({ name: "probe", with: { kind: "write", value: "open/new.txt" } })).result()).toMatch(/new\.txt$/);
    expect(ran).not.toContain("restart ledger");
  });

  test("call sites speak to it as to the server's own", async () => {
    const { taskQueue = "", ...options } = worker(httpAddress());
    await compat.runWorker({
      ...options,
      taskQueue,
      interceptors: {},
      plugins: [holdfastPlugin({ kernel: { address: httpAddress() }, asks: "all-activities" })],
    });
    const args: Parameters<typeof governedCall> = [
      { name: "restart", with: "checkout" },
      { topic: "job.restart", labels: { env: "prod" } },
    ];
    const handle = await compat.start(governedCall, { taskQueue, args });
    expect(await handle.result()).toMatchObject({ denial: { rule: "production" } });
  });

  test.each([
    ["an approval", { name: "hold", with: "on" }, "PolicyApprovalRequired", "held by a person", 60],
    ["a moment later", { name: "slow", with: "down" }, "PolicyThrottled", "not so fast", 3],
  ] as const)("what needs %s fails this attempt, and comes again", async (_what, call, type, message, delaySeconds) => {
    const options = worker(httpAddress());
    await compat.runWorker(options);
    const handle = await compat.start(plainCall, { taskQueue: options.taskQueue ?? "", args: [call] });
    const pending = await until(async () => (await handle.describe()).raw.pendingActivities?.find(({ lastFailure }) => lastFailure));
    expect(pending.lastFailure).toMatchObject({ message, applicationFailureInfo: { type, nonRetryable: false } });
    expect(Number(pending.lastFailure?.applicationFailureInfo?.nextRetryDelay?.seconds)).toBe(delaySeconds);
    expect(ran).not.toContain(`${call.name} ${call.with}`);
    await handle.terminate();
  });

  test("without an answer nothing runs", async () => {
    const deaf = createServer(() => {});
    await new Promise<void>((resolve) => deaf.listen(0, "127.0.0.1", resolve));
    for (const address of ["127.0.0.1:1", `127.0.0.1:${(deaf.address() as AddressInfo).port}`]) {
      const options = worker(address);
      await compat.runWorker(options);
      const handle = await compat.start(plainCall, { taskQueue: options.taskQueue ?? "", args: [{ name: "restart", with: "nothing" }] });
      const pending = await until(async () => (await handle.describe()).raw.pendingActivities?.find(({ lastFailure }) => lastFailure));
      expect(pending.lastFailure?.applicationFailureInfo?.type).toBe("PolicyUnavailable");
      await handle.terminate();
    }
    deaf.closeAllConnections();
    await new Promise((resolve) => deaf.close(resolve));
    expect(ran).not.toContain("restart nothing");
  });
});

const keep = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")])),
  data: Buffer.from(data ?? []).toString("base64"),
});
const restore = ({ metadata, data }: ReturnType<typeof keep>): Payload => ({
  metadata: Object.fromEntries(Object.entries(metadata).map(([name, text]) => [name, Buffer.from(text, "base64")])),
  data: Buffer.from(data, "base64"),
});
