import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { canonicalBytes } from "../../base/canonical-json.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import { equalBytes, framed, hashBytes, sha256 } from "./hash.ts";
import { type ChainHead, type ChainId, noHash } from "./ledger.ts";
import { isUnderRoot, leafHash, merklePath, merkleRoot } from "./merkle.ts";

/** Checkpoints are of all namespaces: their entries stand in the chains of none. */
export const checkpointNamespaceId = "";

/** The document that has the newest checkpoint as well: it shows when the ledger's own copy is cut off. */
export const latestCheckpoint = { kind: "ledger-checkpoint", id: "latest" } as const;

/**
 * A signed statement of where every chain ended at a time. Whoever knows one, and holds its key for true, sees it when an entry before it
 * was changed or is gone, also at the end of a chain. Each names the one before it, and the heads that have moved since.
 */
export type Checkpoint = {
  /** From 1, without gaps. */
  readonly number: number;
  readonly at: EpochMs;
  /** The hash of the checkpoint before; 32 zero bytes for none. */
  readonly previous: Uint8Array;
  /** How many chains there are. */
  readonly chains: number;
  /** Of the hash tree over the heads of all chains, in the order of `compareChains`. */
  readonly root: Uint8Array;
  /** New heads, in the same order. */
  readonly moved: readonly ChainHead[];
  /** Names the key that signed, see `keyIdOf`. */
  readonly keyId: string;
  /** Ed25519, over `statementOf`. */
  readonly signature: Uint8Array;
};

const signatureBytes = 64;

/** All that the checkpoints so far say together. */
export type Sealed = { readonly number: number; readonly hash: Uint8Array; readonly heads: ReadonlyMap<string, ChainHead> };
export const nothingSealed: Sealed = { number: 0, hash: noHash, heads: new Map() };

export type CheckpointFault =
  /** Signed by none of the given keys, or changed. */
  | "bad-signature"
  /** One or more before it are not there. */
  | "gap"
  /** It names another one before it. */
  | "forked"
  /** A head goes back, or the root is not of these heads. */
  | "bad-heads";

/** The next checkpoint, over all heads. Null when nothing has moved. */
export function nextCheckpoint(
  sealed: Sealed,
  { heads, at, privateKey }: { heads: readonly ChainHead[]; at: EpochMs; privateKey: KeyObject },
): Checkpoint | null {
  const moved = heads.filter((head) => (sealed.heads.get(chainKey(head))?.sequence ?? 0) < head.sequence).toSorted(compareChains);
  if (moved.length === 0) return null;
  const all = withMoved(sealed.heads, moved);
  return signed({ number: sealed.number + 1, at, previous: sealed.hash, chains: all.size, root: rootOf(all), moved }, privateKey);
}

export function signed(statement: Omit<Checkpoint, "keyId" | "signature">, privateKey: KeyObject): Checkpoint {
  const unsigned = { ...statement, keyId: keyIdOf(createPublicKey(privateKey)) };
  return { ...unsigned, signature: sign(null, statementOf(unsigned), privateKey) };
}

/** Whether one of the keys has signed exactly this checkpoint. */
export function isSigned(checkpoint: Checkpoint, publicKeys: readonly KeyObject[]): boolean {
  return publicKeys.some((key) => keyIdOf(key) === checkpoint.keyId && verify(null, statementOf(checkpoint), key, checkpoint.signature));
}

/** Checks a checkpoint, given what those before it say, and what all of them say together then. */
export function verifyCheckpoint(
  sealed: Sealed,
  checkpoint: Checkpoint,
  publicKeys: readonly KeyObject[],
): Result<Sealed, CheckpointFault> {
  if (!isSigned(checkpoint, publicKeys)) return err("bad-signature");
  const { number, previous, moved, chains, root } = checkpoint;
  if (number > sealed.number + 1) return err("gap");
  if (number <= sealed.number || !equalBytes(previous, sealed.hash)) return err("forked");
  if (moved.some((head) => (sealed.heads.get(chainKey(head))?.sequence ?? 0) >= head.sequence)) return err("bad-heads");
  const heads = withMoved(sealed.heads, moved);
  if (heads.size !== chains || !equalBytes(rootOf(heads), root)) return err("bad-heads");
  return ok({ number, hash: checkpointHash(checkpoint), heads });
}

/** What is known with one more checkpoint, in whatever order they come, taken on trust: for whoever has made them. */
export function sealedWith(sealed: Sealed, checkpoint: Checkpoint): Sealed {
  const newer = checkpoint.moved.filter((head) => (sealed.heads.get(chainKey(head))?.sequence ?? 0) < head.sequence);
  const last = checkpoint.number > sealed.number ? { number: checkpoint.number, hash: checkpointHash(checkpoint) } : sealed;
  return { number: last.number, hash: last.hash, heads: withMoved(sealed.heads, newer) };
}

/** What a checkpoint's `previous` refers to. */
export const checkpointHash = (checkpoint: Checkpoint): Uint8Array => sha256(statementOf(checkpoint));

/** Proof that a chain's head is under a checkpoint's root: shows a tenant that its chain is sealed, without the heads of the others. */
export type HeadProof = { readonly index: number; readonly path: readonly Uint8Array[] };

/** `sealed` is what the checkpoints up to that one say together. Null when it does not know the chain. */
export function proveHead({ heads }: Sealed, chain: ChainId): HeadProof | null {
  const sorted = [...heads.values()].toSorted(compareChains);
  const index = sorted.findIndex((head) => compareChains(head, chain) === 0);
  return index === -1 ? null : { index, path: merklePath(sorted.map(headLeaf), index) };
}

export const isHeadProven = ({ root, chains }: Checkpoint, head: ChainHead, { index, path }: HeadProof): boolean =>
  isUnderRoot(headLeaf(head), { index, count: chains, path, root });

/** The bytes that are signed and hashed. */
function statementOf({ number, at, previous, chains, root, moved, keyId }: Omit<Checkpoint, "signature">): Uint8Array {
  const heads = moved.flatMap(({ namespaceId, writerId, sequence, hash }) => [namespaceId, writerId, sequence, hash]);
  return framed(["holdfast.ledger.checkpoint.v1", number, at, previous, chains, root, keyId, moved.length, ...heads]);
}

const headLeaf = ({ namespaceId, writerId, sequence, hash }: ChainHead): Uint8Array =>
  leafHash(framed([namespaceId, writerId, sequence, hash]));

const rootOf = (heads: ReadonlyMap<string, ChainHead>): Uint8Array => merkleRoot([...heads.values()].toSorted(compareChains).map(headLeaf));

function withMoved(heads: ReadonlyMap<string, ChainHead>, moved: readonly ChainHead[]): ReadonlyMap<string, ChainHead> {
  const all = new Map(heads);
  for (const head of moved) all.set(chainKey(head), head);
  return all;
}

/** Tells chains apart in maps. */
export const chainKey = ({ namespaceId, writerId }: ChainId): string => JSON.stringify([namespaceId, writerId]);

/** By namespace id, then writer id, as UTF-8. */
export function compareChains(a: ChainId, b: ChainId): number {
  return compareTexts(a.namespaceId, b.namespaceId) || compareTexts(a.writerId, b.writerId);
}
const compareTexts = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The first 16 bytes, hexadecimal, of the SHA-256 of the key's SubjectPublicKeyInfo. */
export const keyIdOf = (publicKey: KeyObject): string =>
  createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("hex")
    .slice(0, 32);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The body of a checkpoint's entry. */
export const encodeCheckpoint = ({ number, at, previous, chains, root, moved, keyId, signature }: Checkpoint): Uint8Array =>
  canonicalBytes({
    number,
    at,
    previous: hex(previous),
    chains,
    root: hex(root),
    moved: moved.map(({ namespaceId, writerId, sequence, hash }) => [namespaceId, writerId, sequence, hex(hash)]),
    key: keyId,
    signature: hex(signature),
  });

/** Null for what is no checkpoint. */
export function decodeCheckpoint(body: Uint8Array): Checkpoint | null {
  const { number, at, chains, moved, key, ...written } = fieldsOf(body);
  const heads = Array.isArray(moved) ? moved.map(headOf).filter((head) => head !== null) : [];
  const [previous, root] = [bytesOf(written.previous, hashBytes), bytesOf(written.root, hashBytes)];
  const signature = bytesOf(written.signature, signatureBytes);
  if (!isCount(number) || !isCount(at) || !isCount(chains) || typeof key !== "string") return null;
  if (!Array.isArray(moved) || heads.length !== moved.length || previous === null || root === null || signature === null) return null;
  return { number, at, previous, chains, root, moved: heads, keyId: key, signature };
}

function fieldsOf(body: Uint8Array): { readonly [name: string]: unknown } {
  try {
    return JSON.parse(Buffer.from(body).toString()) ?? {};
  } catch {
    return {};
  }
}

function headOf(written: unknown): ChainHead | null {
  if (!Array.isArray(written)) return null;
  const [namespaceId, writerId, sequence, hash] = written;
  const bytes = bytesOf(hash, hashBytes);
  if (typeof namespaceId !== "string" || typeof writerId !== "string" || !isCount(sequence) || bytes === null) return null;
  return { namespaceId, writerId, sequence, hash: bytes };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function bytesOf(written: unknown, length: number): Uint8Array | null {
  const isHex = typeof written === "string" && written.length === 2 * length && /^[0-9a-f]*$/.test(written);
  return isHex ? Buffer.from(written, "hex") : null;
}
