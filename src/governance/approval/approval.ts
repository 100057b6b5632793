import { assert, assertNever, present } from "../../base/assert.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import { make } from "../../protocol/codec.ts";
import {
  Approval,
  type ApprovalDelegation,
  ApprovalStatus,
  type ApprovalVote,
  OnExpiry,
  Verdict,
} from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Principal } from "../action.ts";
import { delegationsMax, escalationsMax, quorumMax, reasonLengthMax } from "./approval-limits.ts";
import { delegateRefusal, grantsNeeded, mayWithdraw, requirementsOf, voterRefusal } from "./approver.ts";

/**
 * A pending human decision on one held activity, bound to one policy snapshot and one job hash. It ends once: granted, rejected, expired,
 * withdrawn or void. One rejection rejects; a grant needs the quorum, and releases the activity once (`used`).
 */
export type ApprovalState = Readonly<Approval> | null;

export type ClosedStatus = Exclude<ApprovalStatus, ApprovalStatus.UNSPECIFIED | ApprovalStatus.PENDING | ApprovalStatus.UNRECOGNIZED>;

export type ApprovalEvent =
  | { readonly type: "ApprovalRequested"; readonly approval: Readonly<Approval> }
  | { readonly type: "ApprovalVoted"; readonly vote: ApprovalVote }
  | { readonly type: "ApprovalDelegated"; readonly delegation: ApprovalDelegation }
  | { readonly type: "ApprovalEscalated"; readonly at: EpochMs; readonly expiresAt: EpochMs }
  | {
      readonly type: "ApprovalClosed";
      readonly at: EpochMs;
      readonly status: ClosedStatus;
      readonly reason: string;
      /** Who took the request back; null when it ended otherwise. */
      readonly by: Principal | null;
    }
  | { readonly type: "ApprovalUsed"; readonly at: EpochMs };

/** What is asked, by whom and for what: all of an approval that its requester knows. */
export type ApprovalAsk = Omit<
  Approval,
  | "status"
  | "createdAt"
  | "expiresAt"
  | "escalationsTaken"
  | "escalatedAt"
  | "closedAt"
  | "closeReason"
  | "usedAt"
  | "votes"
  | "delegations"
>;

export type ApprovalRequest =
  | { readonly type: "ask"; readonly ask: ApprovalAsk }
  | {
      readonly type: "vote";
      readonly voter: Principal;
      readonly verdict: "grant" | "reject";
      readonly reason: string;
      /** What the voter was shown, checked where it is told: a vote on something else does not count. */
      readonly seen: { readonly jobHash: string | null; readonly policySnapshot: string | null };
    }
  /** Hands the right to decide over to another principal, who then has it instead. */
  | { readonly type: "delegate"; readonly from: Principal; readonly to: string; readonly reason: string }
  /** Whoever asked takes the request back. */
  | { readonly type: "withdraw"; readonly by: Principal; readonly reason: string }
  /** The action is gone. */
  | { readonly type: "abandon"; readonly reason: string }
  /** What would be done now, and why the policy now in force denies it (null: it does not). */
  | { readonly type: "revalidate"; readonly jobHash: string; readonly denial: string | null }
  /** Time has passed: escalates and expires what is due. */
  | { readonly type: "wake" }
  /** The grant releases the activity. */
  | { readonly type: "use"; readonly jobHash: string };

export type ApprovalRefusal =
  | "already-requested"
  | "not-pending"
  | "not-granted"
  | "already-used"
  | "job-hash-mismatch"
  | "snapshot-mismatch"
  | "too-late"
  | "self-approval"
  | "not-the-requester"
  | "not-an-approver"
  | "not-a-person"
  | "already-voted"
  | "already-delegated"
  | "bad-delegate"
  | "too-many-delegations"
  | "reason-required"
  | "bad-reason";

/** Folds one event into the state. Total and pure. */
export function evolve(state: ApprovalState, event: ApprovalEvent): Readonly<Approval> {
  if (event.type === "ApprovalRequested") return event.approval;
  const approval = present(state, `approval of ${event.type}`);
  switch (event.type) {
    case "ApprovalVoted":
      return { ...approval, votes: [...approval.votes, event.vote] };
    case "ApprovalDelegated":
      return { ...approval, delegations: [...approval.delegations, event.delegation] };
    case "ApprovalEscalated":
      return { ...approval, escalationsTaken: approval.escalationsTaken + 1, escalatedAt: event.at, expiresAt: event.expiresAt };
    case "ApprovalClosed":
      return { ...approval, status: event.status, closedAt: event.at, closeReason: event.reason };
    case "ApprovalUsed":
      return { ...approval, usedAt: event.at };
    default:
      return assertNever(event);
  }
}

type Decided = Result<readonly ApprovalEvent[], ApprovalRefusal>;
type Request<T extends ApprovalRequest["type"]> = Extract<ApprovalRequest, { readonly type: T }>;

/** Decides one request on one approval: the events that it leads to (none: nothing to do), or why not. */
export function decide(state: ApprovalState, request: ApprovalRequest, now: EpochMs): Decided {
  if (request.type === "ask") return state === null ? ok([requested(request.ask, now)]) : err("already-requested");
  if (state === null) return err("not-pending");
  if (request.type === "use") return use(state, request, now);
  if (!isPending(state)) return err("not-pending");
  switch (request.type) {
    case "vote":
      return onTime(state, now, (current) => vote(current, request, now));
    case "delegate":
      return onTime(state, now, (current) => delegate(current, request, now));
    case "withdraw":
      return onTime(state, now, (current) => withdraw(current, request, now));
    case "abandon":
      return ok([closed(ApprovalStatus.WITHDRAWN, request.reason, now)]);
    case "revalidate":
      return ok(revalidate(state, request, now));
    case "wake":
      return ok(dueEvents(state, now));
    default:
      return assertNever(request);
  }
}

function vote(approval: Readonly<Approval>, { voter, verdict, reason, seen }: Request<"vote">, now: EpochMs): Decided {
  if (seen.jobHash !== null && seen.jobHash !== approval.jobHash) return err("job-hash-mismatch");
  if (seen.policySnapshot !== null && seen.policySnapshot !== approval.policySnapshot) return err("snapshot-mismatch");
  const refusal = voterRefusal(approval, voter, verdict) ?? reasonRefusal(approval, reason);
  if (refusal !== null) return err(refusal);
  const isGrant = verdict === "grant";
  const cast = { voter: written(voter), verdict: isGrant ? Verdict.GRANT : Verdict.REJECT, reason, at: now };
  const isDecided = !isGrant || grantsOf(approval) + 1 >= grantsNeeded(approval);
  const end = closed(isGrant ? ApprovalStatus.GRANTED : ApprovalStatus.REJECTED, reason, now);
  return ok([{ type: "ApprovalVoted", vote: cast }, ...(isDecided ? [end] : [])]);
}

function delegate(approval: Readonly<Approval>, { from, to, reason }: Request<"delegate">, now: EpochMs): Decided {
  if (approval.delegations.length >= delegationsMax) return err("too-many-delegations");
  const refusal =
    voterRefusal(approval, from, "grant") ?? delegateRefusal(approval, { from: from.id, to }) ?? reasonRefusal(approval, reason);
  if (refusal !== null) return err(refusal);
  return ok([{ type: "ApprovalDelegated", delegation: { from: written(from), to, reason, at: now } }]);
}

function withdraw(approval: Readonly<Approval>, { by, reason }: Request<"withdraw">, now: EpochMs): Decided {
  if (!mayWithdraw(approval, by.id)) return err("not-the-requester");
  if (!isWellFormed(reason)) return err("bad-reason");
  const end = closed(ApprovalStatus.WITHDRAWN, `withdrawn by ${by.id}${reason === "" ? "" : `: ${reason}`}`, now);
  return ok([{ ...end, by }]);
}

function revalidate(approval: Readonly<Approval>, { jobHash, denial }: Request<"revalidate">, now: EpochMs): readonly ApprovalEvent[] {
  if (jobHash !== approval.jobHash) return [closed(ApprovalStatus.VOID, "the action is not the one that was asked for", now)];
  return denial === null ? [] : [closed(ApprovalStatus.VOID, `the policy denies it now: ${denial}`, now)];
}

function use(approval: Readonly<Approval>, { jobHash }: Request<"use">, now: EpochMs): Decided {
  if (approval.status !== ApprovalStatus.GRANTED) return err("not-granted");
  if (approval.usedAt !== 0) return err("already-used");
  return jobHash === approval.jobHash ? ok([{ type: "ApprovalUsed", at: now }]) : err("job-hash-mismatch");
}

export const isPending = ({ status }: Readonly<Approval>): boolean => status === ApprovalStatus.PENDING;

/** When the approval next wants a `wake`; null once it has ended, or when it waits for people only. */
export function wakeAt(approval: Readonly<Approval>): EpochMs | null {
  if (!isPending(approval)) return null;
  const times = [nextEscalationAt(approval), expiryOf(approval)].filter((at) => at !== null);
  return times.length === 0 ? null : Math.min(...times);
}

/**
 * When an action that waits for the approval looks at it again: to expire with it, or to have it escalate. 0 for never. An expiry that an
 * escalation puts off is no time to expire.
 */
export function holdTimes(approval: Readonly<Approval>): { readonly expiresAt: EpochMs; readonly escalatesAt: EpochMs } {
  const { expiresAt } = approval;
  const escalatesAt = nextEscalationAt(approval);
  if (escalatesAt === null) return { expiresAt, escalatesAt: 0 };
  if (requirementsOf(approval).onExpiry === OnExpiry.DENY) return { expiresAt, escalatesAt };
  return { expiresAt: 0, escalatesAt: expiresAt === 0 ? escalatesAt : Math.min(escalatesAt, expiresAt) };
}

/** Whether the grant that released the activity still speaks for what would be done now: later attempts need no other. */
export const covers = (approval: Readonly<Approval>, jobHash: string): boolean =>
  approval.status === ApprovalStatus.GRANTED && approval.usedAt !== 0 && approval.jobHash === jobHash;

function requested(ask: ApprovalAsk, now: EpochMs): ApprovalEvent {
  const requirements = present(ask.requirements, "requirements of the approval");
  const { quorum, expiresAfter, onExpiry, escalations } = requirements;
  assert(quorum >= 1 && quorum <= quorumMax, `quorum ${quorum} is not within 1 and ${quorumMax}`);
  assert(escalations.length <= escalationsMax, `${escalations.length} escalations are more than ${escalationsMax}`);
  assert(onExpiry === OnExpiry.DENY || onExpiry === OnExpiry.ESCALATE, `what happens on expiry is unknown: ${onExpiry}`);
  const approval = make(Approval, {
    ...ask,
    requirements: { ...requirements, escalations: escalations.toSorted((a, b) => a.after - b.after) },
    status: ApprovalStatus.PENDING,
    createdAt: now,
    expiresAt: expiresAfter === 0 ? 0 : now + expiresAfter,
  });
  return { type: "ApprovalRequested", approval };
}

/** Decides as of now: deadlines that have passed come first, whether or not a wake has seen them. */
function onTime(approval: Readonly<Approval>, now: EpochMs, decideOn: (current: Readonly<Approval>) => Decided): Decided {
  const due = dueEvents(approval, now);
  const current = due.reduce<Readonly<Approval>>(evolve, approval);
  if (!isPending(current)) return err("too-late");
  const decided = decideOn(current);
  return decided.ok ? ok([...due, ...decided.value]) : decided;
}

/** Escalations and the expiry that are due, in the order of their times. */
function dueEvents(approval: Readonly<Approval>, now: EpochMs): readonly ApprovalEvent[] {
  const events: ApprovalEvent[] = [];
  let current = approval;
  // INVARIANT: each turn takes an escalation or ends the approval.
  for (let due = nextDue(current, now); due !== null; due = nextDue(current, now)) {
    events.push(due);
    current = evolve(current, due);
  }
  return events;
}

function nextDue(approval: Readonly<Approval>, now: EpochMs): ApprovalEvent | null {
  const at = wakeAt(approval);
  if (at === null || at > now) return null;
  const escalation = nextEscalationAt(approval);
  if (at !== expiryOf(approval)) return { type: "ApprovalEscalated", at: now, expiresAt: approval.expiresAt };
  const { onExpiry, expiresAfter } = requirementsOf(approval);
  if (onExpiry === OnExpiry.ESCALATE && escalation !== null) return { type: "ApprovalEscalated", at: now, expiresAt: now + expiresAfter };
  return closed(ApprovalStatus.EXPIRED, "nobody decided in time", now);
}

/** When the next of its escalations comes, at the latest; null if none is left. */
export function nextEscalationAt(approval: Readonly<Approval>): EpochMs | null {
  const next = requirementsOf(approval).escalations[approval.escalationsTaken];
  return next === undefined ? null : approval.createdAt + next.after;
}

const expiryOf = ({ expiresAt }: Readonly<Approval>): EpochMs | null => (expiresAt === 0 ? null : expiresAt);

const written = ({ id, kind, roles }: Principal) => ({ id, kind, roles: [...roles] });

const grantsOf = ({ votes }: Readonly<Approval>): number => votes.filter(({ verdict }) => verdict === Verdict.GRANT).length;

const closed = (status: ClosedStatus, reason: string, at: EpochMs): Extract<ApprovalEvent, { readonly type: "ApprovalClosed" }> => ({
  type: "ApprovalClosed",
  at,
  status,
  reason,
  by: null,
});

const loneSurrogate = /\p{Surrogate}/u;

function reasonRefusal(approval: Readonly<Approval>, reason: string): ApprovalRefusal | null {
  if (reason.trim() === "" && requirementsOf(approval).reasonRequired) return "reason-required";
  return isWellFormed(reason) ? null : "bad-reason";
}

const isWellFormed = (reason: string): boolean => reason.length <= reasonLengthMax && !loneSurrogate.test(reason);
