import { err, ok } from "../../base/result.ts";
import type { Draft } from "../../execution/execution.ts";
import { failedPrecondition } from "../../protocol/refusal.ts";
import type { RunKey } from "../../store/store.ts";
import type { InlineWorker } from "../dispatch.ts";
import type { Runs, SubmitOptions } from "../runs.ts";

const asItShould = failedPrecondition("nothing is to be repaired here");

/** Changes a run if, as it stands now, there is something to repair; false if there is not, or the run is gone or busy. */
export async function repair(
  runs: Pick<Runs<InlineWorker>, "transact">,
  run: RunKey,
  change: (draft: Draft) => boolean,
  options: SubmitOptions<InlineWorker> = {},
): Promise<boolean> {
  const done = await runs.transact(run, (draft) => (change(draft) ? ok(undefined) : err(asItShould)), options);
  return done.ok;
}

/** Lets others go on: requests that wait, and those who have just committed something and are about to say so. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
