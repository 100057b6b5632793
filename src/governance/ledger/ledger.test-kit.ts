import { type ChainedEntry, type ChainHead, type ChainId, entryHash, noHash } from "./ledger.ts";

/** A chain of so many entries, each told apart by its body. */
export function chainOf(chain: ChainId, length: number, story = "told"): ChainedEntry[] {
  const entries: ChainedEntry[] = [];
  for (let sequence = 1; sequence <= length; sequence++) {
    const entry = {
      ...chain,
      sequence,
      at: 1_000 + sequence,
      kind: "decision",
      runId: sequence % 2 === 0 ? null : `run-${sequence}`,
      body: Buffer.from(`{"story":"${story} ${sequence}"}`),
    } as const;
    entries.push({ ...entry, hash: entryHash(entries.at(-1)?.hash ?? noHash, entry) });
  }
  return entries;
}

export function headOf(entries: readonly ChainedEntry[]): ChainHead {
  const last = entries.at(-1);
  if (last === undefined) throw new Error("an empty chain has no head");
  const { namespaceId, writerId, sequence, hash } = last;
  return { namespaceId, writerId, sequence, hash };
}
