import { present } from "../../base/assert.ts";
import { canonicalBytes } from "../../base/canonical-json.ts";
import { err, ok } from "../../base/result.ts";
import { terminateRun } from "../../execution/close.ts";
import { isRunning, type RunKey } from "../../execution/execution.ts";
import { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { settle } from "../approvals/approval-record.ts";
import type { Engine } from "../engine.ts";
import { NotCommitted } from "../runs.ts";
import type { Services } from "../services.ts";

/**
 * Removes a run with its history, an open one after terminating it. What the ledger says of it stays, and that it was deleted is added; its
 * approvals end before they go, so that none is left open there. Its effects on others go first: its parent learns that it has ended, its
 * children are closed. Refused as unavailable while one of them fails; the run has ended by then.
 */
export const deleteWorkflowExecution =
  (engine: Engine): Services["deleteWorkflowExecution"] =>
  async (request) => {
    const { namespaces, runs, store, clock, transfer } = engine;
    const namespace = namespaces.get(request.namespace);
    if (!namespace.ok) return namespace;
    const { workflowId = "", runId = "" } = request.workflowExecution ?? {};
    const found = await runs.find({ namespaceId: namespace.value.id, workflowId, runId });
    if (!found.ok) return found;
    const { key } = found.value;
    const body = canonicalBytes({ act: "workflow-execution-deleted", workflow_id: key.workflowId });
    const entry = { namespaceId: key.namespaceId, at: clock.now(), kind: "administration", runId: key.runId, body } as const;
    const ended = await runs.transact(
      key,
      (draft) => {
        if (isRunning(draft)) terminateRun(draft, { reason: "deleted", identity: "history-service" });
        return ok(undefined);
      },
      { ledger: [entry] },
    );
    if (!ended.ok) return ended;
    // INVARIANT: what the run has to tell others stands in its outbox, which goes with it.
    if (!(await transfer.settled(key)))
      return err({ kind: "unavailable", message: "what the workflow has to tell others has failed, try again" });
    await endApprovals(engine, key);
    runs.forget([key]);
    await store.deleteRuns([key]);
    return ok({});
  };

/** Ends what the run still waits for. The effects of its end do the same, but may come too late. */
async function endApprovals({ store, runs, clock }: Engine, { namespaceId, runId }: RunKey): Promise<void> {
  const pending = { namespaceId, runId, status: ApprovalStatus.PENDING, after: null, limit: 100 };
  for (;;) {
    const { approvals } = await store.listApprovals(pending);
    if (approvals.length === 0) return;
    for (const stored of approvals) {
      const settled = present(settle(stored, clock.now()), "end of a pending approval");
      await runs.submit([], settled).catch((error: unknown) => {
        // An effect or a vote was first; what it left is looked at again.
        if (!(error instanceof NotCommitted)) throw error;
      });
    }
  }
}
