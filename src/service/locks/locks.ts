import { err, ok, type Result } from "../../base/result.ts";
import type { DurationMs, EpochMs } from "../../base/time.ts";
import type { DocumentWrite, Store } from "../../store/store.ts";
import { changeDocument, jsonOf } from "../change-document.ts";
import type { Clock } from "../clock.ts";
import type { Committer } from "../committer.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import { type AdministrationAct, administrationEntry } from "../ledger/administration-entry.ts";
import type { Namespaces } from "../namespaces.ts";
import { acquire, atTime, type Lock, type LockMode, release, renew, takeOver } from "./lock.ts";

export type LockRefusal =
  | "no-such-namespace"
  | "no-such-lock"
  | "bad-lock"
  | "lock-unavailable"
  | "lock-not-held"
  | "lock-lost"
  | "too-many-holds"
  | "too-many-locks"
  | "busy";
type Answer<T> = Promise<Result<T, LockRefusal>>;

/** Names a lock and who holds it: 1 to 256 printable letters each. Owners are taken at their word. */
export type Held = { readonly resource: string; readonly owner: string };
/** Who ends what others hold, as they call themselves, and why: for the ledger of the namespace. */
export type Force = { readonly by: string; readonly reason: string };

/**
 * Locks of resources outside of this server, for workers that must not disturb each other. Nobody waits in line: whoever is refused tries
 * again. Time is that of the server's clock, and an answer is on disk. A holder that does not renew loses its hold without a notice, so
 * what must never be done twice needs a check of its own.
 */
export type Locks = {
  get(namespace: string, resource: string): Answer<Lock>;
  /**
   * Asked twice by one owner, it has to be released twice. At most `locksMax` (1,000) resources of a namespace are locked at once. With
   * `force`, holds of others that are in the way end.
   */
  acquire(
    namespace: string,
    held: Held & { readonly mode: LockMode; readonly ttl: DurationMs; readonly force: Force | null },
  ): Answer<Lock>;
  /** Null when nobody holds it any more. */
  release(namespace: string, held: Held): Answer<Lock | null>;
  renew(namespace: string, held: Held & { readonly ttl: DurationMs }): Answer<Lock>;
  /** Ends every hold, whoever has it. */
  free(namespace: string, resource: string, force: Force): Answer<null>;
};

const locksMax = 1_000;
/** Neither control letters nor halves of letters. */
const namePattern = /^\P{C}{1,256}$/u;

const kind = "lock";
const idIn = (namespaceId: string, resource: string): string => `${namespaceId}/${resource}`;

export function createLocks(deps: {
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly namespaces: Pick<Namespaces, "get">;
}): Locks {
  const { store, clock, namespaces } = deps;
  const inTurn = createKeyedLock();

  /** With `force`, the ledger says whose holds have ended. */
  async function change<T extends Lock | null>(
    namespace: string,
    { resource, owner }: { readonly resource: string; readonly owner?: string },
    decide: (lock: Lock | null, now: EpochMs) => Result<T, LockRefusal>,
    force: (Force & { readonly act: AdministrationAct }) | null = null,
  ): Answer<T> {
    const found = namespaces.get(namespace);
    if (!found.ok) return err("no-such-namespace");
    if (![resource, owner ?? resource].every((name) => namePattern.test(name))) return err("bad-lock");
    const namespaceId = found.value.id;
    const id = idIn(namespaceId, resource);
    // Requests of this server wait for each other, so that only those of another one are in the way.
    return inTurn.run(id, () =>
      changeDocument<Lock, T, LockRefusal>(deps, { kind, id, busy: "busy" }, async (stored) => {
        const now = clock.now();
        const before = stored === null ? null : atTime(stored, now);
        const decided = decide(before, now);
        if (!decided.ok) return decided;
        const also = stored === null ? await roomIn(namespaceId, now) : ok([]);
        if (!also.ok) return also;
        const after = decided.value;
        const ended = before?.holds.filter((hold) => !after?.holds.some((left) => left.owner === hold.owner)) ?? [];
        const said = force !== null && ended.length > 0 && { ...force, resource, owner, ended: ended.map((hold) => hold.owner) };
        const ledger = said ? [administrationEntry({ namespaceId, at: now }, said)] : [];
        return ok({ value: after, answer: after, also: also.value, ledger });
      }),
    );
  }

  /** For one more lock: what was forgotten gives way when there are too many. */
  async function roomIn(namespaceId: string, now: EpochMs): Promise<Result<readonly DocumentWrite[], LockRefusal>> {
    const page = await store.listDocuments(kind, idIn(namespaceId, ""), locksMax);
    const locks = page.filter(({ id }) => id.startsWith(idIn(namespaceId, "")));
    if (locks.length < locksMax) return ok([]);
    const over = locks.filter((document) => atTime(jsonOf<Lock>(document), now) === null);
    if (over.length === 0) return err("too-many-locks");
    return ok(over.map(({ id, version }) => ({ kind, id, expectedVersion: version, body: null })));
  }

  return {
    get: async (namespace, resource) => {
      const found = namespaces.get(namespace);
      if (!found.ok) return err("no-such-namespace");
      if (!namePattern.test(resource)) return err("bad-lock");
      const stored = await store.readDocument(kind, idIn(found.value.id, resource));
      const lock = stored === null ? null : atTime(jsonOf<Lock>(stored), clock.now());
      return lock === null ? err("no-such-lock") : ok(lock);
    },
    acquire: (namespace, { force, ...held }) =>
      force === null
        ? change(namespace, held, (lock, now) => acquire(lock, { ...held, now }))
        : change(namespace, held, (lock, now) => takeOver(lock, { ...held, now }), { ...force, act: "lock-taken-over" }),
    release: (namespace, held) => change(namespace, held, (lock, now) => release(lock, { ...held, now })),
    renew: (namespace, held) => change(namespace, held, (lock, now) => renew(lock, { ...held, now })),
    free: (namespace, resource, force) =>
      change(namespace, { resource }, (lock) => (lock === null ? err("lock-not-held") : ok(null)), { ...force, act: "lock-freed" }),
  };
}
