import { expect, test } from "vitest";
import type { Store } from "../store.ts";
import { bytes, text } from "./material.ts";

export function namespacesContract(fresh: () => Promise<Store>): void {
  test("a namespace is written one version after the other", async () => {
    const store = await fresh();
    const record = (version: number, body: string) => ({ id: "id", name: "default", version, body: bytes(body) });
    expect(await store.putNamespace(record(2, "early"))).toBe("conflict");
    expect(await store.putNamespace(record(1, "first"))).toBe("committed");
    expect(await store.putNamespace(record(1, "again"))).toBe("conflict");
    expect(await store.putNamespace(record(2, "second"))).toBe("committed");
    expect(await store.putNamespace({ id: "other", name: "other", version: 1, body: bytes("o") })).toBe("committed");
    const read = await store.readNamespaces();
    expect(read.map(({ id, name, version, body }) => [id, name, version, text(body)])).toEqual([
      ["id", "default", 2, "second"],
      ["other", "other", 1, "o"],
    ]);
  });
}
