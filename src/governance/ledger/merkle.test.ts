import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isUnderRoot, leafHash, merklePath, merkleRoot } from "./merkle.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("RFC 6962", () => {
  // The leaves and roots that Certificate Transparency's own implementation tests with.
  const leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map((leaf) =>
    leafHash(Buffer.from(leaf, "hex")),
  );
  test.each([
    [0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    [1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
    [2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    [3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"],
    [7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"],
    [8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"],
  ])("the root of %i leaves", (count, root) => {
    expect(hex(merkleRoot(leaves.slice(0, count)))).toBe(root);
  });
});

test("a path proves its leaf, in its place, and no other", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.nat(), (count, a, b) => {
      const leaves = Array.from({ length: count }, (_, index) => leafHash(Uint8Array.of(index)));
      const [index, other] = [a % count, b % count];
      const proof = { index, count, path: merklePath(leaves, index), root: merkleRoot(leaves) };
      const leaf = leaves[index] ?? expect.unreachable("no leaf");
      expect(isUnderRoot(leaf, proof)).toBe(true);
      expect(isUnderRoot(leaf, { ...proof, index: other })).toBe(other === index);
      expect(isUnderRoot(leaves[other] ?? leaf, proof)).toBe(other === index);
      expect(isUnderRoot(leaf, { ...proof, path: [...proof.path, leaf] })).toBe(false);
      expect(isUnderRoot(leaf, { ...proof, path: proof.path.slice(1) })).toBe(count === 1);
      expect(isUnderRoot(leaf, { ...proof, index: -1 })).toBe(false);
    }),
  );
});
