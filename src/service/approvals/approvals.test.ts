import { afterEach, describe, expect, test } from "vitest";
import { hourMs, minuteMs } from "../../base/time.ts";
import type { Principal } from "../../governance/action.ts";
import { statusWords } from "../../governance/approval/approval-entry.ts";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { encode, make } from "../../protocol/codec.ts";
import type { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { History, type HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { manualClock, openCore, openTestStore, type TestCore, type TestStore, turn } from "../service.test-kit.ts";
import { holdActivity, jsonPayload, pollActivity } from "./approvals.test-kit.ts";

const rules = (terms: string, { labels = "" } = {}) =>
  snapshotFrom(`
version: v1
actions: [{ match: { names: [Refund] }, topic: shop.refund, labels: { team: shop${labels} } }]
rules:
  - id: refunds
    match: { topics: [shop.refund] }
    decision: require_approval
    approval: { roles: [finance], ${terms} }
`);

let stop: (() => Promise<void>) | undefined;
afterEach(() => stop?.());

async function under(terms: string, given: { store?: TestStore; now?: number } = {}): Promise<TestCore> {
  const store = given.store ?? (await openTestStore());
  const core = await openCore({ store, clock: manualClock(given.now) });
  core.kernel.enforce(rules(terms));
  stop = async () => {
    await core.stop();
    await store.close();
  };
  return core;
}

const person = (id: string, ...roles: readonly string[]): Principal => ({ id, kind: "human", roles });
const vote = (core: TestCore, id: string, voter: Principal, verdict: "grant" | "reject" = "grant") =>
  core.approvals.vote({ namespace: "default", id }, { voter, verdict, reason: "", jobHash: null, policySnapshot: null });
const get = async (core: TestCore, id: string) => {
  const found = await core.approvals.get({ namespace: "default", id });
  return found.ok ? found.value : expect.unreachable(found.error);
};
const statusOf = async (core: TestCore, id: string) =>
  statusWords[(await get(core, id)).status as keyof typeof statusWords & ApprovalStatus];
/** What the ledger says of an approval, with the minute at which it was so. */
async function recordOf(core: TestCore, id: string): Promise<readonly string[]> {
  const read = await core.audit.list({
    namespace: "default",
    since: null,
    until: null,
    kinds: null,
    runId: null,
    after: null,
    limit: 1_000,
  });
  const entries = read.ok ? read.value.entries : expect.unreachable(read.error);
  const start = entries[0]?.at ?? 0;
  return entries
    .map(({ at, kind, body }) => ({ at, kind, body: JSON.parse(Buffer.from(body).toString()) }))
    .filter(({ kind, body }) => kind !== "decision" && body.approval === id)
    .map(({ at, kind, body }) => `${(at - start) / minuteMs}: ${body.status ?? body.change ?? body.verdict ?? kind}`);
}
/** Lets minutes pass, and what comes of them happen. */
async function pass(core: TestCore, minutes: number): Promise<void> {
  for (let minute = 0; minute <= minutes; minute++) {
    if (minute > 0) core.clock.advance(minuteMs);
    for (let turns = 0; turns < 20; turns++) await turn();
  }
}

const ann = person("ann", "finance");
const boss = person("boss", "directors");
const board = person("bea", "board");

describe("an escalation takes effect at its time, though nobody votes", () => {
  test("with an expiry that denies", async () => {
    const core = await under("expires_after: 30m, escalation: [{ after: 10m, roles: [directors] }, { after: 20m, roles: [board] }]");
    const id = await holdActivity(core);
    await pass(core, 9);
    expect((await get(core, id)).escalationsTaken).toBe(0);
    await pass(core, 1);
    expect((await get(core, id)).escalationsTaken).toBe(1);
    expect(await vote(core, id, board)).toEqual({ ok: false, error: "not-an-approver" });
    await pass(core, 10);
    expect((await get(core, id)).escalationsTaken).toBe(2);
    await pass(core, 10);
    expect(await recordOf(core, id)).toEqual(["0: approval-requested", "10: escalated", "20: escalated", "30: expired"]);
    expect(await pollActivity(core)).toBeNull();
  });

  test("with an expiry that escalates until nobody is left", async () => {
    const core = await under(
      "expires_after: 30m, on_expiry: escalate, escalation: [{ after: 10h, roles: [directors] }, { after: 20h, roles: [board] }]",
    );
    const id = await holdActivity(core);
    await pass(core, 30);
    expect(await get(core, id)).toMatchObject({ escalationsTaken: 1, expiresAt: core.clock.now() + 30 * minuteMs });
    await pass(core, 30);
    await pass(core, 29);
    expect(await statusOf(core, id)).toBe("pending");
    await pass(core, 1);
    expect(await recordOf(core, id)).toEqual(["0: approval-requested", "30: escalated", "60: escalated", "90: expired"]);
  });

  test("those who come late may still grant", async () => {
    const core = await under("expires_after: 30m, on_expiry: escalate, escalation: [{ after: 10h, roles: [directors] }]");
    const id = await holdActivity(core);
    await pass(core, 31);
    expect(await vote(core, id, boss)).toMatchObject({ ok: true });
    expect(await pollActivity(core)).toBe("Refund");
    expect(await recordOf(core, id)).toEqual(["0: approval-requested", "30: escalated", "31: grant", "31: granted", "31: used"]);
  });

  test("a vote sees an escalation that is due before the run has woken", async () => {
    const core = await under("escalation: [{ after: 10m, roles: [directors] }, { after: 20m, roles: [board] }]");
    const id = await holdActivity(core);
    core.clock.jump(10 * minuteMs);
    expect(await vote(core, id, person("x", "nobody"))).toEqual({ ok: false, error: "not-an-approver" });
    expect(await vote(core, id, boss, "reject")).toMatchObject({ ok: true });
    expect(await recordOf(core, id)).toEqual(["0: approval-requested", "10: escalated", "10: reject", "10: rejected"]);
  });

  test("what came due while the server was down comes at its start", async () => {
    const store = await openTestStore();
    const first = await under("escalation: [{ after: 10m, roles: [directors] }]", { store });
    const id = await holdActivity(first);
    const now = first.clock.now();
    await first.stop();
    const second = await under("", { store, now: now + 15 * minuteMs });
    await pass(second, 0);
    expect(await recordOf(second, id)).toEqual(["0: approval-requested", "15: escalated"]);
    expect((await second.store.readWakes(Number.MAX_SAFE_INTEGER, null, 10)).length).toBe(0);
  });
});

describe("a grant is for the action that was asked for, and for no other", () => {
  /** Histories are read with another input from now on. */
  const tamper = (store: TestStore, value: unknown) => {
    const { readHistory } = store;
    const tampered = ({ attributes, ...event }: HistoryEvent): HistoryEvent => ({
      ...event,
      attributes:
        attributes?.$case === "activityTaskScheduledEventAttributes"
          ? { ...attributes, value: { ...attributes.value, input: make(Payloads, { payloads: [jsonPayload(value)] }) } }
          : attributes,
    });
    Object.assign(store, {
      readHistory: async (...args: Parameters<typeof readHistory>) =>
        (await readHistory(...args)).map(({ bytes, ...batch }) => ({
          ...batch,
          bytes: encode(History, make(History, { events: History.decode(bytes).events.map(tampered) })),
        })),
    });
  };

  test.each([
    // the input that was asked for, the input found when it is granted
    [{ amount: 250 }, { amount: 250 }, "granted"],
    [{ amount: 250 }, { amount: 25_000 }, "void"],
    [{ amount: 250, to: "ann" }, { to: "ann", amount: 250 }, "void"],
  ])("%j, then %j → %s", async (asked, found, status) => {
    const store = await openTestStore();
    const core = await under("expires_after: 1h", { store });
    const id = await holdActivity(core, { input: [jsonPayload(asked)] });
    tamper(store, found);
    await vote(core, id, ann);
    expect(await statusOf(core, id)).toBe(status);
    expect(await pollActivity(core)).toBe(status === "granted" ? "Refund" : null);
    const end = status === "void" ? ["0: void"] : ["0: grant", "0: granted", "0: used"];
    expect(await recordOf(core, id)).toEqual(["0: approval-requested", ...end]);
  });

  test.each([
    ["the job hash of another approval", { jobHash: true }, "job-hash-mismatch"],
    ["a policy snapshot that was another", { policySnapshot: true }, "snapshot-mismatch"],
  ])("a vote on %s", async (_, stale, error) => {
    const core = await under("expires_after: 1h");
    const other = await get(core, await holdActivity(core, { input: [jsonPayload(1)] }));
    core.kernel.enforce(rules("expires_after: 2h"));
    const id = await holdActivity(core, { input: [jsonPayload(2)] });
    const seen = {
      jobHash: "jobHash" in stale ? other.jobHash : null,
      policySnapshot: "policySnapshot" in stale ? other.policySnapshot : null,
    };
    expect(await core.approvals.vote({ namespace: "default", id }, { voter: ann, verdict: "grant", reason: "", ...seen })).toEqual({
      ok: false,
      error,
    });
    expect(await statusOf(core, id)).toBe("pending");
  });
});

describe("a clock that is set", () => {
  const asked = async () => {
    const store = await openTestStore();
    const core = await under("expires_after: 1h", { store });
    return { store, core, id: await holdActivity(core), start: core.clock.now() };
  };

  test.each([
    // set while the server is down, minutes after which it expires: no earlier than the clock was set forward
    ["back by a day", -24 * 60, 25 * 60],
    ["back by ten minutes", -10, 70],
    ["forward by ten minutes", 10, 50],
    ["forward by a day", 24 * 60, 0],
  ])("%s", async (_, step, expiresIn) => {
    const { store, core, id, start } = await asked();
    await core.stop();
    const next = await under("expires_after: 1h", { store, now: start + step * minuteMs });
    if (expiresIn > 0) {
      await pass(next, expiresIn - 1);
      expect(await statusOf(next, id)).toBe("pending");
      await pass(next, 1);
    } else await pass(next, 0);
    expect(await statusOf(next, id)).toBe("expired");
    expect(await vote(next, id, ann)).toEqual({ ok: false, error: "not-pending" });
  });

  test("back, after the time was over: it stays over", async () => {
    const { store, core, id, start } = await asked();
    core.clock.jump(hourMs);
    // Nobody has looked at the run yet, but whoever votes learns that it is too late, and so it remains.
    expect(await vote(core, id, ann)).toEqual({ ok: false, error: "too-late" });
    await core.stop();
    const next = await under("expires_after: 1h", { store, now: start });
    await pass(next, 0);
    expect(await statusOf(next, id)).toBe("expired");
    expect(await vote(next, id, ann)).toEqual({ ok: false, error: "not-pending" });
    expect(await pollActivity(next)).toBeNull();
  });
});
