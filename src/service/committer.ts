import type { Change, ChangeOutcome, Store } from "../store/store.ts";
import { changesPerCommitMax } from "../store/store.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Group commit: changes that are ready in one turn of the event loop share one transaction and one fsync. */
export type Committer = {
  /** Resolves when the change is on disk or lost a race; rejects when the store failed and nothing was written. */
  commit(change: Change): Promise<ChangeOutcome>;
  /** Resolves when everything handed in so far is settled. */
  idle(): Promise<void>;
};

/** A change of documents, and what the ledger says of it. */
export const changeOutsideRuns = (given: Pick<Change, "putDocuments" | "ledger">): Change => ({
  runs: [],
  putTasks: [],
  deleteTasks: [],
  putOutbox: [],
  deleteOutbox: [],
  putApprovals: [],
  ...given,
});

type Waiting = { readonly change: Change; readonly resolve: (outcome: ChangeOutcome) => void; readonly reject: (error: unknown) => void };

export function createCommitter({ store, metrics }: { store: Pick<Store, "commit">; metrics: Metrics }): Committer {
  const waiting: Waiting[] = [];
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      // Requests that arrived together are decided before this continues, so they are in the same group.
      await new Promise((resolve) => setImmediate(resolve));
      const group = waiting.splice(0, changesPerCommitMax);
      const startedAt = performance.now();
      try {
        const outcomes = await store.commit(group.map(({ change }) => change));
        metrics.commits.add(1);
        metrics.commitChanges.observe(group.length);
        metrics.commitSeconds.observe((performance.now() - startedAt) / 1000);
        for (const [index, { resolve }] of group.entries()) resolve(outcomes[index] ?? "conflict");
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    running = null;
  }

  return {
    commit: (change) =>
      new Promise((resolve, reject) => {
        waiting.push({ change, resolve, reject });
        running ??= run();
      }),
    idle: async () => {
      while (running !== null) await running;
    },
  };
}
