import { present } from "../../base/assert.ts";
import { make } from "../../protocol/codec.ts";
import { type Approval, type ApprovalRequirements, Approvers } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Principal } from "../action.ts";

/**
 * Why a principal may not vote (or hand the right over), null when it may. A principal is one by its id alone, however it is
 * written: whoever comes back with another kind or other roles has voted already.
 */
export function voterRefusal(
  approval: Readonly<Approval>,
  voter: Principal,
  verdict: "grant" | "reject",
): "self-approval" | "not-an-approver" | "not-a-person" | "already-voted" | "already-delegated" | null {
  const { fourEyes } = requirementsOf(approval);
  if (verdict === "grant" && isOneOfThoseWhoAsk(approval, voter.id)) return "self-approval";
  if (!hasRight(approval, voter)) return "not-an-approver";
  if (verdict === "grant" && fourEyes && voter.kind !== "human") return "not-a-person";
  if (hasVoted(approval, voter.id)) return "already-voted";
  return hasDelegated(approval, voter.id) ? "already-delegated" : null;
}

/** Why the right may not go to `to`. Rights never come back to whoever gave them away, so they do not go round. */
export function delegateRefusal(
  approval: Readonly<Approval>,
  { from, to }: { from: string; to: string },
): "self-approval" | "bad-delegate" | null {
  if (isOneOfThoseWhoAsk(approval, to)) return "self-approval";
  return to === "" || isSameOne(to, from) || hasVoted(approval, to) || hasDelegated(approval, to) ? "bad-delegate" : null;
}

/** Whoever asked, or started the workflow that asks, may take the request back. */
export const mayWithdraw = ({ requester, starter }: Readonly<Approval>, id: string): boolean =>
  id !== "" && (id === idOf(requester) || id === idOf(starter));

/** Grants that it takes. Where two pairs of eyes are asked for and nobody knows whose the first one is, two people grant. */
export function grantsNeeded(approval: Readonly<Approval>): number {
  const { quorum, fourEyes } = requirementsOf(approval);
  const isAskerKnown = idOf(approval.requester) !== "" || idOf(approval.starter) !== "";
  return fourEyes && !isAskerKnown ? Math.max(quorum, 2) : quorum;
}

function isOneOfThoseWhoAsk(approval: Readonly<Approval>, id: string): boolean {
  return isSameOne(id, idOf(approval.requester)) || (requirementsOf(approval).fourEyes && isSameOne(id, idOf(approval.starter)));
}

/**
 * Whether two ids may be spellings of one: `Ann`, `ann ` and `ａｎｎ`. Whoever may not decide, or has decided, must not come back as somebody
 * else by writing a name in another way. Who has the right is compared exactly.
 */
const isSameOne = (id: string, other: string): boolean => id !== "" && (id === other || foldedId(id) === foldedId(other));

const foldedId = (id: string): string =>
  id
    .normalize("NFKC")
    .replace(/[\s\p{C}]/gu, "")
    .toLowerCase();

/**
 * Who is asked by now: the rule's approvers, those of escalations that have come, and whoever was handed the right over; without those who
 * handed theirs over or have voted. With `anybody`, everybody else who says who they are may decide as well.
 */
export function approversNow(approval: Readonly<Approval>): {
  readonly anybody: boolean;
  readonly roles: readonly string[];
  readonly principals: readonly string[];
} {
  const groups = groupsAsked(approval);
  const named = [...groups.flatMap(({ principals }) => principals), ...approval.delegations.map(({ to }) => to)];
  return {
    anybody: groups.some(isAnybody),
    roles: [...new Set(groups.flatMap(({ roles }) => roles))],
    principals: [...new Set(named)].filter((id) => !hasVoted(approval, id) && !hasDelegated(approval, id)),
  };
}

function groupsAsked(approval: Readonly<Approval>): readonly Approvers[] {
  const { approvers, escalations } = requirementsOf(approval);
  const groups = [approvers, ...escalations.slice(0, approval.escalationsTaken).map((escalation) => escalation.approvers)];
  return groups.map((group) => group ?? make(Approvers));
}

function hasRight(approval: Readonly<Approval>, voter: Principal): boolean {
  if (voter.id === "") return false;
  return approval.delegations.some(({ to }) => to === voter.id) || groupsAsked(approval).some((group) => isIn(group, voter));
}

function isIn(group: Approvers, { id, roles }: Principal): boolean {
  if (isAnybody(group)) return true;
  return group.principals.includes(id) || group.roles.some((role) => roles.includes(role));
}

const isAnybody = ({ roles, principals }: Approvers): boolean => roles.length + principals.length === 0;

const hasVoted = ({ votes }: Readonly<Approval>, id: string): boolean => votes.some(({ voter }) => isSameOne(id, idOf(voter)));
const hasDelegated = ({ delegations }: Readonly<Approval>, id: string): boolean =>
  delegations.some(({ from }) => isSameOne(id, idOf(from)));
const idOf = (principal: { readonly id: string } | undefined): string => principal?.id ?? "";
export const requirementsOf = ({ requirements }: Readonly<Approval>): ApprovalRequirements =>
  present(requirements, "requirements of the approval");
