import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { activityInfo } from "@temporalio/activity";
import type { Payload, PayloadCodec } from "@temporalio/common";
import { afterAll, describe, expect, test } from "vitest";
import { type Governed, governed, type HandedOut } from "./governance-kit.ts";
import { setup, until } from "./kit.ts";
import { type Activities, type Caught, tryActivity, tryAll, tryInTurn } from "./workflows/governance.ts";

// Limits of a policy, as workers of the published SDK meet them.

const free = "version: v1\ndefault_decision: allow\n";
const denied = (outcomes: readonly unknown[]) =>
  outcomes.map((outcome) => ((outcome as Caught)?.type === "PolicyDenied" ? "denied" : outcome));
const limitsOf = (server: Governed) => server.core.policyLimits.list({ tenant: "default", after: "", limit: 100 });
const calls = (name: keyof Activities, count: number, args: readonly unknown[] = [], retry = {}) =>
  Array.from({ length: count }, () => ({ name, args, options: { startToCloseTimeout: "20s", retry } }) as const);

describe("how many at once", () => {
  const running = new Map<string, number>();
  const peaks = new Map<string, number>();
  const work = async () => {
    const { activityType } = activityInfo();
    const now = (running.get(activityType) ?? 0) + 1;
    running.set(activityType, now);
    peaks.set(activityType, Math.max(now, peaks.get(activityType) ?? 0));
    await delay(15);
    running.set(activityType, now === 1 ? 0 : (running.get(activityType) ?? 1) - 1);
    return "done";
  };
  const server = governed({
    policy: `${free}rules:
  - id: two-at-once
    match: { topic: activity.work1 }
    decision: allow
    constraints: { budgets: { max_concurrent_jobs: 2 } }
`,
  });
  const compat = setup({
    workflows: "governance",
    activities: { work1: work, work2: work, work3: work },
    launch: server.launch,
    worker: { maxConcurrentActivityTaskExecutions: 20 },
  });

  test("of a rule: never more than it says, and all of them in the end", async () => {
    const handles = await Promise.all([1, 2, 3].map(() => compat.start(tryAll, { args: [calls("work1", 7)] })));
    const outcomes = await Promise.all(handles.map((handle) => handle.result()));
    expect(outcomes.flat()).toEqual(Array(21).fill("done"));
    expect(peaks.get("work1")).toBe(2);
    // Nothing is left behind, in memory or on disk.
    expect(limitsOf(server)).toEqual([]);
    expect(await server.store.readHoldings(null, 10)).toEqual([]);
  });

  test("what is limited does not go out with the answer to a workflow task, what is not does", async () => {
    const handle = await compat.start(tryAll, { args: [[...calls("work1", 1), ...calls("work3", 1)]] });
    await handle.result();
    const how = (type: string) => server.handedOut.find((task) => task.workflowId === handle.workflowId && task.activityType === type)?.how;
    expect([how("work1"), how("work3")]).toEqual(["polled", "eager"]);
  });

  test("of a tenant: over all its rules", async () => {
    server.enforce(`${free}tenants: { default: { max_concurrent_jobs: 3 } }`);
    peaks.clear();
    const handle = await compat.start(tryAll, { args: [[...calls("work2", 9)]] });
    expect(await handle.result()).toEqual(Array(9).fill("done"));
    expect(peaks.get("work2")).toBe(3);
  });

  test("an attempt that times out, or whose run is terminated, gives its place back", async () => {
    server.enforce(`${free}tenants: { default: { max_concurrent_jobs: 1 } }`);
    const ends: (() => void)[] = [];
    const hanging = () => new Promise<void>((resolve) => ends.push(resolve));
    const worker = await compat.runWorker({ taskQueue: "hangs", activities: { hang: hanging, work2: work } });
    const hang = { name: "hang", args: [], options: { startToCloseTimeout: "100ms", retry: { maximumAttempts: 1 } } } as const;
    const timedOut = await compat.start(tryAll, { taskQueue: "hangs", args: [[hang, ...calls("work2", 1)]] });
    expect(await timedOut.result()).toEqual([expect.objectContaining({ inner: "TimeoutFailure" }), "done"]);
    const terminated = await compat.start(tryActivity, { taskQueue: "hangs", args: ["hang", [], { startToCloseTimeout: "1h" }] });
    await until(() => limitsOf(server).find(({ tally }) => tally.held === 1));
    const next = await compat.start(tryActivity, { taskQueue: "hangs", args: ["work2", []] });
    await until(() => limitsOf(server).find(({ waiting }) => waiting === 1));
    await terminated.terminate();
    expect(await next.result()).toBe("done");
    for (const end of ends) end();
    await worker.stop();
  });
});

describe("how many in a time", () => {
  const server = governed({
    policy: `${free}rules:
  - id: three-a-second
    match: { topic: activity.work1 }
    decision: allow
    constraints: { rates: [{ max: 3, per: 1s, by: topic }] }
limits:
  - topics: [activity.work2]
    rate: { max: 20, per: 1s }
    burst: 2
`,
  });
  const work = async () => "done";
  const compat = setup({ workflows: "governance", activities: { work1: work, work2: work }, launch: server.launch });
  const handedOut = (type: string): readonly HandedOut[] => server.handedOut.filter(({ activityType }) => activityType === type);

  test("of a rule: so many in each window", async () => {
    const handle = await compat.start(tryAll, { args: [calls("work1", 8)] });
    expect(await handle.result()).toEqual(Array(8).fill("done"));
    const perSecond = new Map<number, number>();
    for (const { at } of handedOut("work1")) perSecond.set(Math.floor(at / 1000), (perSecond.get(Math.floor(at / 1000)) ?? 0) + 1);
    expect(Math.max(...perSecond.values())).toBeLessThanOrEqual(3);
    expect(perSecond.size).toBeGreaterThanOrEqual(3);
  });

  test("of a topic: a burst, then as fast as the rate", async () => {
    const handle = await compat.start(tryAll, { args: [calls("work2", 8)] });
    expect(await handle.result()).toEqual(Array(8).fill("done"));
    const at = handedOut("work2")
      .map((task) => task.at)
      .toSorted((a, b) => a - b);
    // Two at once, six more every 50 ms.
    expect((at.at(-1) ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(299);
  });

  test("whoever waits is decided again when other limits come into force", async () => {
    server.enforce(`${free}limits: [{ topics: [activity.work1], rate: { max: 1, per: 1h } }]`);
    const handle = await compat.start(tryAll, { args: [calls("work1", 3)] });
    await until(() => limitsOf(server).find(({ waiting }) => waiting === 2));
    server.enforce(free);
    expect(await handle.result()).toEqual(["done", "done", "done"]);
  });
});

/** What a worker does that reports usage: a `usage` in the result goes into the payload's metadata. */
const reporting: PayloadCodec = {
  encode: async (payloads) =>
    payloads.map((payload): Payload => {
      const usage = JSON.parse(Buffer.from(payload.data ?? []).toString() || "null")?.usage;
      return usage === undefined
        ? payload
        : { ...payload, metadata: { ...payload.metadata, "holdfast-usage": Buffer.from(JSON.stringify(usage)) } };
    }),
  decode: async (payloads) => payloads,
};

describe("how much", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-limits-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const policy = `${free}rules:
  - id: hundred-tokens
    match: { topic: activity.work1 }
    decision: allow
    constraints: { spend: [{ unit: tokens, max: 100, by: run, reserve: 40 }] }
  - id: three-a-workflow
    match: { topic: activity.work2 }
    decision: allow
    constraints: { spend: [{ unit: actions, max: 3, by: workflow }] }
  - id: ten-dollars-a-day
    match: { topic: activity.work3 }
    decision: allow
    constraints: { spend: [{ unit: money, max: 10, by: tenant, per: 365d, reserve: 4 }] }
`;
  const server = governed({ policy, db: join(folder, "limits.db") });
  let usage: object | null = null;
  const work = async () => (usage === null ? "done" : { usage });
  const compat = setup({
    workflows: "governance",
    activities: { work1: work, work2: work, work3: work },
    launch: server.launch,
    client: { dataConverter: { payloadCodecs: [reporting] } },
  });

  test("what a worker reports is what it spends", async () => {
    usage = { tokens: 20 };
    const handle = await compat.start(tryInTurn, { args: [calls("work1", 6)] });
    const outcomes = await handle.result();
    expect(denied(outcomes)).toEqual([{ usage }, { usage }, { usage }, { usage }, "denied", "denied"]);
    const { message, details } = outcomes.at(-1) as Caught;
    expect(message).toBe(
      `the budget of 100 tokens for run=${handle.workflowId}/${handle.firstExecutionRunId} is used up (rule test/hundred-tokens)`,
    );
    expect(details).toMatchObject({ rule: "hundred-tokens", reason: message });
    expect((await server.recordOf(handle.workflowId)).filter((line) => line.includes("DENY"))).toHaveLength(2);
  });

  test("without a report the reservation is spent", async () => {
    usage = null;
    const handle = await compat.start(tryInTurn, { args: [calls("work1", 4)] });
    expect(denied(await handle.result())).toEqual(["done", "done", "denied", "denied"]);
  });

  test("at once, no more than have room; what is set aside and not spent lets others go on", async () => {
    usage = { tokens: 5 };
    const handle = await compat.start(tryAll, { args: [calls("work1", 12)] });
    expect(denied(await handle.result())).toEqual(Array(12).fill({ usage }));
  });

  test("actions are counted by attempt", async () => {
    usage = null;
    const handle = await compat.start(tryInTurn, { args: [calls("work2", 5)] });
    expect(denied(await handle.result())).toEqual(["done", "done", "done", "denied", "denied"]);
  });

  test("a budget outlives the server, and a run takes its own with it", async () => {
    usage = { usd: 3.5 };
    const before = await compat.start(tryInTurn, { args: [calls("work3", 1)] });
    await before.result();
    await server.restart(policy);
    const after = await compat.start(tryInTurn, { args: [calls("work3", 3)] });
    expect(denied(await after.result())).toEqual([{ usage }, "denied", "denied"]);
    const budgets = (await server.store.readBudgets("", 100)).map(({ id, spent }) => [JSON.parse(id)[3].split("=")[0], spent]);
    // One of each workflow that was counted by its id.
    expect(budgets.toSorted()).toEqual([
      ["tenant", 7],
      ["workflow", 3],
    ]);
  });
});

describe("a circuit breaker", () => {
  const server = governed({
    policy: `${free}limits: [{ topics: [activity.work1], breaker: { failures: 3, open_for: 300ms, probes: 1, successes: 2 } }]`,
  });
  let broken = true;
  let attempts = 0;
  const work = async () => {
    attempts++;
    if (broken) throw new Error("the bank is closed");
    return "done";
  };
  const compat = setup({ workflows: "governance", activities: { work1: work }, launch: server.launch });
  const breaker = () => limitsOf(server).find(({ quota }) => quota.kind === "breaker")?.tally.breaker.state ?? "closed";

  test("opens after failures, lets probes through, and closes when they succeed", async () => {
    const handle = await compat.start(tryAll, { args: [calls("work1", 6, [], { initialInterval: "10ms", backoffCoefficient: 1 })] });
    await until(() => breaker() === "open");
    const before = attempts;
    await until(() => attempts >= before + 2);
    // While the bank is closed, one probe at a time.
    expect(attempts).toBeLessThanOrEqual(before + 3);
    broken = false;
    expect(await handle.result()).toEqual(Array(6).fill("done"));
    expect(breaker()).toBe("closed");
    const states = await until(async () => {
      const page = await server.core.audit.list({
        namespace: "default",
        since: null,
        until: null,
        kinds: ["breaker-changed"],
        runId: null,
        after: null,
        limit: 100,
      });
      if (!page.ok) throw new Error(page.error);
      const bodies = page.value.entries.map(({ body }) => JSON.parse(Buffer.from(body).toString()));
      return bodies.at(-1)?.state === "closed" && bodies;
    });
    expect(states[0]).toMatchObject({ state: "open", before: "closed", by: "topic=activity.work1" });
    expect(states.at(-1)).toMatchObject({ state: "closed", before: "half-open" });
    expect((await server.verifyLedger()).faults).toEqual([]);
  });
});

describe("how large", () => {
  const server = governed({
    policy: `${free}rules:
  - id: small-things
    match: { topic: activity.greet }
    decision: allow
    constraints: { budgets: { max_input_bytes: 200, max_output_bytes: 300 } }
`,
  });
  let ran = 0;
  const compat = setup({
    workflows: "governance",
    activities: {
      greet: async (size: number | string) => {
        ran++;
        return typeof size === "string" ? size : "x".repeat(size);
      },
    },
    launch: server.launch,
  });

  test("an input beyond the limit never reaches a worker", async () => {
    const handle = await compat.start(tryActivity, { args: ["greet", ["x".repeat(300)]] });
    expect(await handle.result()).toMatchObject({
      type: "PolicyDenied",
      message: expect.stringMatching(/^the input has 3\d\d bytes, and at most 200 are permitted/),
    });
    expect(ran).toBe(0);
  });

  test("a result beyond the limit is not taken", async () => {
    const handle = await compat.start(tryActivity, { args: ["greet", [400]] });
    expect(await handle.result()).toMatchObject({
      type: "PolicyDenied",
      nonRetryable: true,
      message: expect.stringMatching(/^the result has 4\d\d bytes, and at most 300 are permitted$/),
      details: { rule: "small-things" },
    });
    expect((await server.recordOf(handle.workflowId)).at(-1)).toBe("refusal small-things");
    const small = await compat.start(tryActivity, { args: ["greet", [20]] });
    expect(await small.result()).toBe("x".repeat(20));
  });
});

describe("a server that is restarted in the middle of it", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-limits-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const policy = `${free}tenants: { default: { max_concurrent_jobs: 2 } }`;
  const server = governed({ policy, db: join(folder, "restart.db") });
  let open: (() => void)[] = [];
  let running = 0;
  let peak = 0;
  const compat = setup({
    workflows: "governance",
    activities: {
      work1: async () => {
        running++;
        peak = Math.max(peak, running);
        await new Promise<void>((resolve) => open.push(resolve));
        running--;
        return "done";
      },
    },
    launch: server.launch,
  });

  test("what workers still do counts, and whoever waits goes on when it ends", async () => {
    const handle = await compat.start(tryAll, { args: [calls("work1", 5)] });
    await until(() => running === 2);
    await until(() => limitsOf(server).find(({ waiting }) => waiting === 3));
    await server.restart(policy);
    expect(limitsOf(server).map(({ tally }) => tally.held)).toEqual([2]);
    const late = await compat.start(tryActivity, { args: ["work1", []] });
    await until(() => limitsOf(server).find(({ waiting }) => waiting >= 1));
    expect(running).toBe(2);
    const keepOpening = setInterval(() => {
      for (const end of open.splice(0)) end();
    }, 20);
    expect(await late.result()).toBe("done");
    clearInterval(keepOpening);
    expect(peak).toBe(2);
    await handle.terminate();
    open = [];
  });
});
