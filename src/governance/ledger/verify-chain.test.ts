import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chainOf, headOf } from "./ledger.test-kit.ts";
import { type ChainedEntry, entryHash } from "./ledger.ts";
import { type KnownPlace, verifyChain } from "./verify-chain.ts";

const chain = { namespaceId: "namespace", writerId: "writer" };
const whole = chainOf(chain, 9);
const at = (sequence: number): ChainedEntry => whole[sequence - 1] ?? expect.unreachable("no such entry");

async function found(entries: readonly ChainedEntry[], known: readonly KnownPlace[] = []): Promise<string> {
  const verified = await verifyChain(entries, { chain, known });
  return verified.ok ? `whole to ${verified.value.head.sequence}` : `${verified.error.kind} at ${verified.error.sequence}`;
}

describe("the place is named", () => {
  const changed = (sequence: number, given: Partial<ChainedEntry>) =>
    whole.map((entry) => (entry.sequence === sequence ? { ...entry, ...given } : entry));
  const without = (sequence: number) => whole.filter((entry) => entry.sequence !== sequence);
  test.each<[string, readonly ChainedEntry[], string]>([
    ["as it was written", whole, "whole to 9"],
    ["nothing", [], "whole to 0"],
    ["another body", changed(4, { body: Buffer.from("{}") }), "changed at 4"],
    ["another time", changed(4, { at: 1 }), "changed at 4"],
    ["another kind", changed(4, { kind: "refusal" }), "changed at 4"],
    ["another run", changed(4, { runId: "run-4" }), "changed at 4"],
    ["another namespace", changed(4, { namespaceId: "other" }), "changed at 4"],
    ["another hash", changed(4, { hash: at(5).hash }), "changed at 4"],
    ["another body, with its hash", changed(4, withHash({ ...at(4), body: Buffer.from("{}") }, at(3))), "changed at 5"],
    ["an entry of another chain", changed(4, chainOf({ ...chain, writerId: "other" }, 4)[3] ?? {}), "changed at 4"],
    ["the first one removed", without(1), "removed at 1"],
    ["one removed", without(4), "removed at 4"],
    ["one removed, the others renumbered", without(4).map((entry, index) => ({ ...entry, sequence: index + 1 })), "changed at 4"],
    ["two swapped", [...whole.slice(0, 3), at(5), at(4), ...whole.slice(5)], "reordered at 4"],
    ["one moved to the end", [...without(4), at(4)], "reordered at 4"],
    ["one repeated", [...whole.slice(0, 4), at(4), ...whole.slice(4)], "reordered at 4"],
    [
      "two swapped, renumbered",
      [...whole.slice(0, 3), { ...at(5), sequence: 4 }, { ...at(4), sequence: 5 }, ...whole.slice(5)],
      "changed at 4",
    ],
  ])("%s", async (_, entries, place) => {
    expect(await found(entries)).toBe(place);
  });

  const forged = [...whole.slice(0, 4), ...rewritten(5)];
  test.each<[string, readonly ChainedEntry[], readonly KnownPlace[], string]>([
    ["an end that nobody knows may be missing", whole.slice(0, 6), [], "whole to 6"],
    ["an end that is known is missing", whole.slice(0, 6), [headOf(whole)], "truncated at 7"],
    ["all is missing", [], [at(1)], "truncated at 1"],
    ["entries younger than what is known", whole, [at(3), at(6)], "whole to 9"],
    ["written anew, which nobody knows", forged, [], "whole to 9"],
    ["written anew after what is known", forged, [at(4)], "whole to 9"],
    ["written anew before what is known", forged, [at(3), at(7), at(9)], "rewritten at 4"],
    ["two know different things", whole, [at(5), { sequence: 5, hash: at(6).hash }], "rewritten at 6"],
  ])("%s", async (_, entries, known, place) => {
    expect(await found(entries, known)).toBe(place);
  });

  test("from a place that was verified before, in pages", async () => {
    async function* pages() {
      yield* whole.slice(4, 6);
      yield* whole.slice(6);
    }
    const verified = await verifyChain(pages(), { chain, after: at(4), known: [at(2), at(9)] });
    expect(verified).toEqual({ ok: true, value: { head: headOf(whole), count: 5 } });
    expect(await verifyChain(whole.slice(5), { chain, after: at(4) })).toMatchObject({ error: { kind: "removed", sequence: 5 } });
  });
});

function withHash(entry: ChainedEntry, before: ChainedEntry): ChainedEntry {
  return { ...entry, hash: entryHash(before.hash, entry) };
}

/** A forger's end of the chain, from `sequence` on, whole in itself. */
function rewritten(sequence: number): readonly ChainedEntry[] {
  const forged: ChainedEntry[] = [];
  for (const entry of whole.slice(sequence - 1)) {
    forged.push(withHash({ ...entry, body: Buffer.from('{"story":"forged"}') }, forged.at(-1) ?? at(sequence - 1)));
  }
  return forged;
}

test("whatever is done to a chain whose head is known, the first place of it is named", async () => {
  const length = fc.integer({ min: 2, max: 12 });
  const tampering = fc.record({ kind: fc.constantFrom("flip", "drop", "swap", "truncate"), place: fc.nat(), bit: fc.nat() });
  await fc.assert(
    fc.asyncProperty(length, tampering, async (count, { kind, place, bit }) => {
      const entries = chainOf(chain, count);
      const known = [headOf(entries)];
      const index = place % count;
      const chosen = entries[index] ?? expect.unreachable("no entry");
      let expected = { kind: "changed", sequence: index + 1 };
      switch (kind) {
        case "flip":
          entries[index] = flipped(chosen, bit);
          break;
        case "drop":
          entries.splice(index, 1);
          expected = { kind: index === count - 1 ? "truncated" : "removed", sequence: index + 1 };
          break;
        case "swap": {
          const other = (index + 1) % count;
          entries[index] = entries[other] ?? chosen;
          entries[other] = chosen;
          expected = { kind: "reordered", sequence: Math.min(index, other) + 1 };
          break;
        }
        default:
          entries.splice(index);
          expected = { kind: "truncated", sequence: index + 1 };
      }
      expect(await verifyChain(entries, { chain, known })).toEqual({ ok: false, error: { chain, ...expected } });
    }),
    { numRuns: 1_000 },
  );
});

/** One bit of what an entry says, or of its hash, is another. */
function flipped(entry: ChainedEntry, bit: number): ChainedEntry {
  const flip = (bytes: Uint8Array): Uint8Array =>
    bytes.map((byte, index) => (index === (bit >> 3) % bytes.length ? byte ^ (1 << (bit & 7)) : byte));
  switch (bit % 5) {
    case 0:
      return { ...entry, body: flip(entry.body) };
    case 1:
      return { ...entry, hash: flip(entry.hash) };
    case 2:
      return { ...entry, at: entry.at ^ (1 << (bit % 30)) };
    case 3:
      return { ...entry, runId: entry.runId === null ? "run" : `${entry.runId}x` };
    default:
      return { ...entry, kind: "refusal" };
  }
}
