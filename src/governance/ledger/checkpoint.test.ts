import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  isHeadProven,
  keyIdOf,
  nextCheckpoint,
  nothingSealed,
  proveHead,
  type Sealed,
  signed,
  verifyCheckpoint,
} from "./checkpoint.ts";
import { chainOf, headOf } from "./ledger.test-kit.ts";
import type { ChainedEntry, ChainHead, ChainId } from "./ledger.ts";
import { verifyLedger } from "./verify-ledger.ts";

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const stranger = generateKeyPairSync("ed25519");
const publicKeys = [stranger.publicKey, publicKey];

const chainId = (namespaceId: string, writerId = "writer"): ChainId => ({ namespaceId, writerId });
const [ids, sizes] = [
  [chainId("a"), chainId("b"), chainId("a", "later")],
  [5, 3, 4],
];
const ledger = ids.map((id, index) => chainOf(id, sizes[index] ?? 0));
const headsAt = (...lengths: readonly number[]): readonly ChainHead[] =>
  lengths.flatMap((length, index) => (length === 0 ? [] : [headOf(ledger[index]?.slice(0, length) ?? [])]));

/** Checkpoints after one another, each over chains of the given lengths, and what they say together. */
function seal(...moments: readonly (readonly number[])[]): { readonly checkpoints: readonly Checkpoint[]; readonly sealed: Sealed } {
  let sealed = nothingSealed;
  const checkpoints = moments.map((lengths, index) => {
    const made = nextCheckpoint(sealed, { heads: headsAt(...lengths), at: 100 * (index + 1), privateKey });
    const checkpoint = made ?? expect.unreachable("nothing has moved");
    const verified = verifyCheckpoint(sealed, checkpoint, publicKeys);
    sealed = verified.ok ? verified.value : expect.unreachable(verified.error);
    return checkpoint;
  });
  return { checkpoints, sealed };
}

/** As only the holder of the key could make it. */
const resigned = (checkpoint: Checkpoint): Checkpoint => signed(checkpoint, privateKey);

const { checkpoints, sealed } = seal([2, 3, 0], [4, 3, 0], [5, 3, 4]);
const [first, second, third] = checkpoints as [Checkpoint, Checkpoint, Checkpoint];

describe("a checkpoint", () => {
  test("says what has moved, and seals all", () => {
    expect(checkpoints.map(({ number, chains, moved }) => [number, chains, moved.map(({ sequence }) => sequence)])).toEqual([
      [1, 2, [2, 3]],
      [2, 2, [4]],
      [3, 3, [4, 5]],
    ]);
    expect([...sealed.heads.values()]).toEqual(expect.arrayContaining([...headsAt(5, 3, 4)]));
  });

  test("is not made when nothing has moved", () => {
    expect(nextCheckpoint(sealed, { heads: headsAt(5, 3, 4), at: 900, privateKey })).toBeNull();
  });

  test("reads back as it was written", () => {
    expect(decodeCheckpoint(encodeCheckpoint(third))).toEqual(third);
    const written: { [name: string]: unknown } = JSON.parse(Buffer.from(encodeCheckpoint(third)).toString());
    for (const name of Object.keys(written)) {
      expect(decodeCheckpoint(Buffer.from(JSON.stringify({ ...written, [name]: ["no"] })))).toBeNull();
    }
    for (const body of ["", "null", "[]", "7"]) expect(decodeCheckpoint(Buffer.from(body))).toBeNull();
  });

  const sealedBy = (...moments: readonly (readonly number[])[]): Sealed => seal(...moments).sealed;
  test.each<[string, Sealed, Checkpoint, string]>([
    ["in its place", sealedBy([2, 3, 0]), second, "ok"],
    ["another time", sealedBy([2, 3, 0]), { ...second, at: 201 }, "bad-signature"],
    ["another root", sealedBy([2, 3, 0]), { ...second, root: first.root }, "bad-signature"],
    ["another key's name", sealedBy([2, 3, 0]), { ...second, keyId: keyIdOf(stranger.publicKey) }, "bad-signature"],
    ["one before it is missing", nothingSealed, second, "gap"],
    ["again", sealedBy([2, 3, 0], [4, 3, 0]), second, "forked"],
    ["after another one", sealedBy([3, 3, 0]), second, "forked"],
    ["a head that goes back", sealed, resigned({ ...third, number: 4, previous: sealed.hash, moved: headsAt(4) }), "bad-heads"],
    ["a root of other heads", sealedBy([2, 3, 0]), resigned({ ...second, root: first.root }), "bad-heads"],
    ["another count", sealedBy([2, 3, 0]), resigned({ ...second, chains: 3 }), "bad-heads"],
  ])("%s", (_, before, checkpoint, outcome) => {
    const verified = verifyCheckpoint(before, checkpoint, publicKeys);
    expect(verified.ok ? "ok" : verified.error).toBe(outcome);
  });

  test("proves a chain's head without showing the others", () => {
    const [mine] = headsAt(5);
    const head = mine ?? expect.unreachable("no head");
    const proof = proveHead(sealed, head) ?? expect.unreachable("not sealed");
    expect(isHeadProven(third, head, proof)).toBe(true);
    expect(isHeadProven(third, { ...head, sequence: 4 }, proof)).toBe(false);
    expect(isHeadProven(second, head, proof)).toBe(false);
    expect(proveHead(sealed, chainId("c"))).toBeNull();
  });
});

describe("a ledger against its checkpoints", () => {
  const verified = async (chains: readonly (readonly ChainedEntry[])[], of: readonly Checkpoint[], kept: readonly Checkpoint[] = []) => {
    const named = chains.map((entries) => ({ chain: headOf(entries), entries }));
    const report = await verifyLedger({ chains: named, checkpoints: of, kept, publicKeys });
    const faults = report.faults.map((fault) =>
      "checkpoint" in fault
        ? `checkpoint ${fault.checkpoint} ${fault.kind}`
        : `${fault.chain.namespaceId} ${fault.kind} at ${fault.sequence}`,
    );
    return `until ${report.sealedUntil}: ${faults.join(", ") || `${report.entries} entries`}`;
  };
  const [a = [], b = [], later = []] = ledger;
  const forgedB = chainOf(chainId("b"), 3, "forged");

  test.each<[string, readonly (readonly ChainedEntry[])[], readonly Checkpoint[], readonly Checkpoint[], string]>([
    ["whole", ledger, checkpoints, [], "until 300: 12 entries"],
    ["grown since", [...ledger, chainOf(chainId("c"), 2)], checkpoints, [], "until 300: 14 entries"],
    ["without checkpoints", ledger, [], [], "until null: 12 entries"],
    ["a tail cut off", [a.slice(0, 4), b, later], checkpoints, [], "until 300: a truncated at 5"],
    ["a whole chain cut off", [a, b], checkpoints, [], "until 300: a truncated at 1"],
    ["a chain written anew", [a, forgedB, later], checkpoints, [], "until 300: b rewritten at 1"],
    ["a tail cut off with its checkpoint", [a.slice(0, 4), b], [first, second], [], "until 200: 7 entries"],
    [
      "the same, the checkpoint being kept elsewhere",
      [a.slice(0, 4), b],
      [first, second],
      [third],
      "until 200: a truncated at 5, a truncated at 1, checkpoint 3 missing",
    ],
    ["a checkpoint kept elsewhere, as in the ledger", ledger, checkpoints, [second], "until 300: 12 entries"],
    ["a checkpoint removed", ledger, [first, third], [], "until 100: checkpoint 3 gap"],
    ["a checkpoint forged", ledger, [first, second, { ...third, chains: 9 }], [], "until 200: checkpoint 3 bad-signature"],
  ])("%s", async (_, chains, of, kept, outcome) => {
    expect(await verified(chains, of, kept)).toBe(outcome);
  });
});
