import { err, ok, type Result } from "../../base/result.ts";
import type { DurationMs, EpochMs } from "../../base/time.ts";
import type { DocumentWrite, Store } from "../../store/store.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import { createKeyedLock } from "../keyed-lock.ts";
import type { Namespaces } from "../namespaces.ts";
import { acquire, atTime, type Lock, type LockMode, release, renew } from "./lock.ts";

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

/**
 * Locks of resources outside of this server, for workers that must not disturb each other. Nobody waits in line: whoever is refused tries
 * again. Time is that of the server's clock, and an answer is on disk. A holder that does not renew loses its hold without a notice, so
 * what must never be done twice needs a check of its own.
 */
export type Locks = {
  get(namespace: string, resource: string): Answer<Lock>;
  /** Asked twice by one owner, it has to be released twice. At most `locksMax` (1,000) resources of a namespace are locked at once. */
  acquire(namespace: string, held: Held & { readonly mode: LockMode; readonly ttl: DurationMs }): Answer<Lock>;
  /** Null when nobody holds it any more. */
  release(namespace: string, held: Held): Answer<Lock | null>;
  renew(namespace: string, held: Held & { readonly ttl: DurationMs }): Answer<Lock>;
};

const locksMax = 1_000;
const attemptsMax = 5;
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
  const { store, committer, clock, namespaces } = deps;
  const inTurn = createKeyedLock();

  async function change<T extends Lock | null>(
    namespace: string,
    { resource, owner }: Held,
    decide: (lock: Lock | null, now: EpochMs) => Result<T, LockRefusal>,
  ): Answer<T> {
    const found = namespaces.get(namespace);
    if (!found.ok) return err("no-such-namespace");
    if (![resource, owner].every((name) => namePattern.test(name))) return err("bad-lock");
    const id = idIn(found.value.id, resource);
    // Requests of this server wait for each other, so that only those of another one are in the way.
    return inTurn.run(id, () => changeDocument(found.value.id, resource, decide));
  }

  async function changeDocument<T extends Lock | null>(
    namespaceId: string,
    resource: string,
    decide: (lock: Lock | null, now: EpochMs) => Result<T, LockRefusal>,
  ): Answer<T> {
    const id = idIn(namespaceId, resource);
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const stored = await store.readDocument(kind, id);
      const now = clock.now();
      const decided = decide(stored === null ? null : atTime(bodyOf(stored.body), now), now);
      if (!decided.ok) return decided;
      const room = stored === null ? await roomIn(namespaceId, now) : ok([]);
      if (!room.ok) return room;
      const write: DocumentWrite = {
        kind,
        id,
        expectedVersion: stored?.version ?? 0,
        body: decided.value === null ? null : Buffer.from(JSON.stringify(decided.value)),
      };
      const outcome = await committer.commit(changeOutsideRuns({ putDocuments: [...room.value, write], ledger: [] }));
      if (outcome === "committed") return decided;
    }
    return err("busy");
  }

  /** For one more lock: what was forgotten gives way when there are too many. */
  async function roomIn(namespaceId: string, now: EpochMs): Promise<Result<readonly DocumentWrite[], LockRefusal>> {
    const page = await store.listDocuments(kind, idIn(namespaceId, ""), locksMax);
    const locks = page.filter(({ id }) => id.startsWith(idIn(namespaceId, "")));
    if (locks.length < locksMax) return ok([]);
    const over = locks.filter(({ body }) => atTime(bodyOf(body), now) === null);
    if (over.length === 0) return err("too-many-locks");
    return ok(over.map(({ id, version }) => ({ kind, id, expectedVersion: version, body: null })));
  }

  return {
    get: async (namespace, resource) => {
      const found = namespaces.get(namespace);
      if (!found.ok) return err("no-such-namespace");
      if (!namePattern.test(resource)) return err("bad-lock");
      const stored = await store.readDocument(kind, idIn(found.value.id, resource));
      const lock = stored === null ? null : atTime(bodyOf(stored.body), clock.now());
      return lock === null ? err("no-such-lock") : ok(lock);
    },
    acquire: (namespace, held) => change(namespace, held, (lock, now) => acquire(lock, { ...held, now })),
    release: (namespace, held) => change(namespace, held, (lock, now) => release(lock, { ...held, now })),
    renew: (namespace, held) => change(namespace, held, (lock, now) => renew(lock, { ...held, now })),
  };
}

/** Of a document that this file wrote. */
const bodyOf = (body: Uint8Array): Lock => JSON.parse(Buffer.from(body).toString()) as Lock;
