import { secondMs } from "../../base/time.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Clock } from "../clock.ts";
import type { Committer } from "../committer.ts";
import type { Namespaces } from "../namespaces.ts";

/** Counts what has happened to approvals, as the ledger has it, once it is on disk. */
export const countingApprovals = (committer: Committer, metrics: Pick<Metrics, "approvals">): Committer => ({
  ...committer,
  commit: async (change) => {
    const outcome = await committer.commit(change);
    if (outcome === "committed") for (const event of change.ledger.flatMap(eventOf)) metrics.approvals.add(1, event);
    return outcome;
  },
});

/** `requested`, `voted`, `delegated`, `escalated`, `used`, or the word of its end. */
function eventOf({ kind, body }: LedgerEntry): readonly string[] {
  switch (kind) {
    case "approval-requested":
      return ["requested"];
    case "approval-vote":
      return ["voted"];
    case "approval-changed":
    case "approval-closed": {
      const { change, status } = JSON.parse(Buffer.from(body).toString()) as { readonly change?: string; readonly status?: string };
      return [change ?? status ?? "other"];
    }
    default:
      return [];
  }
}

const measureEveryMs = 15 * secondMs;

/** Keeps count of what waits for people in each namespace, and since when. Returns how to stop. */
export async function measureApprovals(deps: {
  readonly store: Pick<Store, "countApprovals">;
  readonly namespaces: Pick<Namespaces, "list">;
  readonly clock: Pick<Clock, "now">;
  readonly metrics: Pick<Metrics, "approvalsPending" | "approvalsOldestSeconds">;
  readonly log: Log;
}): Promise<() => void> {
  const { store, namespaces, clock, metrics, log } = deps;
  let counted: readonly { readonly namespace: string; readonly count: number; readonly oldestAt: number | null }[] = [];
  const measure = async () => {
    counted = await Promise.all(
      namespaces.list().map(async ({ id, name }) => ({
        namespace: name,
        ...(await store.countApprovals({ namespaceId: id, status: ApprovalStatus.PENDING })),
      })),
    );
  };
  metrics.approvalsPending.readFrom(() => counted.map(({ namespace, count }) => [count, namespace]));
  metrics.approvalsOldestSeconds.readFrom(() =>
    counted.map(({ namespace, oldestAt }) => [oldestAt === null ? 0 : Math.max(0, clock.now() - oldestAt) / secondMs, namespace]),
  );
  await measure();
  const timer = setInterval(
    () => measure().catch((error: unknown) => log.warn("cannot count approvals, trying again", {}, error)),
    measureEveryMs,
  ).unref();
  return () => clearInterval(timer);
}
