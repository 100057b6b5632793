import type { Database } from "better-sqlite3";
import type { ChangeOutcome, NamespaceRecord } from "../store.ts";

export function openNamespaces(db: Database) {
  const selectAll = db.prepare<[], NamespaceRecord>("SELECT id, name, version, body FROM namespaces ORDER BY name");
  // A version of 1 makes it, any other replaces the one before; either changes no row when another writer was first.
  const insert = db.prepare<[string, string, Uint8Array]>(
    "INSERT INTO namespaces (id, name, version, body) VALUES (?, ?, 1, ?) ON CONFLICT (id) DO NOTHING",
  );
  const update = db.prepare<[string, number, Uint8Array, string, number]>(
    "UPDATE namespaces SET name = ?, version = ?, body = ? WHERE id = ? AND version = ?",
  );

  return {
    readAll: (): readonly NamespaceRecord[] => selectAll.all(),
    put({ id, name, version, body }: NamespaceRecord): ChangeOutcome {
      const { changes } = version === 1 ? insert.run(id, name, body) : update.run(name, version, body, id, version - 1);
      return changes === 1 ? "committed" : "conflict";
    },
  };
}
