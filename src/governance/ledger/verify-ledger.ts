import type { KeyObject } from "node:crypto";
import type { EpochMs } from "../../base/time.ts";
import {
  type Checkpoint,
  type CheckpointFault,
  chainKey,
  checkpointHash,
  isSigned,
  nothingSealed,
  verifyCheckpoint,
} from "./checkpoint.ts";
import { equalBytes } from "./hash.ts";
import type { ChainedEntry, ChainHead, ChainId } from "./ledger.ts";
import { type ChainFault, verifyChain } from "./verify-chain.ts";

export type LedgerReport = {
  readonly chains: number;
  readonly entries: number;
  readonly checkpoints: number;
  /** Up to when the newest checkpoint that is good vouches; null without any. What is younger could have been cut off unseen. */
  readonly sealedUntil: EpochMs | null;
  /** In each chain the first, then those of checkpoints. None: nothing before `sealedUntil` was changed, removed or put in another order. */
  readonly faults: readonly (ChainFault | { readonly kind: CheckpointFault | "missing"; readonly checkpoint: number })[];
};

/**
 * Verifies all chains of a ledger, or of an export of it, against its checkpoints. `checkpoints` are those that the ledger holds, `kept` those
 * that were kept elsewhere: these show it when somebody who can write the database, but has not the key, has cut off the newest ones.
 */
export async function verifyLedger({
  chains,
  checkpoints,
  kept = [],
  publicKeys,
}: {
  chains: AsyncIterable<Chain> | Iterable<Chain>;
  checkpoints: readonly Checkpoint[];
  kept?: readonly Checkpoint[];
  publicKeys: readonly KeyObject[];
}): Promise<LedgerReport> {
  const signed = [...checkpoints, ...kept].filter((checkpoint) => isSigned(checkpoint, publicKeys));
  const known = knownPlaces(signed);
  const faults: LedgerReport["faults"][number][] = [];
  const seen = new Set<string>();
  let entries = 0;
  for await (const { chain, entries: of } of chains) {
    seen.add(chainKey(chain));
    const verified = await verifyChain(of, { chain, known: known.get(chainKey(chain)) ?? [] });
    if (verified.ok) entries += verified.value.count;
    else faults.push(verified.error);
  }
  for (const [key, [head]] of known) {
    if (!seen.has(key) && head !== undefined) {
      faults.push({ chain: { namespaceId: head.namespaceId, writerId: head.writerId }, kind: "truncated", sequence: 1 });
    }
  }
  const { sealedUntil, faults: ofCheckpoints } = verifyCheckpoints(checkpoints, publicKeys);
  const missing = kept.filter((one) => !checkpoints.some((other) => equalBytes(checkpointHash(one), checkpointHash(other))));
  faults.push(...ofCheckpoints, ...missing.map(({ number }) => ({ kind: "missing" as const, checkpoint: number })));
  return { chains: seen.size, entries, checkpoints: checkpoints.length, sealedUntil, faults };
}

export type Chain = { readonly chain: ChainId; readonly entries: AsyncIterable<ChainedEntry> | Iterable<ChainedEntry> };

function knownPlaces(signed: readonly Checkpoint[]): ReadonlyMap<string, readonly ChainHead[]> {
  const places = new Map<string, ChainHead[]>();
  for (const head of signed.flatMap(({ moved }) => moved)) {
    const key = chainKey(head);
    const ofChain = places.get(key);
    if (ofChain === undefined) places.set(key, [head]);
    else ofChain.push(head);
  }
  return places;
}

function verifyCheckpoints(
  checkpoints: readonly Checkpoint[],
  publicKeys: readonly KeyObject[],
): Pick<LedgerReport, "sealedUntil" | "faults"> {
  let sealed = nothingSealed;
  let sealedUntil: EpochMs | null = null;
  for (const checkpoint of checkpoints.toSorted((a, b) => a.number - b.number)) {
    const verified = verifyCheckpoint(sealed, checkpoint, publicKeys);
    // What follows a bad one cannot be followed.
    if (!verified.ok) return { sealedUntil, faults: [{ kind: verified.error, checkpoint: checkpoint.number }] };
    sealed = verified.value;
    sealedUntil = checkpoint.at;
  }
  return { sealedUntil, faults: [] };
}
