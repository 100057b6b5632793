import type { DurationMs } from "../../base/time.ts";
import type { Draft } from "../../execution/execution.ts";
import type { RunCell, Runs } from "../runs.ts";
import type { Caller } from "../services.ts";

/** Time to get an answer to a caller before it stops waiting. */
const answerMarginMs: DurationMs = 500;

/** How long a request may wait: what it is worth, or as long as its caller waits if that is shorter. */
export const patienceFor = (caller: Caller, most: DurationMs): DurationMs =>
  caller.deadline === null ? most : Math.max(0, Math.min(most, caller.deadline - Date.now() - answerMarginMs));

/**
 * Waits until `look` finds what it wants in a committed state of the run; null when patience ran out, the caller went away or the store failed.
 * `look` is called at once and after each commit, then with what that commit rejected.
 */
export async function awaitRun<T>(
  runs: Pick<Runs<never>, "pin">,
  cell: RunCell,
  look: (cell: RunCell, rejections: Draft["rejections"]) => T | null,
  wait: { readonly patience: DurationMs; readonly signal: AbortSignal },
): Promise<T | null> {
  await cell.settled;
  const first = look(cell, nothingRejected);
  if (first !== null || wait.patience <= 0 || wait.signal.aborted) return first;
  const unpin = runs.pin(cell);
  return new Promise((resolve) => {
    const finish = (found: T | null) => {
      clearTimeout(timer);
      cell.listeners.delete(listen);
      wait.signal.removeEventListener("abort", giveUp);
      unpin();
      resolve(found);
    };
    const listen = ({ rejections }: Pick<Draft, "rejections">) => {
      if (cell.broken) return finish(null);
      const found = look(cell, rejections);
      if (found !== null) finish(found);
    };
    const giveUp = () => finish(null);
    const timer = setTimeout(giveUp, wait.patience);
    wait.signal.addEventListener("abort", giveUp);
    cell.listeners.add(listen);
  });
}

const nothingRejected: Draft["rejections"] = new Map();
