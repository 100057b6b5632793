import { present } from "../../base/assert.ts";
import type { Change, ChangeOutcome, LimitsChange, RunKey } from "../store.ts";
import type { Approvals } from "./approvals.ts";
import type { Documents } from "./documents.ts";
import type { Histories } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { Limits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { Runs } from "./runs.ts";
import type { Tasks } from "./tasks.ts";
import type { Visibility } from "./visibility.ts";

export type Tables = {
  readonly runs: Runs;
  readonly histories: Histories;
  readonly tasks: Tasks;
  readonly outbox: Outbox;
  readonly visibility: Visibility;
  readonly approvals: Approvals;
  readonly documents: Documents;
  readonly ledger: Ledger;
  readonly limits: Limits;
};

/** Writes one change inside the caller's transaction. All that can conflict is looked at before the first write, so a conflict leaves nothing to undo. */
export function applyChange(tables: Tables, change: Change): ChangeOutcome {
  const { runs, histories, tasks, outbox, visibility, approvals, documents, ledger, limits } = tables;
  if (!fits(tables, change)) return "conflict";
  for (const write of change.runs) {
    const run = runs.write(write);
    for (const batch of write.history) histories.append(run, batch);
    if (write.visibility !== null) visibility.put(run, write.key, write.visibility);
  }
  for (const task of change.deleteTasks) withRun(runs, task, (run) => tasks.delete(run, task));
  for (const entry of change.deleteOutbox) withRun(runs, entry, (run) => outbox.delete(run, entry));
  for (const task of change.putTasks) tasks.put(present(runs.find(task.run), "run of the task").number, task);
  for (const entry of change.putOutbox) outbox.put(present(runs.find(entry.run), "run of the outbox entry").number, entry);
  for (const write of change.putApprovals) approvals.write(present(runs.find(write.run), "run of the approval"), write);
  for (const write of change.putDocuments) documents.write(write);
  for (const entry of change.ledger) ledger.append(entry);
  if (change.limits !== undefined) applyLimits(runs, limits, change.limits);
  return "committed";
}

function applyLimits(runs: Runs, limits: Limits, change: LimitsChange): void {
  for (const holding of change.deleteHoldings) withRun(runs, holding, (run) => limits.remove(run, holding));
  for (const holding of change.putHoldings) limits.put(present(runs.find(holding.run), "run of the holding").number, holding);
  for (const spending of change.spend) limits.spend(spending);
  for (const id of change.forgetBudgets) limits.forget(id);
}

function fits(
  { runs, approvals, documents }: Tables,
  { runs: writes, putTasks, putOutbox, putApprovals, putDocuments, limits }: Change,
): boolean {
  const isWritten = (runId: string): boolean => writes.some(({ key }) => key.runId === runId);
  const isThere = ({ run }: { readonly run: RunKey }): boolean => isWritten(run.runId) || runs.find(run) !== null;
  return (
    writes.every(runs.fits) &&
    putTasks.every(isThere) &&
    putOutbox.every(isThere) &&
    putApprovals.every((write) => isThere(write) && approvals.fits(write)) &&
    putDocuments.every(documents.fits) &&
    (limits?.putHoldings ?? []).every(isThere)
  );
}

/** A run that is gone took its tasks and outbox entries with it. */
function withRun(runs: Runs, { run }: { readonly run: RunKey }, remove: (run: number) => void): void {
  const row = runs.find(run);
  if (row !== null) remove(row.number);
}
