import { describe, expect, test } from "vitest";
import { encode, make } from "../../protocol/codec.ts";
import {
  Approval,
  ApprovalEscalation,
  ApprovalRequirements,
  ApprovalStatus,
  Approvers,
  OnExpiry,
} from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Principal } from "../action.ts";
import { type ApprovalAsk, type ApprovalRequest, type ApprovalState, covers, decide, evolve, wakeAt } from "./approval.ts";
import { approvalEntry, statusWords } from "./approval-entry.ts";
import { delegationsMax, reasonLengthMax } from "./approval-limits.ts";

const person = (id: string, ...roles: readonly string[]): Principal => ({ id, kind: "human", roles });
const program = (id: string, ...roles: readonly string[]): Principal => ({ id, kind: "service", roles });
const of = (...roles: readonly string[]): Approvers => make(Approvers, { roles: [...roles] });

const ask = (requirements: Partial<ApprovalRequirements> = {}, given: Partial<ApprovalAsk> = {}): ApprovalAsk => {
  const { status: _, ...rest } = make(Approval, {
    id: "approval",
    namespaceId: "namespace",
    workflowId: "order-7",
    runId: "run",
    scheduledEventId: 5,
    activityType: "Refund",
    requester: { id: "worker", kind: "service", roles: [] },
    starter: { id: "sam", kind: "human", roles: [] },
    ruleId: "large-refunds",
    policySnapshot: "snapshot",
    jobHash: "job",
    requirements: make(ApprovalRequirements, { approvers: of("finance"), quorum: 1, onExpiry: OnExpiry.DENY, ...requirements }),
  });
  return { ...rest, ...given };
};

type Move = readonly [at: number, request: ApprovalRequest];
const vote =
  (verdict: "grant" | "reject") =>
  (voter: Principal, given: { reason?: string; jobHash?: string; policySnapshot?: string } = {}): ApprovalRequest => ({
    type: "vote",
    voter,
    verdict,
    reason: given.reason ?? "",
    seen: { jobHash: given.jobHash ?? null, policySnapshot: given.policySnapshot ?? null },
  });
const grant = vote("grant");
const reject = vote("reject");
const delegate = (from: Principal, to: string): ApprovalRequest => ({ type: "delegate", from, to, reason: "" });
const wake: ApprovalRequest = { type: "wake" };
const use = (jobHash = "job"): ApprovalRequest => ({ type: "use", jobHash });
const revalidate = (jobHash: string, denial: string | null = null): ApprovalRequest => ({ type: "revalidate", jobHash, denial });
const abandon: ApprovalRequest = { type: "abandon", reason: "workflow terminated" };
const withdraw = (by: string, reason = ""): ApprovalRequest => ({ type: "withdraw", by: program(by), reason });

/** Asks at time 0 and makes each move in turn; the words of what came of each, and the state in the end. */
function play(asked: ApprovalAsk, ...moves: readonly Move[]) {
  let state: ApprovalState = null;
  const said: string[] = [];
  for (const [at, request] of [[0, { type: "ask", ask: asked }] as const, ...moves]) {
    const decided = decide(state, request, at);
    if (!decided.ok) said.push(decided.error);
    else said.push(decided.value.map(wordOf).join("+") || "nothing");
    if (decided.ok) state = decided.value.reduce<ApprovalState>(evolve, state);
  }
  return { said: said.slice(1).join(", "), state: state ?? expect.unreachable("not asked for") };
}
const wordOf = (event: Parameters<typeof evolve>[1]): string =>
  event.type === "ApprovalClosed" ? statusWords[event.status] : event.type.replace("Approval", "").toLowerCase();

const ann = person("ann", "finance");
const ben = person("ben", "finance");
const bot = program("bot", "finance");
const boss = person("boss", "directors");

describe("who may vote", () => {
  test.each<[string, Partial<ApprovalRequirements>, ApprovalRequest, string]>([
    ["a principal of the role", {}, grant(ann), "voted+granted"],
    ["a program of the role", {}, grant(bot), "voted+granted"],
    ["a principal by name", { approvers: make(Approvers, { principals: ["boss"] }) }, grant(boss), "voted+granted"],
    ["anybody where nobody is named", { approvers: of() }, grant(boss), "voted+granted"],
    ["another", {}, grant(boss), "not-an-approver"],
    ["another, against it", {}, reject(boss), "not-an-approver"],
    ["somebody unknown", { approvers: of() }, grant(person("")), "not-an-approver"],
    ["the one who asks", {}, grant(person("worker", "finance")), "self-approval"],
    ["… written in another case", {}, grant(person("Worker", "finance")), "self-approval"],
    ["… with space around it", {}, grant(person(" worker\u00a0", "finance")), "self-approval"],
    ["… in wide letters", {}, grant(person("ｗｏｒｋｅｒ", "finance")), "self-approval"],
    ["… with a letter that nobody sees", {}, grant(person("wor\u200bker", "finance")), "self-approval"],
    ["… in another case where four eyes are asked for", { fourEyes: true }, grant(person("SAM", "finance")), "self-approval"],
    ["the one who asks, against it", {}, reject(person("worker", "finance")), "voted+rejected"],
    ["the one who started the workflow", {}, grant(person("sam", "finance")), "voted+granted"],
    ["… where four eyes are asked for", { fourEyes: true }, grant(person("sam", "finance")), "self-approval"],
    ["a program where four eyes are asked for", { fourEyes: true }, grant(bot), "not-a-person"],
    ["a program, against it, where four eyes are asked for", { fourEyes: true }, reject(bot), "voted+rejected"],
    ["a person where four eyes are asked for", { fourEyes: true }, grant(ann), "voted+granted"],
  ])("%s", (_, requirements, request, said) => {
    expect(play(ask(requirements), [1, request]).said).toBe(said);
  });
});

describe("quorum", () => {
  test.each<[string, Partial<ApprovalRequirements>, readonly ApprovalRequest[], string]>([
    ["two grants", { quorum: 2 }, [grant(ann), grant(ben)], "voted, voted+granted"],
    ["one principal, twice", { quorum: 2 }, [grant(ann), grant(ann)], "voted, already-voted"],
    ["one principal, written in another way", { quorum: 2 }, [grant(ann), grant(person("Ann ", "finance"))], "voted, already-voted"],
    ["one principal, as another kind", { quorum: 2 }, [grant(ann), grant(program("ann", "finance"))], "voted, already-voted"],
    ["one rejection among grants", { quorum: 2 }, [grant(ann), reject(ben)], "voted, voted+rejected"],
    ["a grant taken back", { quorum: 2 }, [grant(ann), reject(ann)], "voted, already-voted"],
    ["after the end", {}, [grant(ann), grant(ben), reject(ben)], "voted+granted, not-pending, not-pending"],
  ])("%s", (_, requirements, requests, said) => {
    expect(play(ask(requirements), ...requests.map((request, at): Move => [at + 1, request])).said).toBe(said);
  });

  test("four eyes need two people when nobody knows who asked", () => {
    const unknown = { requester: undefined, starter: undefined };
    expect(play(ask({ fourEyes: true }, unknown), [1, grant(ann)], [2, grant(ben)]).said).toBe("voted, voted+granted");
  });
});

describe("what a vote is on", () => {
  test.each<[string, ApprovalRequest, string]>([
    ["the same job and snapshot", grant(ann, { jobHash: "job", policySnapshot: "snapshot" }), "voted+granted"],
    ["another job", grant(ann, { jobHash: "other" }), "job-hash-mismatch"],
    ["another snapshot", reject(ann, { policySnapshot: "other" }), "snapshot-mismatch"],
  ])("%s", (_, request, said) => {
    expect(play(ask(), [1, request]).said).toBe(said);
  });

  test.each<[string, Partial<ApprovalRequirements>, string, string]>([
    ["none needed", {}, "", "voted+granted"],
    ["none given", { reasonRequired: true }, " \n", "reason-required"],
    ["given", { reasonRequired: true }, "checked", "voted+granted"],
    ["too long", {}, "x".repeat(reasonLengthMax + 1), "bad-reason"],
    ["no text", {}, "\ud800", "bad-reason"],
  ])("reason: %s", (_, requirements, reason, said) => {
    expect(play(ask(requirements), [1, grant(ann, { reason })]).said).toBe(said);
  });
});

describe("delegation hands the right over", () => {
  test.each<[string, readonly ApprovalRequest[], string]>([
    ["to anybody", [delegate(ann, "zoe"), grant(person("zoe"))], "delegated, voted+granted"],
    ["away from whoever had it", [delegate(ann, "zoe"), grant(ann)], "delegated, already-delegated"],
    ["on", [delegate(ann, "zoe"), delegate(person("zoe"), "yan"), grant(person("yan"))], "delegated, delegated, voted+granted"],
    ["and never back", [delegate(ann, "zoe"), delegate(person("zoe"), "ann")], "delegated, bad-delegate"],
    ["not after a vote", [grant(ann), delegate(ann, "zoe")], "voted, already-voted"],
    ["not to who has voted", [grant(ann), delegate(ben, "ann")], "voted, bad-delegate"],
    ["not to oneself", [delegate(ann, "ann")], "bad-delegate"],
    ["not to nobody", [delegate(ann, "")], "bad-delegate"],
    ["not to the one who asks", [delegate(ann, "worker")], "self-approval"],
    ["not to the one who asks, written in another way", [delegate(ann, "Worker")], "self-approval"],
    ["not by the one who asks", [delegate(person("worker", "finance"), "zoe")], "self-approval"],
    ["not by another", [delegate(boss, "zoe")], "not-an-approver"],
    ["once, to who has it already", [delegate(ann, "ben"), grant(ben), grant(ben)], "delegated, voted, already-voted"],
  ])("%s", (_, requests, said) => {
    const quorum = said.includes("voted+granted") ? 1 : 2;
    expect(play(ask({ quorum }), ...requests.map((request, at): Move => [at + 1, request])).said).toBe(said);
  });

  test("so many times", () => {
    const moves = Array.from(
      { length: delegationsMax + 1 },
      (_, index): Move => [1, delegate(person(`a${index}`, "finance"), `b${index}`)],
    );
    expect(
      play(ask(), ...moves)
        .said.split(", ")
        .slice(-2),
    ).toEqual(["delegated", "too-many-delegations"]);
  });
});

describe("time", () => {
  const directors = (after: number): ApprovalEscalation => make(ApprovalEscalation, { after, approvers: of("directors") });
  const board = (after: number): ApprovalEscalation => make(ApprovalEscalation, { after, approvers: of("board") });
  test.each<[string, Partial<ApprovalRequirements>, readonly Move[], string]>([
    ["never expires", {}, [[1e12, wake]], "nothing"],
    [
      "before it expires",
      { expiresAfter: 100 },
      [
        [99, wake],
        [99, grant(ann)],
      ],
      "nothing, voted+granted",
    ],
    ["expires", { expiresAfter: 100 }, [[100, wake]], "expired"],
    [
      "expired, though no wake has seen it",
      { expiresAfter: 100 },
      [
        [100, grant(ann)],
        [101, wake],
      ],
      "too-late, expired",
    ],
    ["before the escalation", { escalations: [directors(50)] }, [[49, grant(boss)]], "not-an-approver"],
    [
      "escalates",
      { escalations: [directors(50)] },
      [
        [50, wake],
        [50, wake],
        [51, grant(boss)],
      ],
      "escalated, nothing, voted+granted",
    ],
    ["escalated, though no wake has seen it", { escalations: [directors(50)] }, [[60, grant(boss)]], "escalated+voted+granted"],
    ["who was asked first still may", { escalations: [directors(50)] }, [[60, grant(ann)]], "escalated+voted+granted"],
    [
      "in steps, whatever their order",
      { escalations: [board(90), directors(50)] },
      [
        [60, wake],
        [90, wake],
      ],
      "escalated, escalated",
    ],
    [
      "all steps of a long sleep",
      { escalations: [directors(50), board(90)], expiresAfter: 100 },
      [[500, wake]],
      "escalated+escalated+expired",
    ],
    [
      "escalates instead of expiring, and then expires",
      { escalations: [directors(900)], expiresAfter: 100, onExpiry: OnExpiry.ESCALATE },
      [
        [130, wake],
        [229, wake],
        [230, wake],
      ],
      "escalated, nothing, expired",
    ],
  ])("%s", (_, requirements, moves, said) => {
    expect(play(ask(requirements), ...moves).said).toBe(said);
  });

  test("says when it next wants a wake", () => {
    const asked = ask({ escalations: [directors(50)], expiresAfter: 100 });
    expect(wakeAt(play(asked).state)).toBe(50);
    expect(wakeAt(play(asked, [50, wake]).state)).toBe(100);
    expect(wakeAt(play(asked, [50, grant(ann)]).state)).toBeNull();
    expect(wakeAt(play(ask()).state)).toBeNull();
  });
});

describe("the end", () => {
  test.each<[string, readonly ApprovalRequest[], string]>([
    ["is asked for once", [{ type: "ask", ask: ask() }], "already-requested"],
    ["abandoned", [abandon, grant(ann), abandon], "withdrawn, not-pending, not-pending"],
    ["withdrawn", [withdraw("worker"), grant(ann), withdraw("worker")], "withdrawn, not-pending, not-pending"],
    ["withdrawn by whoever started the workflow", [withdraw("sam")], "withdrawn"],
    ["withdrawn by nobody else", [withdraw("ann"), withdraw("")], "not-the-requester, not-the-requester"],
    ["withdrawn for a reason that nobody can read", [withdraw("sam", "\ud800")], "bad-reason"],
    ["not withdrawn once granted", [grant(ann), withdraw("worker")], "voted+granted, not-pending"],
    ["void: another job", [revalidate("other"), grant(ann)], "void, not-pending"],
    ["void: denied by now", [revalidate("job", "refunds are frozen"), grant(ann)], "void, not-pending"],
    ["still what it was", [revalidate("job"), grant(ann)], "nothing, voted+granted"],
    ["used", [grant(ann), use(), use()], "voted+granted, used, already-used"],
    ["not used for another job", [grant(ann), use("other"), use()], "voted+granted, job-hash-mismatch, used"],
    ["not used before it is granted", [use()], "not-granted"],
    ["not used when rejected", [reject(ann), use()], "voted+rejected, not-granted"],
  ])("%s", (_, requests, said) => {
    expect(play(ask(), ...requests.map((request, at): Move => [at + 1, request])).said).toBe(said);
  });

  test("nothing is to be decided on what nobody asked for", () => {
    expect(decide(null, grant(ann), 1)).toEqual({ ok: false, error: "not-pending" });
  });

  test("a used grant speaks for its job only", () => {
    const { state } = play(ask(), [1, grant(ann)], [2, use()]);
    expect([covers(state, "job"), covers(state, "other"), covers(play(ask(), [1, grant(ann)]).state, "job")]).toEqual([true, false, false]);
  });

  test("says who took it back", () => {
    const { state } = play(ask(), [7, withdraw("worker", "not needed")]);
    expect(state).toMatchObject({ status: ApprovalStatus.WITHDRAWN, closeReason: "withdrawn by worker: not needed" });
  });

  test("says why", () => {
    const { state } = play(ask(), [7, revalidate("job", "refunds are frozen")]);
    expect(state).toMatchObject({
      status: ApprovalStatus.VOID,
      closedAt: 7,
      closeReason: "the policy denies it now: refunds are frozen",
    });
  });
});

test("it is stored as it stands", () => {
  const { state } = play(ask({ quorum: 2 }, { labels: { env: "prod" } }), [1, delegate(ann, "zoe")], [2, grant(person("zoe"))]);
  expect(Approval.decode(encode(Approval, state))).toEqual(state);
});

test("every event has its entry in the ledger", () => {
  let state: ApprovalState = null;
  const entries: string[] = [];
  const asked = ask({ quorum: 1, escalations: [make(ApprovalEscalation, { after: 2, approvers: of("directors") })] });
  for (const [at, request] of [
    [0, { type: "ask", ask: asked }],
    [1, delegate(ann, "zoe")],
    [3, grant(boss, { reason: "fine" })],
    [4, use()],
  ] as const) {
    const decided = decide(state, request, at);
    for (const event of decided.ok ? decided.value : expect.unreachable(decided.error)) {
      state = evolve(state, event);
      const entry = approvalEntry(state, event);
      expect(entry).toMatchObject({ namespaceId: "namespace", runId: "run", at });
      entries.push(`${entry.kind} ${Buffer.from(entry.body)}`);
    }
  }
  expect(entries.slice(1)).toEqual([
    'approval-changed {"approval":"approval","change":"delegated","from":{"id":"ann","kind":"human","roles":["finance"]},"job_hash":"job","reason":"","snapshot":"snapshot","to":"zoe"}',
    'approval-changed {"approval":"approval","change":"escalated","escalation":1,"expires_at":0,"job_hash":"job","snapshot":"snapshot"}',
    'approval-vote {"approval":"approval","job_hash":"job","reason":"fine","snapshot":"snapshot","verdict":"grant","voter":{"id":"boss","kind":"human","roles":["directors"]}}',
    'approval-closed {"approval":"approval","job_hash":"job","reason":"fine","snapshot":"snapshot","status":"granted"}',
    'approval-changed {"approval":"approval","change":"used","job_hash":"job","snapshot":"snapshot"}',
  ]);
  expect(entries[0]).toContain('"requirements":{"approvers":{"principals":[],"roles":["finance"]},"escalations":[{"after":2,');
});
