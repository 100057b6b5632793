import { equalBytes, sha256 } from "./hash.ts";

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

export const leafHash = (leaf: Uint8Array): Uint8Array => sha256(leafPrefix, leaf);
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(nodePrefix, left, right);

/** The root of the hash tree over leaf hashes: RFC 6962, section 2.1. Of no leaves it is the hash of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return sha256();
  if (leaves.length === 1) return only;
  const split = splitOf(leaves.length);
  return nodeHash(merkleRoot(leaves.slice(0, split)), merkleRoot(leaves.slice(split)));
}

/** The hashes beside the path from a leaf to the root, from below: RFC 6962, section 2.1.1. */
export function merklePath(leaves: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (leaves.length <= 1) return [];
  const split = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split ? [...merklePath(left, index), merkleRoot(right)] : [...merklePath(right, index - split), merkleRoot(left)];
}

/** Whether the leaf stands at `index` among `count` under this root. */
export function isUnderRoot(
  leaf: Uint8Array,
  { index, count, path, root }: { index: number; count: number; path: readonly Uint8Array[]; root: Uint8Array },
): boolean {
  const found = index >= 0 && index < count ? climb(leaf, { index, count, path }) : null;
  return found !== null && equalBytes(found, root);
}

function climb(leaf: Uint8Array, { index, count, path }: { index: number; count: number; path: readonly Uint8Array[] }): Uint8Array | null {
  if (count === 1) return path.length === 0 ? leaf : null;
  const beside = path.at(-1);
  if (beside === undefined) return null;
  const split = splitOf(count);
  const [isLeft, below] = [index < split, path.slice(0, -1)];
  const inner = climb(leaf, isLeft ? { index, count: split, path: below } : { index: index - split, count: count - split, path: below });
  if (inner === null) return null;
  return isLeft ? nodeHash(inner, beside) : nodeHash(beside, inner);
}

/** The largest power of two below `count`. */
const splitOf = (count: number): number => 2 ** (Math.ceil(Math.log2(count)) - 1);
