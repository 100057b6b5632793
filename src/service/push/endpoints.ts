import { canonicalBytes } from "../../base/canonical-json.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { EpochMs } from "../../base/time.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import { compileGlob, type Glob } from "../../governance/policy/glob.ts";
import type { DocumentWrite, QueueKey, Store } from "../../store/store.ts";
import { hostOf, type OutgoingOptions } from "../built-in/outgoing-request.ts";
import { isServerTaskQueue } from "../built-in/server-task-queue.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import type { Namespaces } from "../namespaces.ts";
import { changed, checked, type Endpoint, type EndpointChange, endpointDefaults, shownUrl } from "./endpoint.ts";
import { newSecret } from "./webhook-signature.ts";

export type EndpointRefusal =
  | { readonly kind: "invalid-endpoint"; readonly message: string }
  | {
      readonly kind:
        | "no-such-namespace"
        | "no-such-endpoint"
        | "too-many-endpoints"
        | "endpoint-changed"
        | "endpoint-of-configuration"
        | "endpoint-not-https"
        | "busy";
    };
type Answer<T> = Promise<Result<T, EndpointRefusal>>;

/** What the version that a change replaces has to be: any, none, or the one with this tag. */
export type SeenEndpoint = { readonly kind: "any" } | { readonly kind: "absent" } | { readonly kind: "tag"; readonly tag: string };

/** An endpoint with where it comes from and the tag of its version. */
export type KnownEndpoint = {
  readonly endpoint: Endpoint;
  readonly tag: string;
  readonly origin: "api" | "configuration";
  /** Until when the secret before signs as well, null when it does not. */
  readonly previousUntil: EpochMs | null;
};

/** As the configuration has it. */
export type ConfiguredEndpoint = Pick<Endpoint, "taskQueues" | "url" | "headers" | "timeout" | "maxConcurrent" | "enabled" | "secret"> & {
  readonly namespace: string;
};

/** Endpoints that tasks are pushed to. */
export type Endpoints = {
  /**
   * Creates or changes one: at most `endpointsMax` (1,000) of a namespace. `newSecret` is the secret that was made, which nobody is told again.
   */
  put(
    namespace: string,
    put: { readonly id: string; readonly change: EndpointChange; readonly by: string; readonly seen: SeenEndpoint },
  ): Answer<KnownEndpoint & { readonly newSecret: string | null; readonly isNew: boolean }>;
  get(namespace: string, id: string): Answer<KnownEndpoint>;
  /** By id. */
  list(namespace: string): Answer<readonly KnownEndpoint[]>;
  remove(namespace: string, remove: { readonly id: string; readonly by: string; readonly seen: SeenEndpoint }): Answer<void>;
  /** Those that are enabled and serve a task queue, by id. */
  serving(queue: Pick<QueueKey, "namespaceId" | "taskQueue">): readonly Served[];
  /** Told after each change. */
  onChange(told: () => void): void;
};

/** An endpoint, named uniquely among those of all namespaces. */
export type Served = { readonly name: string; readonly endpoint: Endpoint };

const endpointsMax = 1_000;
const attemptsMax = 5;
const kind = "endpoint";
const idIn = (namespaceId: string, id: string): string => `${namespaceId}/${id}`;

type Held = Omit<KnownEndpoint, "previousUntil"> & { readonly name: string; readonly glob: Glob | null };

/** Loads what is stored. Throws when the configuration has one that is none: the server does not start. */
export async function createEndpoints(deps: {
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly namespaces: Pick<Namespaces, "get">;
  readonly configured: { readonly [id: string]: ConfiguredEndpoint };
  readonly allowPrivate: OutgoingOptions["allowPrivate"];
}): Promise<Endpoints> {
  const { store, committer, clock, namespaces, configured, allowPrivate } = deps;
  const inTurn = createKeyedLock();
  const watchers: (() => void)[] = [];
  /** All of them, by namespace. INVARIANT: as stored: changes are written before they are held here. */
  const byNamespace = new Map<string, Map<string, Held>>();

  function hold(namespaceId: string, endpoint: Endpoint, origin: Held["origin"]): Held {
    const held = {
      endpoint,
      origin,
      tag: sha256Hex(JSON.stringify(endpoint)).slice(0, 32),
      name: idIn(namespaceId, endpoint.id),
      glob: compileGlob(endpoint.taskQueues),
    };
    const endpoints = byNamespace.get(namespaceId) ?? new Map<string, Held>();
    endpoints.set(endpoint.id, held);
    byNamespace.set(namespaceId, endpoints);
    return held;
  }

  /** Only a host that may be private anyway is reached without TLS. */
  const isReachedSafely = ({ url }: Endpoint): boolean => {
    const read = new URL(url);
    return read.protocol === "https:" || allowPrivate === true || (Array.isArray(allowPrivate) && allowPrivate.includes(hostOf(read)));
  };

  for (let after = ""; ; ) {
    const page = await store.listDocuments(kind, after, endpointsMax);
    for (const { id, body } of page) hold(id.slice(0, id.indexOf("/")), bodyOf(body), "api");
    const last = page.at(-1);
    if (last === undefined || page.length < endpointsMax) break;
    after = last.id;
  }
  for (const [id, { namespace, ...fields }] of Object.entries(configured)) {
    const endpoint = checked({ ...endpointDefaults, ...fields, id, previous: null, updatedAt: clock.now(), updatedBy: "configuration" });
    if (!endpoint.ok) throw new Error(`push.endpoints.${id}: ${endpoint.error}`);
    if (!isReachedSafely(endpoint.value)) throw new Error(`push.endpoints.${id}: ${notHttps}`);
    const found = namespaces.get(namespace);
    if (!found.ok) throw new Error(`push.endpoints.${id}: there is no namespace \`${namespace}\``);
    hold(found.value.id, endpoint.value, "configuration");
  }

  const within = async <T>(namespace: string, ask: (namespaceId: string) => Answer<T>): Answer<T> => {
    const found = namespaces.get(namespace);
    return found.ok ? ask(found.value.id) : err({ kind: "no-such-namespace" });
  };

  const known = ({ endpoint, tag, origin }: Held): KnownEndpoint => {
    const until = endpoint.previous?.until ?? 0;
    return { endpoint, tag, origin, previousUntil: until > clock.now() ? until : null };
  };

  const isSeen = (seen: SeenEndpoint, before: Held | undefined): boolean =>
    seen.kind === "tag" ? before?.tag === seen.tag : seen.kind === "any" || before === undefined;

  /** Writes the endpoint, null to delete it, with its entry of the ledger. */
  async function write(
    namespaceId: string,
    { id, after, entry }: { readonly id: string; readonly after: Endpoint | null; readonly entry: LedgerEntry },
  ): Promise<boolean> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const stored = await store.readDocument(kind, idIn(namespaceId, id));
      const body = after === null ? null : Buffer.from(JSON.stringify(after));
      const put: DocumentWrite = { kind, id: idIn(namespaceId, id), expectedVersion: stored?.version ?? 0, body };
      if ((await committer.commit(changeOutsideRuns({ putDocuments: [put], ledger: [entry] }))) === "committed") return true;
    }
    return false;
  }

  const entryOf = (namespaceId: string, act: string, { by, endpoint, rotated }: Told): LedgerEntry => ({
    namespaceId,
    at: clock.now(),
    kind: "administration",
    runId: null,
    body: canonicalBytes({
      act,
      by,
      endpoint: endpoint.id,
      task_queues: endpoint.taskQueues,
      url: shownUrl(endpoint.url),
      header_names: Object.keys(endpoint.headers).sort(),
      timeout_ms: endpoint.timeout,
      max_concurrent: endpoint.maxConcurrent,
      enabled: endpoint.enabled,
      ...(rotated ? { secret: "changed" } : {}),
    }),
  });

  const tell = (): void => {
    for (const told of watchers) told();
  };

  return {
    put: (namespace, { id, change, by, seen }) =>
      within(namespace, (namespaceId) =>
        inTurn.run(idIn(namespaceId, id), async () => {
          const before = byNamespace.get(namespaceId)?.get(id);
          if (before?.origin === "configuration") return err({ kind: "endpoint-of-configuration" });
          if (!isSeen(seen, before)) return err({ kind: "endpoint-changed" });
          if (before === undefined && (byNamespace.get(namespaceId)?.size ?? 0) >= endpointsMax) return err({ kind: "too-many-endpoints" });
          const after = changed(before?.endpoint ?? null, change, { id, now: clock.now(), by, newSecret });
          if (!after.ok) return err({ kind: "invalid-endpoint", message: after.error });
          if (!isReachedSafely(after.value)) return err({ kind: "endpoint-not-https" });
          const rotated = before !== undefined && before.endpoint.secret !== after.value.secret;
          const act = before === undefined ? "endpoint-registered" : "endpoint-changed";
          const entry = entryOf(namespaceId, act, { by, endpoint: after.value, rotated });
          if (!(await write(namespaceId, { id, after: after.value, entry }))) return err({ kind: "busy" });
          const held = hold(namespaceId, after.value, "api");
          tell();
          const isMade = change.secret === undefined && (before === undefined || rotated);
          return ok({ ...known(held), newSecret: isMade ? after.value.secret : null, isNew: before === undefined });
        }),
      ),
    get: (namespace, id) =>
      within(namespace, async (namespaceId) => {
        const held = byNamespace.get(namespaceId)?.get(id);
        return held === undefined ? err({ kind: "no-such-endpoint" }) : ok(known(held));
      }),
    list: (namespace) => within(namespace, async (namespaceId) => ok(sorted(byNamespace.get(namespaceId)?.values()).map(known))),
    remove: (namespace, { id, by, seen }) =>
      within(namespace, (namespaceId) =>
        inTurn.run(idIn(namespaceId, id), async () => {
          const before = byNamespace.get(namespaceId)?.get(id);
          if (before === undefined) return err({ kind: "no-such-endpoint" });
          if (before.origin === "configuration") return err({ kind: "endpoint-of-configuration" });
          if (!isSeen(seen, before)) return err({ kind: "endpoint-changed" });
          const entry = entryOf(namespaceId, "endpoint-deleted", { by, endpoint: before.endpoint, rotated: false });
          if (!(await write(namespaceId, { id, after: null, entry }))) return err({ kind: "busy" });
          byNamespace.get(namespaceId)?.delete(id);
          return ok(undefined);
        }),
      ),
    serving: ({ namespaceId, taskQueue }) =>
      isServerTaskQueue(taskQueue)
        ? []
        : sorted([...(byNamespace.get(namespaceId)?.values() ?? [])].filter((held) => isServing(held, taskQueue))),
    onChange: (told) => void watchers.push(told),
  };
}

type Told = { readonly by: string; readonly endpoint: Endpoint; readonly rotated: boolean };

export const notHttps = "`url`: expected https, as `push.allowPrivate` does not name the host";

const isServing = ({ endpoint, glob }: Held, taskQueue: string): boolean => endpoint.enabled && glob?.fits(taskQueue) === true;

const sorted = (endpoints: Iterable<Held> = []): readonly Held[] => [...endpoints].sort((a, b) => (a.endpoint.id < b.endpoint.id ? -1 : 1));

/** Of a document that this file wrote. */
const bodyOf = (body: Uint8Array): Endpoint => JSON.parse(Buffer.from(body).toString()) as Endpoint;
