import { expect, test } from "vitest";
import { type ChainedEntry, entryHash, type LedgerEntry, noHash } from "../../governance/ledger/ledger.ts";
import { type LedgerQuery, PageTokenError, type Store } from "../store.ts";
import { bytes, change, committed, creation, runKey, text, update } from "./material.ts";

export const ledgerEntry = (at: number, given: Partial<LedgerEntry> = {}): LedgerEntry => ({
  namespaceId: "namespace",
  at,
  kind: "decision",
  runId: null,
  body: bytes(`{"at":${at}}`),
  ...given,
});

/** The chain that this store writes for a namespace. */
async function chainOf(store: Store, namespaceId = "namespace"): Promise<readonly ChainedEntry[]> {
  const { heads } = await store.readChains({ namespaceId, after: null, limit: 100 });
  const chains = await Promise.all(heads.map((head) => store.readChain(head, 1, 1_000)));
  return chains.flat();
}

export function ledgerContract(fresh: () => Promise<Store>): void {
  const times = (entries: readonly LedgerEntry[]): string => entries.map(({ at }) => at).join(" ");
  const page = async (store: Store, given: Partial<LedgerQuery> = {}) =>
    store.readLedger({ namespaceId: "namespace", after: null, limit: 10, ...given });

  test("entries form a chain in the order in which they were appended", async () => {
    const store = await fresh();
    const run = runKey(1);
    const entries = [ledgerEntry(30, { runId: run.runId }), ledgerEntry(10, { kind: "refusal", runId: "no UUID" }), ledgerEntry(20)];
    await committed(store, { ledger: entries.slice(0, 2) });
    await committed(store, { runs: [creation(run)], ledger: entries.slice(2) });
    const chain = await chainOf(store);
    let previous = noHash;
    for (const [index, { sequence, hash, writerId, ...entry }] of chain.entries()) {
      expect({ ...entry, body: bytes(text(entry.body)) }).toEqual(entries[index]);
      expect(sequence).toBe(index + 1);
      expect([...hash]).toEqual([...entryHash(previous, { ...entry, writerId, sequence })]);
      previous = hash;
    }
    expect(chain).toHaveLength(3);
  });

  test("each namespace has its own chain; heads are those of the newest entries", async () => {
    const store = await fresh();
    await committed(store, { ledger: [ledgerEntry(1), ledgerEntry(2, { namespaceId: "other" }), ledgerEntry(3)] });
    const [mine, theirs] = [await chainOf(store), await chainOf(store, "other")];
    expect(mine.map(({ at, sequence }) => [at, sequence])).toEqual([
      [1, 1],
      [3, 2],
    ]);
    expect(theirs.map(({ at, sequence }) => [at, sequence])).toEqual([[2, 1]]);
    const headOf = (chain: readonly ChainedEntry[]) => {
      const { namespaceId, writerId, sequence, hash } = chain.at(-1) ?? expect.unreachable("an empty chain");
      return { namespaceId, writerId, sequence, hash };
    };
    const all = await store.readChains({ namespaceId: null, after: null, limit: 10 });
    expect(all).toEqual({ heads: [headOf(mine), headOf(theirs)], next: null });
    const first = await store.readChains({ namespaceId: null, after: null, limit: 1 });
    expect(first.heads).toEqual([headOf(mine)]);
    expect(await store.readChains({ namespaceId: null, after: first.next, limit: 1 })).toEqual({ heads: [headOf(theirs)], next: null });
    expect(await store.readChains({ namespaceId: "absent", after: null, limit: 1 })).toEqual({ heads: [], next: null });
    expect(await store.readChain({ namespaceId: "namespace", writerId: "absent" }, 1, 10)).toEqual([]);
  });

  test("a chain is read from any place, in pages", async () => {
    const store = await fresh();
    await committed(store, { ledger: [1, 2, 3, 4].map((at) => ledgerEntry(at)) });
    const [head] = (await store.readChains({ namespaceId: "namespace", after: null, limit: 1 })).heads;
    const chain = head ?? expect.unreachable("no chain");
    expect(times(await store.readChain(chain, 2, 2))).toBe("2 3");
    expect(times(await store.readChain(chain, 4, 2))).toBe("4");
    expect(await store.readChain(chain, 5, 2)).toEqual([]);
  });

  test("a change that conflicts appends nothing, its neighbours do", async () => {
    const store = await fresh();
    expect(
      await store.commit([
        change({ ledger: [ledgerEntry(1)] }),
        change({ runs: [update(runKey(1), 7)], ledger: [ledgerEntry(2)] }),
        change({ ledger: [ledgerEntry(3)] }),
      ]),
    ).toEqual(["committed", "conflict", "committed"]);
    expect((await chainOf(store)).map(({ at, sequence }) => [at, sequence])).toEqual([
      [1, 1],
      [3, 2],
    ]);
  });

  test("a commit that fails appends nothing, and the chain goes on unbroken", async () => {
    const store = await fresh();
    await committed(store, { ledger: [ledgerEntry(1)] });
    const impossible = ledgerEntry(-1);
    await expect(
      store.commit([change({ ledger: [ledgerEntry(2), ledgerEntry(2, { namespaceId: "new" }), impossible] })]),
    ).rejects.toThrow();
    await committed(store, { ledger: [ledgerEntry(3), ledgerEntry(4, { namespaceId: "new" })] });
    const chain = await chainOf(store);
    expect(chain.map(({ at, sequence }) => [at, sequence])).toEqual([
      [1, 1],
      [3, 2],
    ]);
    const [first, second] = chain;
    expect(second?.hash).toEqual(entryHash(first?.hash ?? noHash, second ?? expect.unreachable("no entry")));
    expect((await chainOf(store, "new")).map(({ sequence }) => sequence)).toEqual([1]);
  });

  const run = runKey(1).runId;
  const shelf = [
    ledgerEntry(500),
    ledgerEntry(100, { kind: "approval-requested", runId: run }),
    ledgerEntry(300, { runId: run }),
    ledgerEntry(300, { kind: "refusal", runId: "text" }),
    ledgerEntry(200, { kind: "administration" }),
    ledgerEntry(400, { namespaceId: "other", runId: run }),
  ];
  test.each([
    ["all by time, then by place", {}, "100 200 300 300 500"],
    ["since, inclusive", { since: 300 }, "300 300 500"],
    ["until, exclusive", { until: 300 }, "100 200"],
    ["a range", { since: 200, until: 500 }, "200 300 300"],
    ["one kind", { kinds: ["refusal"] }, "300"],
    ["some kinds", { kinds: ["administration", "approval-requested"] }, "100 200"],
    ["decisions and others", { kinds: ["decision", "administration"] }, "200 300 500"],
    ["no kind", { kinds: [] }, ""],
    ["a run", { runId: run }, "100 300"],
    ["a run's decisions since", { runId: run, kinds: ["decision"], since: 101 }, "300"],
    ["a run whose id is no UUID", { runId: "text" }, "300"],
    ["the first", { limit: 1 }, "100"],
    ["another namespace", { namespaceId: "other" }, "400"],
    ["a namespace that is not there", { namespaceId: "absent" }, ""],
  ] as const)("reads %s", async (_, given, expected) => {
    const store = await fresh();
    await committed(store, { ledger: shelf });
    expect(times((await page(store, given)).entries)).toBe(expected);
  });

  test.each([{}, { kinds: ["decision", "refusal"] }, { kinds: ["refusal", "administration"] }, { runId: run }, { since: 200 }] as const)(
    "pages of %j join to the whole, also where times are equal",
    async (given) => {
      const store = await fresh();
      await committed(store, { ledger: [...shelf, ...shelf] });
      const whole = (await page(store, { ...given, limit: 100 })).entries;
      const joined: ChainedEntry[] = [];
      let after: string | null = null;
      do {
        const next: Awaited<ReturnType<Store["readLedger"]>> = await page(store, { ...given, limit: 1, after });
        joined.push(...next.entries);
        after = next.next;
      } while (after !== null);
      expect(joined).toEqual(whole);
    },
  );

  test("a cursor of another list is refused", async () => {
    const store = await fresh();
    await committed(store, { ledger: [ledgerEntry(1)] });
    await expect(page(store, { after: "nonsense" })).rejects.toThrow(PageTokenError);
    await expect(page(store, { after: Buffer.from("[1]").toString("base64url") })).rejects.toThrow(PageTokenError);
    await expect(store.readChains({ namespaceId: null, after: "nonsense", limit: 1 })).rejects.toThrow(PageTokenError);
  });

  test("the ledger outlives the runs that it is about", async () => {
    const store = await fresh();
    await committed(store, { runs: [creation(runKey(1))], ledger: [ledgerEntry(1, { runId: run })] });
    await store.deleteRuns([runKey(1)]);
    expect((await page(store, { runId: run })).entries.map(({ body }) => text(body))).toEqual([`{"at":1}`]);
  });
}
