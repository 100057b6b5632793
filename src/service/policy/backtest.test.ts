import { afterEach, expect, test } from "vitest";
import { canonicalBytes } from "../../base/canonical-json.ts";
import { ok } from "../../base/result.ts";
import { type Action, actionOf, jobHash } from "../../governance/action.ts";
import { inputOfPayloads } from "../../governance/action-input.ts";
import { decide } from "../../governance/policy/decide.ts";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import type { Snapshot } from "../../governance/policy/snapshot.ts";
import { encode, make } from "../../protocol/codec.ts";
import { Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { ActivityTaskScheduledEventAttributes, History, HistoryEvent } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { openSqlite } from "../../store/sqlite/sqlite.ts";
import type { Store } from "../../store/store.ts";
import { changeOutsideRuns } from "../committer.ts";
import { decisionRecord } from "../ledger/decision-record.ts";
import type { NamespaceEntry } from "../namespaces.ts";
import { manualClock } from "../service.test-kit.ts";
import { type BacktestQuery, createBacktest } from "./backtest.ts";

const stores: Store[] = [];
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

const payloads = (value: unknown): Payloads =>
  make(Payloads, {
    payloads: [make(Payload, { metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(JSON.stringify(value)) })],
  });
const runId = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

/** A ledger of decisions on actions, by a policy; `kept` are the runs whose history is still there. */
async function recorded(
  current: Snapshot,
  actions: readonly (Partial<Omit<Action, "input">> & { readonly input?: unknown })[],
  { kept = [], forgotten = false }: { readonly kept?: readonly number[]; readonly forgotten?: boolean } = {},
) {
  const store = await openSqlite({ path: ":memory:" });
  stores.push(store);
  const histories = new Map<string, Uint8Array>();
  let reads = 0;
  const ledger = actions.map(({ input, ...fields }, index) => {
    const given = input === undefined ? undefined : payloads(input);
    const asked = actionOf({ ...fields, workflowId: `w${index}`, runId: runId(index), input: inputOfPayloads(given) });
    const decision = decide(current, asked);
    const attributes = make(ActivityTaskScheduledEventAttributes, { input: given });
    const event = make(HistoryEvent, { eventId: 1, attributes: { $case: "activityTaskScheduledEventAttributes", value: attributes } });
    if (kept.includes(index)) histories.set(runId(index), encode(History, { events: [event] }));
    const body = decisionRecord(decision, { asked, jobHash: jobHash(decision.action), grantedApprovalId: null });
    return { namespaceId: "n", at: index, kind: "decision", runId: runId(index), body: canonicalBytes(body) } as const;
  });
  await store.commit([changeOutsideRuns({ putDocuments: [], ledger })]);
  const backtest = createBacktest({
    store: {
      readLedger: store.readLedger,
      readHistory: async ({ runId: of }, { fromEventId }) => {
        reads++;
        const bytes = histories.get(of);
        return bytes === undefined || fromEventId > 1 ? [] : [{ firstEventId: 1, eventCount: 1, bytes }];
      },
    },
    namespaces: { get: () => ok({ id: "n" } as NamespaceEntry) },
    clock: manualClock(0),
    snapshotOf: async (hash) => (hash === current.hash && !forgotten ? current : null),
  });
  const run = async (candidate: string, given: Partial<BacktestQuery> = {}) => {
    const report = await backtest.run({
      namespace: "default",
      since: 0,
      until: null,
      candidate: snapshotFrom(candidate),
      listed: 10,
      ...given,
    });
    return report.ok ? report.value : expect.unreachable(report.error);
  };
  return { run, backtest, store, reads: () => reads };
}

const allowing = snapshotFrom("default_decision: allow");
const allow = { effect: "ALLOW", bundle: null, rule: null };

test("counts what would change, by what decided then and would decide now", async () => {
  const { run } = await recorded(allowing, [{ name: "Pay" }, { name: "Ship" }, { name: "Pay" }, { name: "Mail" }]);
  const report = await run(`default_decision: allow
rules:
- { id: no-pay, match: { names: [Pay] }, decision: deny }
- { id: ask-ship, match: { names: [Ship] }, decision: require_approval }`);
  expect(report).toEqual({
    decisions: 4,
    unchanged: 1,
    changed: 3,
    unknown: 0,
    groups: [
      { from: allow, to: { effect: "DENY", bundle: "main", rule: "no-pay" }, why: null, count: 2 },
      { from: allow, to: { effect: "REQUIRE_APPROVAL", bundle: "main", rule: "ask-ship" }, why: null, count: 1 },
    ],
    changes: [
      expect.objectContaining({ at: 0, workflowId: "w0", name: "Pay", topic: "activity.Pay", from: allow }),
      expect.objectContaining({ at: 1, name: "Ship", to: { effect: "REQUIRE_APPROVAL", bundle: "main", rule: "ask-ship" } }),
      expect.objectContaining({ at: 2, runId: runId(2) }),
    ],
    brokenOffAt: null,
  });
});

test.each<[string, Partial<Action>, string]>([
  ["labels", { labels: new Map([["env", "prod"]]) }, "match: { labels: { env: prod } }"],
  ["the capability", { capability: "pay" }, "match: { capabilities: [pay] }"],
  ["risk tags", { riskTags: ["money"] }, "match: { risk_tags: [money] }"],
  ["requirements", { requires: ["net"] }, "match: { requires: [net] }"],
  ["the pack", { packId: "git" }, "match: { pack_ids: [git] }"],
  ["the topic", { topic: "job.pay" }, "match: { topics: [job.pay] }"],
  ["the kind", { kind: "child-workflow" }, "match: { kinds: [child-workflow] }"],
  ["the workflow type", { workflowType: "Order" }, "match: { workflow_types: [Order] }"],
  ["the task queue", { taskQueue: "q" }, "match: { task_queues: [q] }"],
  [
    "the principal",
    { principal: { id: "ann", kind: "human", roles: ["ops"] } },
    "match: { actor_ids: [ann], actor_types: [human], actor_roles: [ops] }",
  ],
  ["the attempt", { attempt: 3 }, "when: attempt == 3"],
  ["the namespace", { namespace: "default" }, "match: { tenants: [default] }"],
])("%s can be decided on again", async (_, action, match) => {
  const { run } = await recorded(allowing, [action]);
  expect(await run(`default_decision: allow\nrules: [{ id: r, ${match}, decision: deny }]`)).toMatchObject({ changed: 1 });
});

test("what the catalogue said then is not taken for what the worker said", async () => {
  const current = snapshotFrom("default_decision: allow\nactions: [{ match: { names: [Pay] }, topic: pay, labels: { team: a } }]");
  const { run } = await recorded(current, [{ name: "Pay", labels: new Map([["env", "prod"]]) }]);
  const rules = "[{ id: r, match: { topics: [activity.Pay], labels: { env: prod } }, decision: deny }]";
  expect(await run(`default_decision: allow\nrules: ${rules}`)).toMatchObject({ changed: 1 });
  expect(await run("default_decision: allow\nrules: [{ id: r, match: { labels: { team: a } }, decision: deny }]")).toMatchObject({
    changed: 0,
  });
});

test("other limits are a change, another reason is none", async () => {
  const limited = (max: number, reason: string) =>
    `rules: [{ id: r, decision: allow, reason: ${reason}, constraints: { budgets: { max_attempts: ${max} } } }]`;
  const { run } = await recorded(snapshotFrom(limited(3, "a")), [{ name: "Pay" }]);
  expect(await run(limited(3, "b"))).toMatchObject({ changed: 0, unchanged: 1 });
  expect(await run(limited(2, "a"))).toMatchObject({ changed: 1 });
});

const large = "default_decision: allow\nrules: [{ id: large, match: { names: [Pay] }, when: input.amount > 100, decision: deny }]";

test("an input is read from the history while it is there; otherwise nothing is guessed", async () => {
  const inputs = [{ amount: 500 }, { amount: 5 }, { amount: 500 }].map((input) => ({ name: "Pay", input }));
  const { run, reads } = await recorded(allowing, [...inputs, { name: "Ship", input: { amount: 500 } }], { kept: [0, 1] });
  const report = await run(large);
  expect(report).toMatchObject({ decisions: 4, changed: 1, unchanged: 2, unknown: 1 });
  expect(report.groups).toContainEqual({ from: allow, to: null, why: "input not available", count: 1 });
  expect(report.changes).toMatchObject([{ at: 0, to: { rule: "large" } }]);
  // Of the runs whose input matters: twice to the end, and once in vain.
  expect(reads()).toBe(5);
});

test("an action that had no input needs no history", async () => {
  const { run, reads } = await recorded(allowing, [{ name: "Pay" }]);
  expect(await run(large)).toMatchObject({ changed: 1, groups: [{ to: { effect: "DENY", rule: "large" } }] });
  expect(reads()).toBe(0);
});

test("under a snapshot that nobody knows, effects are compared", async () => {
  const { run } = await recorded(allowing, [{ name: "Pay" }], { forgotten: true });
  expect(await run("default_decision: allow\nrules: [{ id: r, decision: deny }]")).toMatchObject({ changed: 1, groups: [{ from: allow }] });
});

test("many pages of decisions, a bound on what is listed, and a time range", async () => {
  const { run } = await recorded(
    allowing,
    Array.from({ length: 1000 }, () => ({ name: "Pay" })),
  );
  const report = await run("rules: [{ id: r, decision: deny }]", { listed: 3 });
  expect([report.changed, report.changes.length, report.groups.length]).toEqual([1000, 3, 1]);
  expect(await run("rules: [{ id: r, decision: deny }]", { since: 100, until: 200 })).toMatchObject({ decisions: 100 });
});

test("one runs at a time", async () => {
  const { backtest } = await recorded(allowing, [{ name: "Pay" }]);
  const query = { namespace: "default", since: 0, until: null, candidate: allowing, listed: 0 };
  const [first, second] = await Promise.all([backtest.run(query), backtest.run(query)]);
  expect([first.ok, second]).toEqual([true, { ok: false, error: "busy" }]);
});

test("a record that is not whole is told as such", async () => {
  const { run, store } = await recorded(allowing, []);
  const entry = { namespaceId: "n", at: 1, kind: "decision", runId: null, body: Buffer.from('{"effect":"ALLOW"}') } as const;
  await store.commit([changeOutsideRuns({ putDocuments: [], ledger: [entry] })]);
  expect(await run(large)).toMatchObject({ unknown: 1, groups: [{ to: null, why: "the record is not whole" }] });
});
