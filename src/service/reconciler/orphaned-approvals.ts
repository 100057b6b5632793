import { decodeRun } from "../../execution/stored-run.ts";
import { heldActions } from "../../execution/unattended.ts";
import { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Store, StoredApproval } from "../../store/store.ts";
import { settle } from "../approvals/approval-record.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Namespaces } from "../namespaces.ts";
import { NotCommitted, type Runs } from "../runs.ts";
import type { Transfer } from "../transfer.ts";
import { type Check, type Finding, overdueAfter } from "./finding.ts";
import { nextTurn } from "./repair.ts";

const pageMax = 100;

/** Ends approvals that people are asked for although nothing waits for them. */
export function orphanedApprovals(deps: {
  readonly store: Pick<Store, "listApprovals" | "readApproval" | "loadRun">;
  readonly namespaces: Pick<Namespaces, "list">;
  readonly runs: Pick<Runs<InlineWorker>, "submit">;
  readonly transfer: Pick<Transfer, "isPending">;
}): Check {
  const { store, namespaces, runs, transfer } = deps;
  /** Where the next page of each namespace begins. */
  const cursors = new Map<string, string | null>();

  async function isOrphaned({ id, run }: StoredApproval): Promise<boolean> {
    await nextTurn();
    const stored = await store.loadRun(run);
    if (stored !== null && heldActions(decodeRun(run, stored)).some(({ hold }) => hold.approvalId === id)) return false;
    await nextTurn();
    // The effect that ends it is on its way.
    return !transfer.isPending(run);
  }

  async function end({ id, run, createdAt }: StoredApproval, now: number): Promise<readonly Finding[]> {
    const stored = await store.readApproval(id);
    const settled = stored === null ? null : settle(stored, now);
    if (settled === null) return [];
    try {
      await runs.submit([], settled);
    } catch (error) {
      // Somebody has decided on it this very moment.
      if (error instanceof NotCommitted) return [];
      throw error;
    }
    return [{ kind: "orphaned-approval", outcome: "repaired", run, detail: `approval \`${id}\` has ended`, since: createdAt }];
  }

  return async (now) => {
    const findings: Finding[] = [];
    for (const { id: namespaceId } of namespaces.list()) {
      const after = cursors.get(namespaceId) ?? null;
      const page = await store.listApprovals({ namespaceId, status: ApprovalStatus.PENDING, after, limit: pageMax });
      cursors.set(namespaceId, page.next);
      for (const approval of page.approvals)
        if (approval.createdAt <= now - overdueAfter && (await isOrphaned(approval))) findings.push(...(await end(approval, now)));
    }
    return findings;
  };
}
