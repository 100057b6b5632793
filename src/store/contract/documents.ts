import { expect, test } from "vitest";
import type { DocumentWrite, Store } from "../store.ts";
import { bytes, change, committed, creation, runKey, text } from "./material.ts";

export const document = (id: string, given: Partial<DocumentWrite> = {}): DocumentWrite => ({
  kind: "bundle",
  id,
  expectedVersion: 0,
  body: bytes(`body of ${id}`),
  ...given,
});

export function documentsContract(fresh: () => Promise<Store>): void {
  const listed = async (store: Store, kind: string, after = "", limit = 10): Promise<readonly string[]> =>
    (await store.listDocuments(kind, after, limit)).map(({ id, version, body }) => `${id} ${version} ${text(body)}`);

  test("a document is written one version after the other", async () => {
    const store = await fresh();
    const write = async (given: Partial<DocumentWrite>) => (await store.commit([change({ putDocuments: [document("a", given)] })]))[0];
    expect(await write({ expectedVersion: 1 })).toBe("conflict");
    expect(await write({ body: bytes("first") })).toBe("committed");
    expect(await write({})).toBe("conflict");
    expect(await write({ expectedVersion: 1, body: bytes("second") })).toBe("committed");
    const { body, ...rest } = (await store.readDocument("bundle", "a")) ?? expect.unreachable("no document");
    expect([rest, text(body)]).toEqual([{ kind: "bundle", id: "a", version: 2 }, "second"]);
    expect(await store.readDocument("snapshot", "a")).toBeNull();
  });

  test("one that does not fit takes the whole change with it", async () => {
    const store = await fresh();
    const run = runKey(1);
    expect(
      await store.commit([
        change({ runs: [creation(run)], putDocuments: [document("a"), document("b", { expectedVersion: 3 })] }),
        change({ putDocuments: [document("c")] }),
      ]),
    ).toEqual(["conflict", "committed"]);
    expect(await store.loadRun(run)).toBeNull();
    expect(await listed(store, "bundle")).toEqual(["c 1 body of c"]);
  });

  test("a deleted document is gone, and its id is free", async () => {
    const store = await fresh();
    await committed(store, { putDocuments: [document("a")] });
    expect(await store.commit([change({ putDocuments: [document("a", { body: null })] })])).toEqual(["conflict"]);
    await committed(store, { putDocuments: [document("a", { body: null, expectedVersion: 1 })] });
    expect(await store.readDocument("bundle", "a")).toBeNull();
    await committed(store, { putDocuments: [document("a")] });
    expect(await listed(store, "bundle")).toEqual(["a 1 body of a"]);
  });

  test("lists are of one kind, by id, in pages", async () => {
    const store = await fresh();
    await committed(store, { putDocuments: ["c", "a", "b"].map((id) => document(id)) });
    await committed(store, { putDocuments: [document("x", { kind: "snapshot" })] });
    expect(await listed(store, "bundle", "", 2)).toEqual(["a 1 body of a", "b 1 body of b"]);
    expect(await listed(store, "bundle", "b")).toEqual(["c 1 body of c"]);
  });
}
