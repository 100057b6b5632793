import { createSecretKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSealed, overheadBytes, seal, unseal } from "./sealed-blob.ts";

const dataKeys = new Map([1, 2].map((id) => [id, createSecretKey(randomBytes(32))]));
const keyOf = (id: number) => dataKeys.get(id);
const dataKey = { id: 1, key: dataKeys.get(1) ?? expect.unreachable("no key") };
const anyBytes = fc.uint8Array({ maxLength: 200 });

test("what was sealed comes out again, in its place only", () => {
  fc.assert(
    fc.property(anyBytes, fc.string(), fc.string(), (plain, place, other) => {
      const sealed = seal(dataKey, plain, place);
      expect(isSealed(sealed)).toBe(true);
      expect(sealed).toHaveLength(plain.length + overheadBytes);
      expect(Buffer.from(unseal(keyOf, sealed, place) ?? expect.unreachable("refused")).equals(plain)).toBe(true);
      if (other !== place) expect(unseal(keyOf, sealed, other)).toBeNull();
    }),
  );
});

test("one changed byte anywhere, or a cut, and nothing comes out", () => {
  fc.assert(
    fc.property(anyBytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (plain, at, change) => {
      const sealed = seal(dataKey, plain, "place");
      const altered = Buffer.from(sealed);
      const index = at % altered.length;
      altered[index] = (altered[index] ?? 0) ^ change;
      expect(unseal(keyOf, altered, "place")).toBeNull();
      expect(unseal(keyOf, sealed.subarray(0, index), "place")).toBeNull();
    }),
    { numRuns: 500 },
  );
});

test("every byte of one blob", () => {
  const sealed = seal(dataKey, Buffer.from("plain"), "place");
  for (const index of sealed.keys())
    for (let bit = 0; bit < 8; bit++) {
      const altered = Buffer.from(sealed);
      altered[index] = (altered[index] ?? 0) ^ (1 << bit);
      expect(unseal(keyOf, altered, "place"), `byte ${index}, bit ${bit}`).toBeNull();
    }
});

test("no nonce comes twice", () => {
  const nonces = Array.from({ length: 5_000 }, () => Buffer.from(seal(dataKey, new Uint8Array(0), "").subarray(6, 18)).toString("hex"));
  expect(new Set(nonces).size).toBe(nonces.length);
});
