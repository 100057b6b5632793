import fc from "fast-check";
import { expect, test } from "vitest";
import { encode, make } from "../../protocol/codec.ts";
import {
  Approval,
  ApprovalEscalation,
  ApprovalRequirements,
  ApprovalStatus,
  Approvers,
  OnExpiry,
  Verdict,
} from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Principal } from "../action.ts";
import { type ApprovalAsk, type ApprovalEvent, type ApprovalRequest, decide, evolve, holdTimes, isPending, wakeAt } from "./approval.ts";
import { approvalEntry } from "./approval-entry.ts";

// Few names, roles, hashes and times, so that requests meet.
const name = fc.constantFrom("ann", "ben", "cid", "dan", "");
const roles = fc.subarray(["finance", "directors"]);
const principal: fc.Arbitrary<Principal> = fc.record({ id: name, kind: fc.constantFrom("human", "service"), roles });
const approvers: fc.Arbitrary<Approvers> = fc
  .record({ roles, principals: fc.subarray(["ann", "ben"]) })
  .map((fields) => make(Approvers, fields));
const jobHash = fc.constantFrom("job", "job", "job", "other");
const told = fc.constantFrom(null, null, "job", "snapshot", "other");

const anyAsk: fc.Arbitrary<ApprovalAsk> = fc
  .record({
    requester: fc.option(principal, { nil: undefined }),
    starter: fc.option(principal, { nil: undefined }),
    approvers,
    quorum: fc.integer({ min: 1, max: 3 }),
    fourEyes: fc.boolean(),
    expiresAfter: fc.constantFrom(0, 20, 40),
    onExpiry: fc.constantFrom(OnExpiry.DENY, OnExpiry.ESCALATE),
    escalations: fc.array(
      fc.record({ after: fc.integer({ min: 0, max: 50 }), approvers }).map((fields) => make(ApprovalEscalation, fields)),
      { maxLength: 3 },
    ),
    reasonRequired: fc.boolean(),
  })
  .map(({ requester, starter, ...requirements }) => ({
    ...make(Approval, { id: "id", policySnapshot: "snapshot", jobHash: "job" }),
    requester: requester && { ...requester, roles: [...requester.roles] },
    starter: starter && { ...starter, roles: [...starter.roles] },
    requirements: make(ApprovalRequirements, requirements),
  }));

const reason = fc.constantFrom("", "because");
const anyRequest: fc.Arbitrary<ApprovalRequest> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("vote" as const),
      voter: principal,
      verdict: fc.constantFrom("grant", "grant", "grant", "reject"),
      reason,
      seen: fc.record({ jobHash: told, policySnapshot: told }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delegate" as const), from: principal, to: name, reason }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("abandon" as const), reason }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("withdraw" as const), by: principal, reason }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("revalidate" as const), jobHash, denial: fc.option(reason) }) },
  { weight: 2, arbitrary: fc.constant({ type: "wake" as const }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("use" as const), jobHash }) },
  { weight: 1, arbitrary: anyAsk.map((ask) => ({ type: "ask" as const, ask })) },
);
const steps = fc.array(fc.record({ wait: fc.integer({ min: 0, max: 15 }), request: anyRequest }), { maxLength: 25 });

const start = 1_000;

test("whatever is asked in whatever order, an approval ends once and only as its rules allow", () => {
  fc.assert(
    fc.property(anyAsk, steps, (ask, asked) => {
      let now = start;
      const events: ApprovalEvent[] = [];
      let state: Readonly<Approval> | null = null;
      for (const { wait, request } of [{ wait: 0, request: { type: "ask" as const, ask } }, ...asked]) {
        now += wait;
        const decided = decide(state, request, now);
        if (!decided.ok) continue;
        for (const event of decided.value) {
          state = evolve(state, event);
          events.push(event);
          expect(approvalEntry(state, event).at).toBe(event.type === "ApprovalRequested" ? start : now);
        }
        // Whoever waits for it looks again exactly when something is due.
        if (state !== null && isPending(state)) {
          const times = Object.values(holdTimes(state)).filter((at) => at > 0);
          expect(times.length === 0 ? null : Math.min(...times)).toBe(wakeAt(state));
        }
        // A wake leaves nothing due.
        if (state !== null && request.type === "wake") expect(wakeAt(state) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(now);
      }
      const approval = state ?? expect.unreachable("not asked for");
      const closings = events.filter(({ type }) => type === "ApprovalClosed");
      expect(closings.length).toBe(isPending(approval) ? 0 : 1);
      // After the end only the use of a grant follows.
      const afterEnd = closings[0] === undefined ? [] : events.slice(events.indexOf(closings[0]) + 1);
      expect(afterEnd.map(({ type }) => type)).toEqual(approval.usedAt === 0 ? [] : ["ApprovalUsed"]);
      if (approval.usedAt !== 0) expect(approval.status).toBe(ApprovalStatus.GRANTED);

      const voters = approval.votes.map(({ voter }) => voter?.id);
      expect(new Set(voters).size).toBe(voters.length);
      expect(voters).not.toContain("");
      const grants = approval.votes.filter(({ verdict }) => verdict === Verdict.GRANT);
      const requirements = ask.requirements ?? expect.unreachable("no requirements");
      for (const { voter } of grants) {
        if (ask.requester !== undefined) expect(voter?.id).not.toBe(ask.requester.id);
        if (requirements.fourEyes) expect([voter?.kind, voter?.id === ask.starter?.id]).toEqual(["human", false]);
      }
      const isGranted = approval.status === ApprovalStatus.GRANTED;
      const isRejected = approval.votes.some(({ verdict }) => verdict === Verdict.REJECT);
      expect(approval.status === ApprovalStatus.REJECTED).toBe(isRejected);
      if (isGranted) expect(grants.length).toBeGreaterThanOrEqual(requirements.quorum);
      if (isGranted) expect(isRejected).toBe(false);

      expect(events.reduce<Readonly<Approval> | null>(evolve, null)).toEqual(approval);
      expect(Approval.decode(encode(Approval, approval))).toEqual(approval);
    }),
    { numRuns: 1_000 },
  );
});
