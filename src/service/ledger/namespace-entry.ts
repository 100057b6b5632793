import { canonicalBytes, canonicalJson } from "../../base/canonical-json.ts";
import type { EpochMs } from "../../base/time.ts";
import { typeName } from "../../execution/search-attributes.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import type { Namespace } from "../../protocol/generated/holdfast/state/v1/namespace.ts";
import { NamespaceState } from "../../protocol/generated/temporal/api/enums/v1/namespace.ts";
import { serverNamespaceId } from "./audit.ts";

/** What an administrator does to a namespace. */
export type NamespaceAct =
  | "namespace-registered"
  | "namespace-updated"
  | "namespace-deleted"
  | "search-attributes-added"
  | "search-attributes-removed";

/** A request, or what the configuration says when the server starts. */
export type ActCause = "api" | "configuration";

type NamespaceChange = {
  readonly act: NamespaceAct;
  readonly cause: ActCause;
  /** Who asked for it, if they proved who they are. */
  readonly by: string | null;
  readonly at: EpochMs;
  readonly id: string;
  /** The one it had before. */
  readonly name: string;
  readonly before: Readonly<Namespace>;
  readonly after: Readonly<Namespace>;
};

/** What the ledger says of it: the settings that are new. Of `data`, whose values can be anything, only which they are. */
export function namespaceEntry({ act, cause, by, at, id, name, before, after }: NamespaceChange): LedgerEntry {
  const ifNew = <T>(was: T, is: T): T | undefined => (canonicalJson(was) === canonicalJson(is) ? undefined : is);
  const state = ifNew(before.state, after.state);
  const data = newIn(before.data, after.data).map(([key]) => key);
  const added = newIn(before.searchAttributes, after.searchAttributes);
  const removed = Object.keys(before.searchAttributes).filter((attribute) => !Object.hasOwn(after.searchAttributes, attribute));
  const body = canonicalBytes({
    act,
    cause,
    namespace: name,
    namespace_id: id,
    by,
    description: ifNew(before.description, after.description),
    owner_email: ifNew(before.ownerEmail, after.ownerEmail),
    retention_ms: ifNew(before.retention, after.retention),
    state: state === undefined ? undefined : (stateNames.get(state) ?? String(state)),
    data: data.length === 0 ? undefined : data.sort(),
    added: added.length === 0 ? undefined : new Map(added.map(([attribute, type]) => [attribute, typeName(type)])),
    removed: removed.length === 0 ? undefined : removed.sort(),
  });
  return { namespaceId: serverNamespaceId, at, kind: "administration", runId: null, body };
}

const stateNames = new Map<number, string>(Object.entries(NamespaceState).map(([name, value]) => [value, name]));

type Named<T> = { readonly [name: string]: T };

function newIn<T>(before: Named<T>, after: Named<T>): (readonly [string, T])[] {
  return Object.entries(after).filter(([name, value]) => before[name] !== value);
}
