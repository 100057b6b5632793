import type { Change, ChangeOutcome, Store } from "../store/store.ts";
import { changesPerCommitMax } from "../store/store.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Crowd } from "./fairness/crowd.ts";
import { type Owned, takeGroup } from "./fairness/group.ts";

/**
 * Group commit: changes that are ready in one turn of the event loop share one transaction and one fsync. While several namespaces have
 * something to write, each has a share of every group, so that none waits for what another has in line. Changes of one namespace stay in order.
 */
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

type Waiting = Owned & {
  readonly change: Change;
  readonly resolve: (outcome: ChangeOutcome) => void;
  readonly reject: (error: unknown) => void;
};

export function createCommitter({
  store,
  metrics,
  crowd = null,
}: {
  readonly store: Pick<Store, "commit">;
  readonly metrics: Pick<Metrics, "commits" | "commitSeconds" | "commitChanges">;
  /** Null takes groups as they come. */
  readonly crowd?: Crowd | null;
}): Committer {
  const waiting: Waiting[] = [];
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      // Requests that arrived together are decided before this continues, so they are in the same group.
      await new Promise((resolve) => setImmediate(resolve));
      const group = crowd?.isShared ? takeGroup(waiting, changesPerCommitMax) : waiting.splice(0, changesPerCommitMax);
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
        const owners = ownersOf(change);
        for (const owner of owners) if (owner !== serverItself) crowd?.note(owner);
        waiting.push({ change, owners, resolve, reject });
        running ??= run();
      }),
    idle: async () => {
      while (running !== null) await running;
    },
  };
}

/** Who owns what belongs to no namespace. */
const serverItself = "";

function ownersOf({ runs, deleteTasks, deleteOutbox, putApprovals, ledger }: Change): readonly string[] {
  const [first, second] = runs;
  // Nearly every change is one run's, with what belongs to it.
  if (first !== undefined && second === undefined && deleteOutbox.length === 0) return [first.key.namespaceId];
  const keys = [...runs.map(({ key }) => key), ...[...deleteTasks, ...deleteOutbox, ...putApprovals].map(({ run }) => run)];
  const owners = new Set([...keys, ...(keys.length === 0 ? ledger : [])].map(({ namespaceId }) => namespaceId));
  return owners.size === 0 ? [serverItself] : [...owners];
}
