import { isRunning, type MutableState } from "../../execution/execution.ts";
import { decodeRun } from "../../execution/stored-run.ts";
import type { HoldingKey, Store } from "../../store/store.ts";
import type { InlineWorker } from "../dispatch.ts";
import { isOver } from "../limits/attempt-end.ts";
import { decodeHolding } from "../limits/holding.ts";
import type { Runs } from "../runs.ts";
import type { Check, Finding } from "./finding.ts";
import { nextTurn, repair } from "./repair.ts";

const pageMax = 200;

/** Gives back what is taken of the policy's limits for attempts that are over. */
export function leakedRoom({
  store,
  runs,
}: {
  readonly store: Pick<Store, "readHoldings" | "loadRun">;
  readonly runs: Pick<Runs<InlineWorker>, "transact">;
}): Check {
  let after: HoldingKey | null = null;
  return async (now) => {
    const page = await store.readHoldings(after, pageMax);
    after = page.length < pageMax ? null : (page.at(-1) ?? null);
    const findings: Finding[] = [];
    for (const { run, scheduledEventId, body } of page) {
      const attempt = { scheduledEventId, attempt: decodeHolding(body).attempt };
      await nextTurn();
      const stored = await store.loadRun(run);
      if (stored === null || isUnderWay(decodeRun(run, stored), attempt)) continue;
      const key = { run, scheduledEventId };
      // Written with the end of an attempt, it may be gone since the page was read.
      const [still] = await store.readHoldings({ run, scheduledEventId: scheduledEventId - 1 }, 1);
      if (still === undefined || still.run.runId !== run.runId || still.scheduledEventId !== scheduledEventId) continue;
      const limits = { putHoldings: [], deleteHoldings: [key], spend: [], forgetBudgets: [] };
      // The limits notice by themselves, in whatever is written of this run, that the attempt is over.
      if (await repair(runs, run, (draft) => isOver(draft, attempt), { limits }))
        findings.push({
          kind: "leaked-room",
          outcome: "repaired",
          run,
          detail: `attempt ${attempt.attempt} of event ${scheduledEventId} is over`,
          since: now,
        });
    }
    return findings;
  };
}

function isUnderWay(
  state: MutableState,
  { scheduledEventId, attempt }: { readonly scheduledEventId: number; readonly attempt: number },
): boolean {
  const activity = state.activities.get(scheduledEventId);
  return isRunning(state) && activity !== undefined && !activity.closing && activity.startedTime !== 0 && activity.attempt === attempt;
}
