import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Field, framed } from "./hash.ts";
import { entryHash, noHash } from "./ledger.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const entry = {
  namespaceId: "orders",
  writerId: "w1",
  sequence: 1,
  at: 1_760_000_000_000,
  kind: "decision",
  runId: "r1",
  body: Buffer.from('{"rule":"no-secrets"}'),
} as const;

describe("the hash of an entry", () => {
  test("is SHA-256 over its framed fields, as `docs/ledger.md` prints it", () => {
    const text = (of: string): string => Buffer.byteLength(of).toString(16).padStart(8, "0") + Buffer.from(of).toString("hex");
    const number = (of: number): string => of.toString(16).padStart(16, "0");
    const byHand = [
      text("holdfast.ledger.entry.v1"),
      text("orders"),
      text("w1"),
      number(1),
      `00000020${"00".repeat(32)}`,
      number(1_760_000_000_000),
      text("decision"),
      text('{"rule":"no-secrets"}'),
      number(1),
      text("r1"),
    ].join("");
    const expected = createHash("sha256").update(Buffer.from(byHand, "hex")).digest("hex");
    expect(hex(entryHash(noHash, entry))).toBe(expected);
  });

  test.each([
    ["the first entry", noHash, {}, "154cd412319124b29c89dbdb5fe8d88da4743533a46798e0173acde45014e09e"],
    ["an entry of no run", noHash, { runId: null }, "9248e4e8f05ab59140dc1b37ecb6f23e309bb353f96eec874db4effdc5a05f05"],
    [
      "the second entry",
      entryHash(noHash, entry),
      { sequence: 2, body: Buffer.from("{}") },
      "b1e02c5d2d85b79552b2c59efb8cf3c20526ef2b432c39266893816ca99393a1",
    ],
  ])("vector: %s", (_, previous, given, expected) => {
    expect(hex(entryHash(previous, { ...entry, ...given }))).toBe(expected);
  });

  test.each([
    [{ namespaceId: "order" }],
    [{ writerId: "w2" }],
    [{ sequence: 2 }],
    [{ at: 1_760_000_000_001 }],
    [{ kind: "refusal" }],
    [{ runId: null }],
    [{ runId: "" }],
    [{ body: Buffer.from("{}") }],
    // What one field loses, its neighbour gains.
    [{ namespaceId: "ordersw", writerId: "1" }],
  ] as const)("changes with %j", (given) => {
    expect(hex(entryHash(noHash, { ...entry, ...given }))).not.toBe(hex(entryHash(noHash, entry)));
  });

  test("is of whole times only", () => {
    expect(() => entryHash(noHash, { ...entry, at: 1.5 })).toThrow("1.5 is no whole number");
    expect(() => entryHash(new Uint8Array(31), entry)).toThrow("a hash of 31 bytes");
  });
});

test("framing tells any two lists of texts apart", () => {
  const fields: fc.Arbitrary<readonly Field[]> = fc.array(fc.oneof(fc.string(), fc.constantFrom("a", "aa", "")), { maxLength: 4 });
  fc.assert(
    fc.property(fields, fields, (a, b) => {
      expect(hex(framed(a)) === hex(framed(b))).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});
