import { err, ok, type Result } from "../base/result.ts";
import type { DurationMs } from "../base/time.ts";
import { type SearchAttributeTypes, searchAttributeTypes } from "../execution/search-attributes.ts";
import { encode, make } from "../protocol/codec.ts";
import { Namespace } from "../protocol/generated/holdfast/state/v1/namespace.ts";
import type { IndexedValueType } from "../protocol/generated/temporal/api/enums/v1/common.ts";
import { NamespaceState } from "../protocol/generated/temporal/api/enums/v1/namespace.ts";
import type { Refusal } from "../protocol/refusal.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import { createKeyedLock } from "./keyed-lock.ts";
import { type ActCause, type NamespaceAct, namespaceEntry } from "./ledger/namespace-entry.ts";

export type NamespaceEntry = {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly body: Readonly<Namespace>;
  /** System, predefined and the namespace's own. */
  readonly attributeTypes: SearchAttributeTypes;
};

/** The namespaces, all in memory: there are few, and every request names one. Each change is in the server's ledger, in the same transaction. */
export type Namespaces = {
  get(name: string): Result<NamespaceEntry, Refusal>;
  byId(id: string): NamespaceEntry | undefined;
  list(): readonly NamespaceEntry[];
  /** `by` is who asks for it, here and below; null when nobody has to say. */
  create(namespace: { name: string; body: Namespace }, by: string | null): Promise<Result<NamespaceEntry, Refusal>>;
  /** Replaces the body by what `change` makes of it. `act` is what the ledger calls this. */
  update(
    name: string,
    act: NamespaceAct,
    change: (body: Readonly<Namespace>) => Result<Namespace, Refusal>,
    by: string | null,
  ): Promise<Result<NamespaceEntry, Refusal>>;
  /** Marks a namespace deleted and gives its name free. */
  retire(name: string, by: string | null): Promise<Result<NamespaceEntry, Refusal>>;
  /** Reads them from the store, and registers those of the configuration that are missing. */
  recover(
    wanted: readonly { name: string; retention: DurationMs; searchAttributes: { readonly [name: string]: IndexedValueType } }[],
  ): Promise<void>;
};

type Because = { readonly cause: ActCause; readonly by: string | null };
const configured: Because = { cause: "configuration", by: null };

export function createNamespaces(deps: {
  readonly store: Pick<Store, "readNamespaces" | "putNamespace">;
  readonly clock: Pick<Clock, "now">;
  readonly newId: () => string;
}): Namespaces {
  const { store, clock, newId } = deps;
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
  const create = ({ name, body }: { name: string; body: Namespace }, because: Because): ReturnType<Namespaces["create"]> =>
    creating.run(name, async () => {
      const exists = err<Refusal>({ kind: "namespace-already-exists", message: `Namespace "${name}" already exists` });
      if (byName.has(name)) return exists;
      const id = newId();
      const before = make(Namespace, {});
      const entry = namespaceEntry({ act: "namespace-registered", ...because, at: clock.now(), id, name, before, after: body });
      const written = await store.putNamespace({ id, name, version: 1, body: encode(Namespace, body) }, [entry]);
      return written === "committed" ? ok(keep(id, name, 1, body)) : exists;
    });

  /** The next version of a namespace. Its new name need not be the old one. */
  async function replace(
    { id, name, version, body: before }: NamespaceEntry,
    next: { name: string; body: Namespace },
    because: Because & { act: NamespaceAct },
  ): Promise<Result<NamespaceEntry, Refusal>> {
    const entry = namespaceEntry({ ...because, at: clock.now(), id, name, before, after: next.body });
    const record = { id, name: next.name, version: version + 1, body: encode(Namespace, next.body) };
    if ((await store.putNamespace(record, [entry])) === "conflict")
      return err({ kind: "unavailable", message: `namespace \`${name}\` was changed by somebody else, try again` });
    if (next.name !== name) byName.delete(name);
    return ok(keep(id, next.name, version + 1, next.body));
  }

  /** Adds what the configuration knows and the namespace does not. */
  async function addConfigured(namespace: NamespaceEntry, wanted: Namespace["searchAttributes"]): Promise<void> {
    const { name, body } = namespace;
    if (Object.keys(wanted).every((attribute) => Object.hasOwn(body.searchAttributes, attribute))) return;
    const added = { ...body, searchAttributes: { ...wanted, ...body.searchAttributes } };
    await replace(namespace, { name, body: added }, { act: "search-attributes-added", ...configured });
  }

  return {
    get,
    byId: (id) => byId.get(id),
    list: () => [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    create: (namespace, by) => create(namespace, { cause: "api", by }),
    update: async (name, act, change, by) => {
      const found = get(name);
      if (!found.ok) return found;
      const changed = change(found.value.body);
      return changed.ok ? replace(found.value, { name, body: changed.value }, { act, cause: "api", by }) : changed;
    },
    retire: async (name, by) => {
      const found = get(name);
      if (!found.ok) return found;
      const { id, body } = found.value;
      const retired = { name: `${name}-deleted-${id.slice(0, 5)}`, body: { ...body, state: NamespaceState.DELETED } };
      return replace(found.value, retired, { act: "namespace-deleted", cause: "api", by });
    },
    recover: async (wanted) => {
      for (const record of await store.readNamespaces()) keep(record.id, record.name, record.version, Namespace.decode(record.body));
      for (const { name, retention, searchAttributes } of wanted) {
        const there = byName.get(name);
        const body = make(Namespace, { state: NamespaceState.REGISTERED, retention, searchAttributes: { ...searchAttributes } });
        if (there === undefined) await create({ name, body }, configured);
        else await addConfigured(there, searchAttributes);
      }
    },
  };
}
