import { assert } from "../../base/assert.ts";
import type { EpochMs } from "../../base/time.ts";
import { framed, hashBytes, sha256 } from "./hash.ts";

/**
 * The ledger: an append-only record of what was decided and by whom. `docs/ledger.md` describes it for auditors.
 *
 * Entries stand in chains, one for each namespace and writer; a writer is one server process from start to end, named by a UUID. So
 * servers that share a database never wait for each other to append. Each entry's hash covers the hash of the entry before it.
 * Checkpoints (`checkpoint.ts`) sign the heads of all chains.
 *
 * A chain alone proves that nothing within it was changed, removed or put in another order since its last entry's hash was known elsewhere.
 * It does not prove that its tail is there, nor that it was not written anew from some entry on: for that a later checkpoint must be known,
 * and its key must not be in the hands of whoever can write the database. Nothing here proves that what was recorded is true, that an
 * entry was recorded at all, or in which order entries of different chains came about (only their own clocks' times say so).
 */
export const ledgerKinds = [
  "decision",
  "approval-requested",
  "approval-vote",
  /** Delegated, escalated or used: what is neither a vote nor an end. */
  "approval-changed",
  "approval-closed",
  "policy-published",
  "policy-rolled-back",
  "administration",
  "refusal",
  "checkpoint",
  /** A circuit breaker opened, was tried or closed. */
  "breaker-changed",
] as const;
export type LedgerKind = (typeof ledgerKinds)[number];

export type LedgerEntry = {
  readonly namespaceId: string;
  /** When it happened, by the clock of the server that wrote it. Whole milliseconds, not necessarily growing along a chain. */
  readonly at: EpochMs;
  readonly kind: LedgerKind;
  /** The run it is about; null for none. */
  readonly runId: string | null;
  /** Canonical JSON (RFC 8785), as UTF-8. */
  readonly body: Uint8Array;
};

/** Names a chain. */
export type ChainId = { readonly namespaceId: string; readonly writerId: string };

/** An entry in its place. */
export type ChainedEntry = LedgerEntry & {
  readonly writerId: string;
  /** From 1, without gaps. */
  readonly sequence: number;
  /** See `entryHash`. */
  readonly hash: Uint8Array;
};

/** The newest entry of a chain. */
export type ChainHead = ChainId & Pick<ChainedEntry, "sequence" | "hash">;

/** What the first entry of a chain has for the hash of the one before. */
export const noHash: Uint8Array = new Uint8Array(hashBytes);

/**
 * SHA-256 over, in this order: the text "holdfast.ledger.entry.v1", the namespace id, the writer id, the sequence, the previous entry's hash
 * (32 zero bytes before the first), the time, the kind's name, the body, and either the number 0 or the number 1 and the run id.
 * Texts and bytes have their length before them; `framed` says how.
 */
export function entryHash(
  previousHash: Uint8Array,
  { namespaceId, writerId, sequence, at, kind, runId, body }: Omit<ChainedEntry, "hash">,
): Uint8Array {
  assert(previousHash.length === hashBytes, `a hash of ${previousHash.length} bytes`);
  const run = runId === null ? [0] : [1, runId];
  return sha256(framed(["holdfast.ledger.entry.v1", namespaceId, writerId, sequence, previousHash, at, kind, body, ...run]));
}
