import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { activityInfo } from "@temporalio/activity";
import type { Payload, PayloadCodec } from "@temporalio/common";
import { temporal } from "@temporalio/proto";
import { Worker } from "@temporalio/worker";
import { afterAll, describe, expect, test } from "vitest";
import { governed } from "./governance-kit.ts";
import { bundleOf, setup, until } from "./kit.ts";
import { type Activities, rest, tryActivity, tryAll } from "./workflows/governance.ts";

const allowing = (rules = "") => `version: v1\ndefault_decision: allow\n${rules}`;
const denying = (...topics: readonly string[]) =>
  allowing(`rules:
  - id: denied-for-now
    match: { topics: [${topics.map((topic) => `"${topic}"`).join(", ")}] }
    decision: DENY
    reason: not now
`);

describe("a policy that changes under load", () => {
  const kinds = [0, 1, 2, 3, 4] as const;
  const snapshotsMax = 20;
  let executed = 0;
  const work = async () => {
    executed++;
    const { attempt } = activityInfo();
    if (attempt < 3) throw new Error("once more");
    return "done";
  };
  const activities = Object.fromEntries(kinds.map((kind) => [`work${kind}`, work]));
  const server = governed({ policy: allowing() });
  const compat = setup({
    workflows: "governance",
    activities,
    launch: server.launch,
    worker: { maxConcurrentActivityTaskExecutions: 20 },
  });

  test("every attempt that a worker got was permitted by the snapshot then in force", async () => {
    const options = { startToCloseTimeout: "30s", retry: { initialInterval: 50, backoffCoefficient: 1 } } as const;
    const calls = Array.from({ length: 40 }, (_, index) => ({ name: `work${index % kinds.length}` as `work${number}`, args: [], options }));
    /** Snapshots in the order in which they came into force, with what they deny. */
    const eras = [{ hash: server.core.kernel.snapshot().hash, from: 0, denied: new Set<string>() }];
    const handles = await Promise.all(Array.from({ length: 12 }, () => compat.start(tryAll, { args: [calls] })));
    let finished = false;
    const results = Promise.all(handles.map((handle) => handle.result())).finally(() => {
      finished = true;
    });
    for (let turn = 1; turn <= snapshotsMax; turn++) {
      // The next one comes when work has gone on under the one before.
      const before = executed;
      await until(() => finished || executed >= before + 25);
      const denied = turn % 4 === 0 ? [] : [`work${turn % kinds.length}`];
      const from = Date.now();
      const { hash } = server.enforce(denied.length === 0 ? allowing(`description: turn ${turn}\norder: ${turn}`) : ofTurn(turn, denied));
      eras.push({ hash, from, denied: new Set(denied) });
    }
    const outcomes = (await results).flat();
    expect(outcomes).toHaveLength(12 * 40);
    const refusals = outcomes.filter((outcome) => outcome !== "done");
    expect(new Set(refusals.map((refusal) => (refusal as { type: string }).type))).toEqual(new Set(["PolicyDenied"]));
    // Both things happened, so that the rest says something.
    expect(refusals.length).toBeGreaterThan(20);
    expect(refusals.length).toBeLessThan(400);
    expect(server.handedOut).toHaveLength(executed);

    /** The last word on each attempt. */
    const decisions = new Map(
      (await server.decisions()).map((decision) => [`${decision.workflow_id} ${decision.action_id} ${decision.attempt}`, decision]),
    );
    const wrong = server.handedOut.filter(({ workflowId, activityId, activityType, attempt, at }) => {
      const decision = decisions.get(`${workflowId} ${activityId} ${attempt}`);
      // The clock has whole milliseconds: at a border, either snapshot may have been in force.
      const inForce = eras.filter(({ from }, index) => from <= at && at <= (eras[index + 1]?.from ?? Number.POSITIVE_INFINITY));
      const era = inForce.find(({ hash }) => hash === decision?.snapshot);
      return decision?.effect !== "ALLOW" || era === undefined || era.denied.has(activityType);
    });
    expect(wrong).toEqual([]);

    const { faults, entries } = await server.verifyLedger();
    expect(faults).toEqual([]);
    expect(entries).toBeGreaterThanOrEqual(executed);
    const code = { workflowBundle: await bundleOf("governance") };
    for (const handle of handles.slice(0, 3)) await Worker.runReplayHistory(code, await handle.fetchHistory(), handle.workflowId);
  });

  const ofTurn = (turn: number, denied: readonly string[]) =>
    denying(...denied.map((name) => `activity.${name}`)).replace("rules:", `order: ${turn}\nrules:`);
});

describe("a policy file", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-policy-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "policy.yaml");
  writeFileSync(file, allowing());
  const activities: Partial<Activities> = { greet: async (name) => `hello ${name}` };
  const compat = setup({ workflows: "governance", activities, server: { policy: [file], log: { level: "silent" } } });
  const greeting = async () => (await compat.start(tryActivity, { args: ["greet", ["Ada"]] })).result();

  test("is in force as soon as it has changed, and a broken one never replaces it", async () => {
    expect(await greeting()).toBe("hello Ada");
    writeFileSync(file, denying("activity.greet"));
    const denied = await until(async () => {
      const outcome = await greeting();
      return outcome !== "hello Ada" && outcome;
    });
    expect(denied).toMatchObject({ type: "PolicyDenied", message: "not now", details: { rule: "denied-for-now" } });
    writeFileSync(file, "version: v1\nrules: [{ id: x, decison: ALLOW }]\n");
    // Long enough for the file to have been read.
    await (await compat.start(rest, { args: [500] })).result();
    expect(await greeting()).toMatchObject({ details: { rule: "denied-for-now" } });
    writeFileSync(file, allowing());
    await until(async () => (await greeting()) === "hello Ada");
  });
});

describe("an input that a rule looks into and cannot read", () => {
  /** Stands for encryption: what the server sees is no JSON, and the keys are elsewhere. */
  const sealing: PayloadCodec = {
    encode: async (payloads) =>
      payloads.map((payload) => ({
        metadata: { encoding: Buffer.from("binary/encrypted") },
        data: Buffer.from(temporal.api.common.v1.Payload.encode(payload).finish()).reverse(),
      })),
    decode: async (payloads) =>
      payloads.map((payload): Payload => {
        if (Buffer.from(payload.metadata?.encoding ?? []).toString() !== "binary/encrypted") return payload;
        return temporal.api.common.v1.Payload.decode(Buffer.from(payload.data ?? []).reverse());
      }),
  };
  const policy = allowing(`rules:
  - id: small-refunds-only
    match: { topic: activity.refund }
    when: input.amount > 100
    decision: DENY
`);
  let refunds = 0;
  const activities: Partial<Activities> = {
    refund: async () => {
      refunds++;
      return "refunded";
    },
    greet: async (name) => `hello ${name}`,
  };
  const [plain, sealed] = [governed({ policy }), governed({ policy })];
  const compat = setup({ workflows: "governance", activities, launch: plain.launch });
  const sealedCompat = setup({
    workflows: "governance",
    activities,
    launch: sealed.launch,
    client: { dataConverter: { payloadCodecs: [sealing] } },
  });

  test.each([
    ["encrypted", sealedCompat, { amount: 5 }, "the input is no JSON, it is encoded as `binary/encrypted`"],
    ["without the field", compat, { total: 5 }, "no such key: amount"],
    ["of another type", compat, { amount: "5" }, "no such overload: dyn<string> > int"],
    ["missing", compat, undefined, expect.any(String)],
  ])("%s: denied, and the reason says so", async (_what, to, input, why) => {
    const handle = await to.start(tryActivity, { args: ["refund", input === undefined ? [] : [input]] });
    const outcome = (await handle.result()) as { type: string; message: string; details: { rule: string } };
    expect(outcome).toMatchObject({ type: "PolicyDenied", details: { rule: "small-refunds-only" } });
    const told = "rule `small-refunds-only` cannot be told: ";
    expect(outcome.message.slice(0, told.length)).toBe(told);
    expect(outcome.message.slice(told.length)).toEqual(why);
    expect(refunds).toBe(0);
  });

  test("what no rule looks into passes unread", async () => {
    expect(await (await sealedCompat.start(tryActivity, { args: ["greet", ["Ada"]] })).result()).toBe("hello Ada");
    expect(await (await compat.start(tryActivity, { args: ["refund", [{ amount: 5 }]] })).result()).toBe("refunded");
  });
});
