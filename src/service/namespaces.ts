import { err, ok, type Result } from "../base/result.ts";
import type { DurationMs } from "../base/time.ts";
import { type SearchAttributeTypes, searchAttributeTypes } from "../execution/search-attributes.ts";
import { encode, make } from "../protocol/codec.ts";
import { Namespace } from "../protocol/generated/holdfast/state/v1/namespace.ts";
import type { IndexedValueType } from "../protocol/generated/temporal/api/enums/v1/common.ts";
import { NamespaceState } from "../protocol/generated/temporal/api/enums/v1/namespace.ts";
import type { Refusal } from "../protocol/refusal.ts";
import type { Store } from "../store/store.ts";
import { createKeyedLock } from "./keyed-lock.ts";

export type NamespaceEntry = {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly body: Readonly<Namespace>;
  /** System, predefined and the namespace's own. */
  readonly attributeTypes: SearchAttributeTypes;
};

/** The namespaces, all in memory: there are few, and every request names one. */
export type Namespaces = {
  get(name: string): Result<NamespaceEntry, Refusal>;
  byId(id: string): NamespaceEntry | undefined;
  list(): readonly NamespaceEntry[];
  create(namespace: { name: string; body: Namespace }): Promise<Result<NamespaceEntry, Refusal>>;
  /** Replaces the body by what `change` makes of it. */
  update(name: string, change: (body: Readonly<Namespace>) => Result<Namespace, Refusal>): Promise<Result<NamespaceEntry, Refusal>>;
  /** Marks a namespace deleted and gives its name free. */
  retire(name: string): Promise<Result<NamespaceEntry, Refusal>>;
  /** Reads them from the store, and registers those of the configuration that are missing. */
  recover(
    wanted: readonly { name: string; retention: DurationMs; searchAttributes: { readonly [name: string]: IndexedValueType } }[],
  ): Promise<void>;
};

export function createNamespaces(deps: {
  readonly store: Pick<Store, "readNamespaces" | "putNamespace">;
  readonly newId: () => string;
}): Namespaces {
  const { store, newId } = deps;
  const byName = new Map<string, NamespaceEntry>();
  const byId = new Map<string, NamespaceEntry>();
  const creating = createKeyedLock();

  function keep(id: string, name: string, version: number, body: Namespace): NamespaceEntry {
    const custom = new Map(Object.entries(body.searchAttributes));
    const entry = { id, name, version, body, attributeTypes: searchAttributeTypes(custom) };
    byName.set(name, entry);
    byId.set(id, entry);
    return entry;
  }

  const get: Namespaces["get"] = (name) => {
    const entry = byName.get(name);
    return entry === undefined ? err({ kind: "namespace-not-found", namespace: name }) : ok(entry);
  };

  // One at a time per name: the store knows namespaces by id, so only this keeps a name from being taken twice.
  const create: Namespaces["create"] = ({ name, body }) =>
    creating.run(name, async () => {
      const exists = err<Refusal>({ kind: "namespace-already-exists", message: `Namespace "${name}" already exists` });
      if (byName.has(name)) return exists;
      const id = newId();
      const written = await store.putNamespace({ id, name, version: 1, body: encode(Namespace, body) });
      return written === "committed" ? ok(keep(id, name, 1, body)) : exists;
    });

  const update: Namespaces["update"] = async (name, change) => {
    const found = get(name);
    if (!found.ok) return found;
    const { id, version, body } = found.value;
    const changed = change(body);
    if (!changed.ok) return changed;
    const written = await store.putNamespace({ id, name, version: version + 1, body: encode(Namespace, changed.value) });
    if (written === "conflict")
      return err({ kind: "unavailable", message: `namespace \`${name}\` was changed by somebody else, try again` });
    return ok(keep(id, name, version + 1, changed.value));
  };

  return {
    get,
    byId: (id) => byId.get(id),
    list: () => [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    create,
    update,
    retire: async (name) => {
      const found = get(name);
      if (!found.ok) return found;
      const { id, version, body } = found.value;
      const retired = { id, name: `${name}-deleted-${id.slice(0, 5)}`, version: version + 1 };
      const changed = { ...body, state: NamespaceState.DELETED };
      const written = await store.putNamespace({ ...retired, body: encode(Namespace, changed) });
      if (written === "conflict")
        return err({ kind: "unavailable", message: `namespace \`${name}\` was changed by somebody else, try again` });
      byName.delete(name);
      return ok(keep(id, retired.name, retired.version, changed));
    },
    recover: async (wanted) => {
      for (const record of await store.readNamespaces()) keep(record.id, record.name, record.version, Namespace.decode(record.body));
      for (const { name, retention, searchAttributes } of wanted) {
        const body = make(Namespace, { state: NamespaceState.REGISTERED, retention, searchAttributes: { ...searchAttributes } });
        if (!byName.has(name)) await create({ name, body });
        else await update(name, (old) => ok({ ...old, searchAttributes: { ...searchAttributes, ...old.searchAttributes } }));
      }
    },
  };
}
