import { err, ok, type Result } from "../base/result.ts";
import { sha256Hex } from "../base/sha256.ts";
import type { EpochMs } from "../base/time.ts";
import type { Json } from "../dag/json.ts";
import { compileSchema } from "../dag/schema.ts";
import type { Store } from "../store/store.ts";
import { changeDocument, type DocumentChange, jsonOf } from "./change-document.ts";
import type { Clock } from "./clock.ts";
import type { Committer } from "./committer.ts";
import { administrationEntry } from "./ledger/administration-entry.ts";
import type { Namespaces } from "./namespaces.ts";

export type SchemaRefusal =
  | { readonly kind: "invalid-schema"; readonly message: string }
  | { readonly kind: "no-such-namespace" | "no-such-schema" | "bad-schema-id" | "too-many-schemas" | "schema-changed" | "busy" };
type Answer<T> = Promise<Result<T, SchemaRefusal>>;

/** A JSON Schema that has a name. */
export type NamedSchema = {
  readonly id: string;
  readonly schema: Json;
  /** Of its JSON, hexadecimal: names the version. */
  readonly sha256: string;
  readonly updatedAt: EpochMs;
  /** Who sent it, as they called themselves. */
  readonly updatedBy: string;
};

/** Schemas that steps of workflows name. A workflow keeps those that it was created with. Each change is in the ledger of the namespace. */
export type Schemas = {
  /**
   * At most `schemasMax` (1,000) of a namespace, each of at most `schemaLettersMax` (256 Ki) letters of JSON. `seen` is the SHA-256 of the
   * version that this one replaces; null saves in the place of any.
   */
  save(
    namespace: string,
    save: { readonly id: string; readonly schema: Json; readonly by: string; readonly seen: string | null },
  ): Answer<NamedSchema>;
  get(namespace: string, id: string): Answer<NamedSchema>;
  /** By id. */
  list(namespace: string): Answer<readonly NamedSchema[]>;
  remove(namespace: string, remove: { readonly id: string; readonly by: string }): Answer<void>;
};

const schemasMax = 1_000;
const schemaLettersMax = 256 * 1024;
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/;

const kind = "schema";
const idIn = (namespaceId: string, id: string): string => `${namespaceId}/${id}`;

export function createSchemas(deps: {
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly namespaces: Pick<Namespaces, "get">;
}): Schemas {
  const { store, clock, namespaces } = deps;

  const within = async <T>(namespace: string, ask: (namespaceId: string) => Answer<T>): Answer<T> => {
    const found = namespaces.get(namespace);
    return found.ok ? ask(found.value.id) : err({ kind: "no-such-namespace" });
  };

  async function list(namespaceId: string): Promise<readonly NamedSchema[]> {
    const stored = await store.listDocuments(kind, idIn(namespaceId, ""), schemasMax);
    return stored.filter(({ id }) => id.startsWith(idIn(namespaceId, ""))).map((document) => jsonOf<NamedSchema>(document));
  }

  const change = <A>(namespaceId: string, id: string, decide: (before: NamedSchema | null) => Answer<DocumentChange<NamedSchema, A>>) =>
    changeDocument<NamedSchema, A, SchemaRefusal>(deps, { kind, id: idIn(namespaceId, id), busy: { kind: "busy" } }, decide);

  return {
    save: (namespace, { id, schema, by, seen }) =>
      within(namespace, async (namespaceId) => {
        if (!idPattern.test(id)) return err({ kind: "bad-schema-id" });
        const text = JSON.stringify(schema);
        if (text.length > schemaLettersMax) return invalid(`a schema has at most ${schemaLettersMax} letters`);
        const compiled = compileSchema(schema);
        if (!compiled.ok) return invalid(compiled.error);
        return change(namespaceId, id, async (before) => {
          if (seen !== null && before?.sha256 !== seen) return err({ kind: "schema-changed" });
          if (before === null && (await list(namespaceId)).length >= schemasMax) return err({ kind: "too-many-schemas" });
          const at = clock.now();
          const saved: NamedSchema = { id, schema, sha256: sha256Hex(text), updatedAt: at, updatedBy: by };
          const said = { act: "schema-saved", by, schema: id, sha256: saved.sha256, sha256_before: before?.sha256 } as const;
          return ok({ value: saved, answer: saved, ledger: [administrationEntry({ namespaceId, at }, said)] });
        });
      }),
    get: (namespace, id) =>
      within(namespace, async (namespaceId) => {
        const found = await readSchema(store, namespaceId, id);
        return found === null ? err({ kind: "no-such-schema" }) : ok(found);
      }),
    list: (namespace) => within(namespace, async (namespaceId) => ok(await list(namespaceId))),
    remove: (namespace, { id, by }) =>
      within(namespace, (namespaceId) =>
        change(namespaceId, id, async (before) => {
          if (before === null) return err({ kind: "no-such-schema" });
          const said = { act: "schema-deleted", by, schema: id, sha256_before: before.sha256 } as const;
          return ok({ value: null, answer: undefined, ledger: [administrationEntry({ namespaceId, at: clock.now() }, said)] });
        }),
      ),
  };
}

/** The version that is there now, for what is made with it. */
export async function readSchema(store: Pick<Store, "readDocument">, namespaceId: string, id: string): Promise<NamedSchema | null> {
  const stored = await store.readDocument(kind, idIn(namespaceId, id));
  return stored === null ? null : jsonOf<NamedSchema>(stored);
}

const invalid = (message: string): Result<never, SchemaRefusal> => err({ kind: "invalid-schema", message });
