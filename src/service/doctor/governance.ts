import { formatDuration, roughDuration } from "../../base/quantity.ts";
import type { DurationMs, EpochMs } from "../../base/time.ts";
import { type Checkpoint, decodeCheckpoint, latestCheckpoint } from "../../governance/ledger/checkpoint.ts";
import type { Snapshot } from "../../governance/policy/snapshot.ts";
import type { Store } from "../../store/store.ts";
import { serverNamespaceId } from "../ledger/audit.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Checkup, Symptom } from "./symptom.ts";

/** A checkpoint is overdue when so many have not come. */
const missedMax = 3;

/** The checkpoint that sealed the ledger last; null when there is none. */
export async function newestCheckpoint(store: Pick<Store, "readDocument">): Promise<Checkpoint | null> {
  const stored = await store.readDocument(latestCheckpoint.kind, latestCheckpoint.id);
  return stored === null ? null : decodeCheckpoint(stored.body);
}

/** Whether there is a policy where one is required, and whether the ledger's end is sealed as often as it should be. */
export function governance(deps: {
  readonly store: Pick<Store, "readDocument" | "readLedger">;
  readonly namespaces: Pick<Namespaces, "list">;
  readonly snapshot: () => Snapshot;
  /** Null when the ledger is not sealed. */
  readonly checkpointInterval: DurationMs | null;
}): Checkup {
  const { store, namespaces, snapshot, checkpointInterval } = deps;

  /** The first entry that stands behind the last checkpoint for longer than it should. */
  async function unsealedSince(sealedAt: EpochMs, until: EpochMs): Promise<EpochMs | null> {
    const ids = [serverNamespaceId, ...namespaces.list().map(({ id }) => id)];
    const firsts = await Promise.all(
      ids.map((namespaceId) => store.readLedger({ namespaceId, after: null, limit: 1, since: sealedAt + 1, until })),
    );
    const times = firsts.flatMap(({ entries }) => entries.map(({ at }) => at));
    return times.length === 0 ? null : Math.min(...times);
  }

  return async (now) => {
    const about = { namespaceId: null, count: 1, examples: [] };
    const symptoms: Symptom[] = [];
    if (snapshot().unpublished?.effect === "DENY")
      symptoms.push({
        ...about,
        kind: "everything-denied",
        severity: "critical",
        what: "every action is denied",
        since: null,
        why: "no policy is published, and `requirePolicy` wants one",
        executed: "nothing: what was denied has failed",
        safe: "publish a policy; what has failed may be started again then",
      });
    if (checkpointInterval === null) return symptoms;
    const sealedAt = (await newestCheckpoint(store))?.at ?? null;
    const since = await unsealedSince(sealedAt ?? 0, now - missedMax * checkpointInterval);
    if (since !== null)
      symptoms.push({
        ...about,
        kind: "ledger-unsealed",
        severity: "warning",
        what: `the ledger was ${sealedAt === null ? "never sealed" : `sealed ${roughDuration(now - sealedAt)} ago`}, and should be every ${formatDuration(checkpointInterval)}`,
        since,
        why: "checkpoints cannot be made: the server's log says why",
        executed: "entries are written and chained as ever; that their end were cut off would not be seen",
        safe: "`holdfast audit checkpoint` makes one now, or says why not",
      });
    return symptoms;
  };
}
