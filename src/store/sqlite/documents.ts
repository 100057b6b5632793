import type { Database } from "better-sqlite3";
import type { DocumentWrite, StoredDocument } from "../store.ts";

export type Documents = ReturnType<typeof openDocuments>;

export function openDocuments(db: Database) {
  const select = db.prepare<[string, string], StoredDocument>("SELECT kind, id, version, body FROM documents WHERE kind = ? AND id = ?");
  const selectVersion = db.prepare<[string, string], number>("SELECT version FROM documents WHERE kind = ? AND id = ?").pluck();
  const selectAfter = db.prepare<[string, string, number], StoredDocument>(
    "SELECT kind, id, version, body FROM documents WHERE kind = ? AND id > ? ORDER BY id LIMIT ?",
  );
  const insert = db.prepare<[string, string, Uint8Array]>("INSERT INTO documents (kind, id, version, body) VALUES (?, ?, 1, ?)");
  const update = db.prepare<[number, Uint8Array, string, string]>("UPDATE documents SET version = ?, body = ? WHERE kind = ? AND id = ?");
  const remove = db.prepare<[string, string]>("DELETE FROM documents WHERE kind = ? AND id = ?");

  return {
    /** Whether the write was decided on what is stored. */
    fits: ({ kind, id, expectedVersion }: DocumentWrite): boolean => (selectVersion.get(kind, id) ?? 0) === expectedVersion,
    /** Writes a document that fits. */
    write({ kind, id, expectedVersion, body }: DocumentWrite): void {
      if (body === null) remove.run(kind, id);
      else if (expectedVersion === 0) insert.run(kind, id, body);
      else update.run(expectedVersion + 1, body, kind, id);
    },
    read: (kind: string, id: string): StoredDocument | null => select.get(kind, id) ?? null,
    list: (kind: string, afterId: string, limit: number): readonly StoredDocument[] => selectAfter.all(kind, afterId, limit),
  };
}
