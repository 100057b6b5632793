import { expect, test } from "vitest";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import type { Store } from "../store.ts";
import { ledgerEntry } from "./ledger.ts";
import { bytes, committed, text } from "./material.ts";

export function namespacesContract(fresh: () => Promise<Store>): void {
  test("a namespace is written one version after the other", async () => {
    const store = await fresh();
    const record = (version: number, body: string) => ({ id: "id", name: "default", version, body: bytes(body) });
    expect(await store.putNamespace(record(2, "early"), [])).toBe("conflict");
    expect(await store.putNamespace(record(1, "first"), [])).toBe("committed");
    expect(await store.putNamespace(record(1, "again"), [])).toBe("conflict");
    expect(await store.putNamespace(record(2, "second"), [])).toBe("committed");
    expect(await store.putNamespace({ id: "other", name: "other", version: 1, body: bytes("o") }, [])).toBe("committed");
    const read = await store.readNamespaces();
    expect(read.map(({ id, name, version, body }) => [id, name, version, text(body)])).toEqual([
      ["id", "default", 2, "second"],
      ["other", "other", 1, "o"],
    ]);
  });

  test("what the ledger says of a namespace is written with it, or not at all", async () => {
    const store = await fresh();
    const put = (version: number, ...entries: readonly LedgerEntry[]) =>
      store.putNamespace({ id: "id", name: "default", version, body: bytes("body") }, entries);
    const written = async () => ({
      versions: (await store.readNamespaces()).map(({ version }) => version),
      entries: (await store.readLedger({ namespaceId: "namespace", after: null, limit: 10 })).entries.map(({ at, sequence }) => [
        at,
        sequence,
      ]),
    });
    expect(await put(1, ledgerEntry(10), ledgerEntry(20))).toBe("committed");
    expect(await put(1, ledgerEntry(30))).toBe("conflict");
    const impossible = ledgerEntry(-1);
    await expect(put(2, ledgerEntry(40), impossible)).rejects.toThrow();
    expect(await written()).toEqual({
      versions: [1],
      entries: [
        [10, 1],
        [20, 2],
      ],
    });
    await committed(store, { ledger: [ledgerEntry(50)] });
    expect(await put(2, ledgerEntry(60))).toBe("committed");
    expect(await written()).toMatchObject({ versions: [2], entries: [{}, {}, [50, 3], [60, 4]] });
  });
}
