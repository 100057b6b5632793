import type { Permission } from "../../access/permission.ts";
import type { Grant } from "../../access/principal.ts";
import { builtInRoles, isBuiltInRole, type PermissionsOfRole } from "../../access/role.ts";
import { canonicalBytes } from "../../base/canonical-json.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { EpochMs } from "../../base/time.ts";
import type { LedgerEntry } from "../../governance/ledger/ledger.ts";
import type { DocumentWrite, Store } from "../../store/store.ts";
import type { Clock } from "../clock.ts";
import { type Committer, changeOutsideRuns } from "../committer.ts";
import { serverNamespaceId } from "../ledger/audit.ts";

/** A key as it is kept: whoever reads the database learns nothing that opens the server. */
export type ApiKey = {
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** What its owner is called in decisions and in the ledger. */
  readonly principal: string;
  readonly kind: "human" | "service";
  readonly grants: readonly Grant[];
  /** See `AccessPrincipal`. */
  readonly taskQueues: readonly string[] | null;
  /** SHA-256 of its secret, hexadecimal. */
  readonly hash: string;
  readonly createdAt: EpochMs;
  readonly createdBy: string;
  readonly expiresAt: EpochMs | null;
  readonly revokedAt: EpochMs | null;
  readonly revokedBy: string | null;
  /** The key in whose place it came. */
  readonly rotatedFrom: string | null;
};

/** A role of this server's own. */
export type CustomRole = {
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly updatedAt: EpochMs;
  readonly updatedBy: string;
};

export type AccessAct = "key-created" | "key-revoked" | "key-rotated" | "role-saved" | "role-deleted";

/** What one change writes. Keys are never deleted: the ledger names them. */
export type AccessChange = {
  readonly act: AccessAct;
  readonly by: string;
  readonly keys: readonly ApiKey[];
  /** Null permissions delete it. */
  readonly role: { readonly name: string; readonly permissions: readonly Permission[] | null } | null;
  /** For the ledger, without secrets. */
  readonly details: { readonly [name: string]: unknown };
};

/** Keys and roles, all of them in memory, so that no request waits for the store to know who asks. */
export type Directory = {
  key(id: string): ApiKey | null;
  /** By creation, the oldest first. */
  keys(): readonly ApiKey[];
  roles(): readonly CustomRole[];
  /** Roles of the configuration, by name. */
  readonly configured: { readonly [name: string]: readonly Permission[] };
  readonly permissionsOf: PermissionsOfRole;
  /**
   * Writes what `decide` makes of what is there, with its ledger entry, in one commit. It is asked again when another server has written
   * meanwhile.
   */
  change<R>(decide: () => Result<AccessChange, R>): Promise<Result<void, R | "busy">>;
  /** Notes that keys have been used just now. When that was is for people, so that nobody waits for it, and of two servers either's time will do. */
  used(keyIds: readonly string[]): Promise<void>;
  /** When a key was last used, to the minute; null for never. */
  lastUsed(keyId: string): EpochMs | null;
  /** Reads again if another server has written. */
  refresh(): Promise<void>;
  /** Called after each change, of this server or another. */
  onChange(listener: () => void): void;
};

const kinds = { key: "api-key", use: "api-key-use", role: "access-role", version: "access" } as const;
const versionId = "version";
const pageMax = 500;
const attemptsMax = 20;
const usesPerCommit = 500;

/** Loads what is stored. */
export async function openDirectory(deps: {
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly configured: Directory["configured"];
}): Promise<Directory> {
  const { store, committer, clock, configured } = deps;
  const keys = new Map<string, { readonly key: ApiKey; readonly version: number }>();
  const roles = new Map<string, { readonly role: CustomRole; readonly version: number }>();
  const uses = new Map<string, { readonly at: EpochMs; readonly version: number }>();
  const listeners: (() => void)[] = [];
  let version = 0;

  async function readAll<T>(kind: string, each: (value: T, version: number, id: string) => void): Promise<void> {
    for (let after = ""; ; ) {
      const page = await store.listDocuments(kind, after, pageMax);
      for (const { id, body, version: of } of page) each(JSON.parse(Buffer.from(body).toString()) as T, of, id);
      const last = page.at(-1);
      if (last === undefined || page.length < pageMax) return;
      after = last.id;
    }
  }

  async function load(): Promise<void> {
    // Read first: whatever is written after it is found by the next refresh.
    version = (await store.readDocument(kinds.version, versionId))?.version ?? 0;
    await readAll<ApiKey>(kinds.key, (key, of) => keys.set(key.id, { key, version: of }));
    await readAll<EpochMs>(kinds.use, (at, of, id) => uses.set(id, { at, version: of }));
    const found: typeof roles = new Map();
    await readAll<CustomRole>(kinds.role, (role, of) => found.set(role.name, { role, version: of }));
    // At once: whoever asks meanwhile has the roles of before.
    roles.clear();
    for (const [name, role] of found) roles.set(name, role);
  }

  function applied(
    { keys: written, role, by }: AccessChange,
    at: EpochMs,
  ): { readonly writes: readonly DocumentWrite[]; readonly apply: () => void } {
    const writes: DocumentWrite[] = [{ kind: kinds.version, id: versionId, expectedVersion: version, body: Buffer.from("{}") }];
    const effects: (() => void)[] = [() => void version++];
    for (const key of written) {
      const before = keys.get(key.id)?.version ?? 0;
      writes.push({ kind: kinds.key, id: key.id, expectedVersion: before, body: Buffer.from(JSON.stringify(key)) });
      effects.push(() => void keys.set(key.id, { key, version: before + 1 }));
    }
    if (role !== null) {
      const { name, permissions } = role;
      const before = roles.get(name)?.version ?? 0;
      const saved: CustomRole | null = permissions === null ? null : { name, permissions, updatedAt: at, updatedBy: by };
      writes.push({
        kind: kinds.role,
        id: name,
        expectedVersion: before,
        body: saved === null ? null : Buffer.from(JSON.stringify(saved)),
      });
      effects.push(() => void (saved === null ? roles.delete(name) : roles.set(name, { role: saved, version: before + 1 })));
    }
    const apply = (): void => {
      for (const effect of effects) effect();
    };
    return { writes, apply };
  }

  const tell = (): void => {
    for (const listener of listeners) listener();
  };

  /** One after the other: each is decided on what the one before has left, and nothing that was read before a change is taken up after it. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  async function changeNow<R>(decide: () => Result<AccessChange, R>): Promise<Result<void, R | "busy">> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const decided = decide();
      if (!decided.ok) return decided;
      const at = clock.now();
      const { writes, apply } = applied(decided.value, at);
      const change = changeOutsideRuns({ putDocuments: writes, ledger: [entryOf(decided.value, at)] });
      if ((await committer.commit(change)) === "committed") {
        apply();
        tell();
        return ok(undefined);
      }
      await load();
      tell();
    }
    return err("busy");
  }

  await load();
  return {
    key: (id) => keys.get(id)?.key ?? null,
    keys: () => [...keys.values()].map(({ key }) => key).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)),
    roles: () => [...roles.values()].map(({ role }) => role).sort((a, b) => (a.name < b.name ? -1 : 1)),
    permissionsOf: (name) => {
      if (isBuiltInRole(name)) return builtInRoles[name];
      return Object.hasOwn(configured, name) ? (configured[name] ?? null) : (roles.get(name)?.role.permissions ?? null);
    },
    configured,
    change: (decide) => inTurn(() => changeNow(decide)),
    used: (keyIds) =>
      inTurn(async () => {
        const at = clock.now();
        for (let from = 0; from < keyIds.length; from += usesPerCommit) {
          const ids = keyIds.slice(from, from + usesPerCommit);
          const body = Buffer.from(JSON.stringify(at));
          const writes = ids.map((id) => ({ kind: kinds.use, id, expectedVersion: uses.get(id)?.version ?? 0, body }));
          if ((await committer.commit(changeOutsideRuns({ putDocuments: writes, ledger: [] }))) === "conflict") {
            await load();
            return tell();
          }
          for (const id of ids) uses.set(id, { at, version: (uses.get(id)?.version ?? 0) + 1 });
        }
      }),
    lastUsed: (keyId) => uses.get(keyId)?.at ?? null,
    refresh: () =>
      inTurn(async () => {
        if (((await store.readDocument(kinds.version, versionId))?.version ?? 0) === version) return;
        await load();
        tell();
      }),
    onChange: (listener) => void listeners.push(listener),
  };
}

const entryOf = ({ act, by, details }: AccessChange, at: EpochMs): LedgerEntry => ({
  namespaceId: serverNamespaceId,
  at,
  kind: "administration",
  runId: null,
  body: canonicalBytes({ act, by, ...details }),
});
