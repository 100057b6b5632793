import { err, ok, type Result } from "../../base/result.ts";
import { equalBytes } from "./hash.ts";
import { type ChainedEntry, type ChainHead, type ChainId, entryHash, noHash } from "./ledger.ts";

/**
 * changed: the entry at `sequence`, or the one before it, is not what was written. removed: the entry is not there, later ones are.
 * reordered: it is there, but not in its place. truncated: it was there once, now the chain ends before it. rewritten: from here on, the chain
 * is whole in itself but not the one that a checkpoint knows.
 */
export type ChainFaultKind = "changed" | "removed" | "reordered" | "truncated" | "rewritten";

/** The first place where a chain is not what was written. */
export type ChainFault = { readonly chain: ChainId; readonly kind: ChainFaultKind; readonly sequence: number };

/** A place in a chain that is known from elsewhere: a checkpoint, an earlier verification. */
export type KnownPlace = Pick<ChainedEntry, "sequence" | "hash">;

/**
 * Follows a chain from its first entry, or from the one after `after`, in the order given, and finds the first fault. Without `known` places
 * it cannot see that the end is missing or that all was written anew. Returns the head and how many entries were followed.
 */
export async function verifyChain(
  entries: AsyncIterable<ChainedEntry> | Iterable<ChainedEntry>,
  { chain, known = [], after = { sequence: 0, hash: noHash } }: { chain: ChainId; known?: readonly KnownPlace[]; after?: KnownPlace },
): Promise<Result<{ readonly head: ChainHead; readonly count: number }, ChainFault>> {
  const { namespaceId, writerId } = chain;
  const places = known.filter(({ sequence }) => sequence > after.sequence).toSorted((a, b) => a.sequence - b.sequence);
  let last = after;
  let lastKnown = after.sequence;
  let nextPlace = 0;
  let missing: number | null = null;
  for await (const entry of entries) {
    const expected = last.sequence + 1;
    if (missing !== null) {
      // It is only to be told whether what is missing comes later.
      if (entry.sequence === missing) return err({ chain, kind: "reordered", sequence: missing });
      continue;
    }
    if (entry.sequence < expected) return err({ chain, kind: "reordered", sequence: entry.sequence });
    if (entry.sequence > expected) {
      missing = expected;
      continue;
    }
    const hash = entryHash(last.hash, { ...entry, namespaceId, writerId });
    const isOfChain = entry.namespaceId === namespaceId && entry.writerId === writerId;
    if (!isOfChain || !equalBytes(hash, entry.hash)) return err({ chain, kind: "changed", sequence: expected });
    last = { sequence: expected, hash };
    for (let place = places[nextPlace]; place?.sequence === expected; place = places[++nextPlace]) {
      if (!equalBytes(place.hash, hash)) return err({ chain, kind: "rewritten", sequence: lastKnown + 1 });
      lastKnown = expected;
    }
  }
  if (missing !== null) return err({ chain, kind: "removed", sequence: missing });
  if (nextPlace < places.length) return err({ chain, kind: "truncated", sequence: last.sequence + 1 });
  return ok({ head: { ...chain, ...last }, count: last.sequence - after.sequence });
}
