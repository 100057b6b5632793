import { assert } from "../base/assert.ts";
import type { Result } from "../base/result.ts";
import { ok } from "../base/result.ts";
import type { EpochMs } from "../base/time.ts";
import { type ApprovalEvent, type ApprovalRefusal, type ApprovalRequest, decide, evolve } from "../governance/approval/approval.ts";
import { canonicalJson } from "../governance/canonical.ts";
import type { LedgerEntry, LedgerKind } from "../governance/ledger/ledger.ts";
import { encode } from "../protocol/codec.ts";
import { Approval, ApprovalStatus } from "../protocol/generated/holdfast/state/v1/governance.ts";
import type { ApprovalWrite, StoredApproval } from "../store/store.ts";

/** What a request on an approval writes: its new version, and one ledger entry per event. */
export type ApprovalChange = {
  readonly approval: Readonly<Approval>;
  readonly approvals: readonly ApprovalWrite[];
  readonly ledger: readonly LedgerEntry[];
};

export const decodeApproval = ({ body }: StoredApproval): Approval => Approval.decode(body);

/** Decides requests on a stored approval, one after the other; the first refusal refuses all. */
export function decideOnApproval(
  stored: StoredApproval,
  requests: readonly ApprovalRequest[],
  now: EpochMs,
): Result<ApprovalChange, ApprovalRefusal> {
  let approval: Readonly<Approval> = decodeApproval(stored);
  const events: ApprovalEvent[] = [];
  for (const request of requests) {
    const decided = decide(approval, request, now);
    if (!decided.ok) return decided;
    events.push(...decided.value);
    approval = decided.value.reduce<Readonly<Approval>>(evolve, approval);
  }
  const { id, run, scheduledEventId, createdAt, version } = stored;
  return ok({
    approval,
    approvals: [
      { id, run, scheduledEventId, createdAt, status: approval.status, body: encode(Approval, approval), expectedVersion: version },
    ],
    ledger: events.map((event) => ({
      namespaceId: run.namespaceId,
      at: now,
      kind: ledgerKinds[event.type],
      runId: run.runId,
      body: Buffer.from(canonicalJson({ approval_id: id, job_hash: approval.jobHash, ...recordOf(event) })),
    })),
  });
}

const ledgerKinds: { readonly [T in ApprovalEvent["type"]]: LedgerKind } = {
  ApprovalRequested: "approval-requested",
  ApprovalVoted: "approval-vote",
  ApprovalDelegated: "approval-changed",
  ApprovalEscalated: "approval-changed",
  ApprovalClosed: "approval-closed",
  ApprovalUsed: "approval-changed",
};

/** An event as the ledger keeps it. */
function recordOf(event: ApprovalEvent): object {
  switch (event.type) {
    case "ApprovalRequested":
      return { event: "requested" };
    case "ApprovalVoted":
      return {
        event: "voted",
        voter: event.vote.voter?.id,
        verdict: event.vote.verdict === 1 ? "grant" : "reject",
        reason: event.vote.reason,
      };
    case "ApprovalDelegated":
      return { event: "delegated", from: event.delegation.from?.id, to: event.delegation.to, reason: event.delegation.reason };
    case "ApprovalEscalated":
      return { event: "escalated" };
    case "ApprovalClosed":
      return { event: "closed", status: statusName(event.status), reason: event.reason };
    case "ApprovalUsed":
      return { event: "used" };
  }
}

/** `GRANTED` → `granted`. */
export function statusName(status: ApprovalStatus): string {
  const [name] = Object.entries(ApprovalStatus).find(([, value]) => value === status) ?? [];
  assert(name !== undefined, `approval status ${status} is unknown`);
  return name.toLowerCase();
}

/** Ends an approval that nobody waits for: expired if its time is over, withdrawn otherwise. Null when it has ended already. */
export function settle(stored: StoredApproval, now: EpochMs): ApprovalChange | null {
  const expired = decideOnApproval(stored, [{ type: "wake" }], now);
  if (expired.ok && expired.value.approval.status !== ApprovalStatus.PENDING) return expired.value;
  const withdrawn = decideOnApproval(stored, [{ type: "withdraw", reason: "the activity no longer waits" }], now);
  return withdrawn.ok ? withdrawn.value : null;
}
