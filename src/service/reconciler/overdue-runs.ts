import { ok } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import { wake, wakeAt } from "../../execution/wake.ts";
import type { RunKey, Store } from "../../store/store.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Runs } from "../runs.ts";
import { type Check, type Finding, overdueAfter } from "./finding.ts";

const pageMax = 200;

/** Wakes runs whose wake-up was missed. */
export function overdueRuns({
  store,
  runs,
}: {
  readonly store: Pick<Store, "readWakes">;
  readonly runs: Pick<Runs<InlineWorker>, "transact">;
}): Check {
  return async (now) => {
    const page = await store.readWakes(now - overdueAfter, null, pageMax);
    const findings: Finding[] = [];
    for (const { key, wakeAt: since } of page) findings.push(await wakeOverdue(runs, key, since));
    return findings;
  };
}

/** Carries out what is due on a run. What is due still, or not even noted in its state, is reported. */
export async function wakeOverdue(runs: Pick<Runs<InlineWorker>, "transact">, run: RunKey, since: EpochMs): Promise<Finding> {
  const woken = await runs.transact(run, (draft) => {
    const before = wakeAt(draft.base);
    wake(draft);
    return ok(before !== null && before <= draft.context.now);
  });
  const finding = { kind: "overdue-run", run, since } as const;
  if (!woken.ok)
    return {
      ...finding,
      outcome: "reported",
      detail: `cannot be woken: ${"message" in woken.error ? woken.error.message : woken.error.kind}`,
    };
  return woken.value
    ? { ...finding, outcome: "repaired", detail: "woken" }
    : { ...finding, outcome: "reported", detail: "nothing is due by its state" };
}
