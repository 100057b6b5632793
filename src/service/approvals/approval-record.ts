import { ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import { type ApprovalRefusal, type ApprovalRequest, decide, evolve } from "../../governance/approval/approval.ts";
import { approvalEntry } from "../../governance/approval/approval-entry.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import { encode } from "../../protocol/codec.ts";
import { Approval, ApprovalStatus, Verdict } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { ApprovalWrite, StoredApproval } from "../../store/store.ts";

/** What requests on an approval write: its new version, and one ledger entry per event. */
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
  const ledger: LedgerEntry[] = [];
  for (const request of requests) {
    const decided = decide(approval, request, now);
    if (!decided.ok) return decided;
    for (const event of decided.value) {
      approval = evolve(approval, event);
      ledger.push(approvalEntry(approval, event));
    }
  }
  const { id, run, scheduledEventId, createdAt, version } = stored;
  const write = {
    id,
    run,
    scheduledEventId,
    createdAt,
    status: approval.status,
    body: encode(Approval, approval),
    expectedVersion: version,
  };
  return ok({ approval, approvals: [write], ledger });
}

/** How a closed approval ended, as the workflow that asked for it reads it: by those whose votes decided. */
export const endOf = ({ id, status, closeReason, closedAt, votes }: Readonly<Approval>) => ({
  approval_id: id,
  reason: closeReason,
  decided_by: votes
    .filter(({ verdict }) => verdict === (status === ApprovalStatus.GRANTED ? Verdict.GRANT : Verdict.REJECT))
    .map(({ voter, reason, at }) => ({ principal: voter?.id ?? "", reason, at: new Date(at).toISOString() })),
  decided_at: new Date(closedAt).toISOString(),
});

/** Ends an approval that nobody waits for: expired if its time is over, withdrawn otherwise. Null when it has ended already. */
export function settle(stored: StoredApproval, now: EpochMs): ApprovalChange | null {
  const expired = decideOnApproval(stored, [{ type: "wake" }], now);
  if (expired.ok && expired.value.approval.status !== ApprovalStatus.PENDING) return expired.value;
  const withdrawn = decideOnApproval(stored, [{ type: "abandon", reason: "the action no longer waits" }], now);
  return withdrawn.ok ? withdrawn.value : null;
}
