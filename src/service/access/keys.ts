import type { Authority } from "../../access/authority.ts";
import { isPermission, type Permission } from "../../access/permission.ts";
import type { Grant } from "../../access/principal.ts";
import { builtInRoleNames, builtInRoles, isBuiltInRole } from "../../access/role.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, dayMs, type EpochMs } from "../../base/time.ts";
import type { Clock } from "../clock.ts";
import type { AccessChange, ApiKey, Directory } from "./directory.ts";
import { newKey } from "./secret.ts";

/** Who manages keys and roles, and how far their own rights go. */
export type Manager = { readonly id: string; readonly authority: Authority };

export type WantedKey = Pick<ApiKey, "name" | "principal" | "kind" | "grants" | "taskQueues" | "expiresAt">;

export const keyStatuses = ["active", "expired", "revoked"] as const;
export type KeyStatus = (typeof keyStatuses)[number];

/** A key as it is now. */
export type KnownKey = ApiKey & {
  readonly status: KeyStatus;
  /** To the minute; null for never. */
  readonly lastUsedAt: EpochMs | null;
};

/** A key and its text, which is shown this once and kept nowhere. */
export type NewKey = { readonly key: KnownKey; readonly text: string };

export type KnownRole = {
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly origin: "built-in" | "configuration" | "api";
  /** Null for what nobody changes over the API. */
  readonly updated: { readonly at: EpochMs; readonly by: string } | null;
};

export type KeyRefusal =
  | { readonly kind: "no-such-key" | "key-ended" | "key-rotated" | "too-many-keys" | "busy" }
  | { readonly kind: "no-such-role" | "role-is-built-in" | "role-of-configuration" | "too-many-roles" }
  | { readonly kind: "bad-key" | "bad-role"; readonly message: string }
  /** More than whoever asks has themselves. */
  | { readonly kind: "exceeds-own-rights"; readonly what: string };
type Answer<T> = Promise<Result<T, KeyRefusal>>;

export type Keys = {
  /**
   * At most `keysMax` (10,000) that have not ended. Whoever asks needs `keys.write` wherever the key is to hold, and everything that it is to
   * allow; so do those who revoke and rotate. What they may not know of does not exist for them.
   */
  create(by: Manager, wanted: WantedKey): Answer<NewKey>;
  /** The same, while no administrator has a key that holds. */
  createFirst(by: Manager, wanted: WantedKey): Promise<Result<NewKey, KeyRefusal | { readonly kind: "not-bootstrapping" }>>;
  /** Whether a key holds that may do everything everywhere. */
  hasAdmin(): boolean;
  /** Those that hold only where whoever asks has `keys.read`, the oldest first. */
  list(by: Manager): readonly KnownKey[];
  get(by: Manager, id: string): Result<KnownKey, KeyRefusal>;
  /** At once. Revoking twice changes nothing. */
  revoke(by: Manager, id: string): Answer<KnownKey>;
  /**
   * A new key with the same rights, which lasts as long as the old one was meant to. The old one holds for `overlap` more, at most `overlapMax`
   * (30 days), so that its users can change over one by one. A key is rotated once: after that, the new one is.
   */
  rotate(by: Manager, id: string, overlap: DurationMs): Answer<NewKey>;
  /** By origin: those of every server, of the configuration, of the API. */
  roles(): readonly KnownRole[];
  /** A role of the API. Whoever asks needs what it allows in every namespace, since it may be given in any. */
  saveRole(by: Manager, role: { readonly name: string; readonly permissions: readonly string[] }): Answer<KnownRole>;
  /** Whoever has it is left without what it allowed. */
  deleteRole(by: Manager, name: string): Answer<void>;
};

export const keysMax = 10_000;
export const overlapMax: DurationMs = 30 * dayMs;
const rolesMax = 100;
const grantsMax = 50;
const namesMax = 500;
const namePattern = /^[\p{L}\p{N}][\p{L}\p{N} ._:@/+-]{0,127}$/u;
const rolePattern = /^[a-z][a-z0-9-]{0,62}$/;
const patternPattern = /^(?:[^*\s\p{C}]{1,255}|[^*\s\p{C}]{0,255}\*)$/u;

const statusOf = ({ revokedAt, expiresAt }: ApiKey, now: EpochMs): KeyStatus =>
  revokedAt !== null ? "revoked" : expiresAt !== null && expiresAt <= now ? "expired" : "active";

export const hasEnded = (key: ApiKey, now: EpochMs): boolean => statusOf(key, now) !== "active";

export function createKeys({ directory, clock }: { readonly directory: Directory; readonly clock: Pick<Clock, "now"> }): Keys {
  const known = (key: ApiKey): KnownKey => ({ ...key, status: statusOf(key, clock.now()), lastUsedAt: directory.lastUsed(key.id) });

  const maySee = ({ authority }: Manager, { grants }: ApiKey): boolean =>
    authority.allowsWithin(
      "keys.read",
      grants.flatMap(({ namespaces }) => namespaces),
    );

  /** What is not theirs to give is not theirs to take either. */
  function beyond({ authority }: Manager, given: Pick<ApiKey, "grants" | "taskQueues">): string | null {
    const foreign = given.grants.flatMap(({ namespaces }) => namespaces).find((one) => !authority.allowsWithin("keys.write", [one]));
    return foreign === undefined ? authority.exceeds(given) : `keys.write in ${foreign}`;
  }

  function find(by: Manager, id: string): Result<ApiKey, KeyRefusal> {
    const key = directory.key(id);
    return key === null || !maySee(by, key) ? err({ kind: "no-such-key" }) : ok(key);
  }

  function findOwn(by: Manager, id: string): Result<ApiKey, KeyRefusal> {
    const found = find(by, id);
    const what = found.ok ? beyond(by, found.value) : null;
    return what === null ? found : err({ kind: "exceeds-own-rights", what });
  }

  function problemOf(wanted: WantedKey, by: Manager): KeyRefusal | null {
    const message = problemIn(wanted, clock.now()) ?? unknownRole(wanted.grants);
    if (message !== null) return { kind: "bad-key", message };
    const what = beyond(by, wanted);
    return what === null ? null : { kind: "exceeds-own-rights", what };
  }

  function unknownRole(grants: readonly Grant[]): string | null {
    const unknown = grants.flatMap(({ roles }) => roles).find((role) => directory.permissionsOf(role) === null);
    return unknown === undefined ? null : `there is no role \`${unknown}\``;
  }

  const holding = (): readonly ApiKey[] => directory.keys().filter((key) => !hasEnded(key, clock.now()));
  const hasAdmin = (): boolean =>
    holding().some(({ grants }) => grants.some(({ namespaces, roles }) => namespaces.includes("*") && roles.includes("admin")));

  async function createUnless<R extends object>(
    refused: () => R | null,
    by: Manager,
    wanted: WantedKey,
  ): Promise<Result<NewKey, KeyRefusal | R>> {
    const { id, text, hash } = newKey();
    const { name, principal, kind, grants, taskQueues, expiresAt } = wanted;
    const key: ApiKey = {
      ...{ id, name, principal, kind, grants, taskQueues, expiresAt },
      hash: hash.toString("hex"),
      createdAt: clock.now(),
      createdBy: by.id,
      revokedAt: null,
      revokedBy: null,
      rotatedFrom: null,
    };
    const created = await directory.change<KeyRefusal | R>(() => {
      const problem = refused() ?? problemOf(wanted, by);
      if (problem !== null) return err(problem);
      if (holding().length >= keysMax) return err({ kind: "too-many-keys" });
      return ok(changeOf({ act: "key-created", by: by.id, keys: [key], details: describe(key) }));
    });
    return created.ok ? ok({ key: known(key), text }) : err(refusalOf(created.error));
  }

  const origins = {
    builtIn: (name: (typeof builtInRoleNames)[number]): KnownRole => ({
      name,
      permissions: builtInRoles[name],
      origin: "built-in",
      updated: null,
    }),
    configured: ([name, permissions]: readonly [string, readonly Permission[]]): KnownRole => ({
      name,
      permissions,
      origin: "configuration",
      updated: null,
    }),
  };
  const isConfigured = (name: string): boolean => Object.hasOwn(directory.configured, name);
  const ownRoles = (): readonly KnownRole[] =>
    directory
      .roles()
      // A role of the configuration stands before one that was called the same.
      .filter(({ name }) => !isConfigured(name))
      .map(({ name, permissions, updatedAt, updatedBy }) => ({
        name,
        permissions,
        origin: "api",
        updated: { at: updatedAt, by: updatedBy },
      }));
  const fixedRole = (name: string): KeyRefusal | null =>
    isBuiltInRole(name) ? { kind: "role-is-built-in" } : isConfigured(name) ? { kind: "role-of-configuration" } : null;

  return {
    create: (by, wanted) => createUnless<never>(() => null, by, wanted),
    createFirst: (by, wanted) => createUnless(() => (hasAdmin() ? ({ kind: "not-bootstrapping" } as const) : null), by, wanted),
    hasAdmin,
    list: (by) =>
      directory
        .keys()
        .filter((key) => maySee(by, key))
        .map(known),
    get: (by, id) => {
      const found = find(by, id);
      return found.ok ? ok(known(found.value)) : found;
    },

    revoke: async (by, id) => {
      const before = findOwn(by, id);
      if (!before.ok) return before;
      if (before.value.revokedAt !== null) return ok(known(before.value));
      const revokedAt = clock.now();
      let revoked: ApiKey = before.value;
      const changed = await directory.change<KeyRefusal>(() => {
        const found = findOwn(by, id);
        if (!found.ok) return found;
        revoked = { ...found.value, revokedAt, revokedBy: by.id };
        return ok(changeOf({ act: "key-revoked", by: by.id, keys: [revoked], details: { key: id } }));
      });
      return changed.ok ? ok(known(revoked)) : err(refusalOf(changed.error));
    },

    rotate: async (by, id, overlap) => {
      const { id: newId, text, hash } = newKey();
      const found = findOwn(by, id);
      if (!found.ok) return found;
      let made: ApiKey = found.value;
      const changed = await directory.change<KeyRefusal>(() => {
        const again = findOwn(by, id);
        if (!again.ok) return again;
        const old = again.value;
        const now = clock.now();
        // Its time is over soon: a key that is made of it would not know how long it was meant to last.
        if (directory.keys().some(({ rotatedFrom }) => rotatedFrom === id)) return err({ kind: "key-rotated" });
        if (hasEnded(old, now)) return err({ kind: "key-ended" });
        const until = now + overlap;
        const ending = { ...old, expiresAt: old.expiresAt === null ? until : Math.min(old.expiresAt, until) };
        const expiresAt = old.expiresAt === null ? null : now + (old.expiresAt - old.createdAt);
        made = { ...old, id: newId, hash: hash.toString("hex"), createdAt: now, createdBy: by.id, expiresAt, rotatedFrom: id };
        const details = { key: newId, rotated_from: id, old_expires_at: new Date(ending.expiresAt).toISOString() };
        return ok(changeOf({ act: "key-rotated", by: by.id, keys: [ending, made], details }));
      });
      return changed.ok ? ok({ key: known(made), text }) : err(refusalOf(changed.error));
    },

    roles: () => [...builtInRoleNames.map(origins.builtIn), ...Object.entries(directory.configured).map(origins.configured), ...ownRoles()],

    saveRole: async (by, { name, permissions }) => {
      const wanted = [...new Set(permissions.filter(isPermission))];
      const changed = await directory.change<KeyRefusal>(() => {
        const problem = fixedRole(name) ?? roleProblem(name, permissions);
        if (problem !== null) return err(problem);
        const what = wanted.find((permission) => !by.authority.allowsEverywhere(permission));
        if (what !== undefined) return err({ kind: "exceeds-own-rights", what: `${what} in *` });
        const isNew = !directory.roles().some((role) => role.name === name);
        if (isNew && directory.roles().length >= rolesMax) return err({ kind: "too-many-roles" });
        const details = { role: name, permissions: wanted };
        return ok(changeOf({ act: "role-saved", by: by.id, role: { name, permissions: wanted }, details }));
      });
      if (!changed.ok) return err(refusalOf(changed.error));
      // Somebody may have deleted it since.
      const saved: KnownRole = { name, permissions: wanted, origin: "api", updated: { at: clock.now(), by: by.id } };
      return ok(ownRoles().find((role) => role.name === name) ?? saved);
    },

    deleteRole: async (by, name) => {
      const changed = await directory.change<KeyRefusal>(() => {
        const fixed = fixedRole(name);
        if (fixed !== null) return err(fixed);
        if (!directory.roles().some((role) => role.name === name)) return err({ kind: "no-such-role" });
        return ok(changeOf({ act: "role-deleted", by: by.id, role: { name, permissions: null }, details: { role: name } }));
      });
      return changed.ok ? changed : err(refusalOf(changed.error));
    },
  };
}

const changeOf = (change: Pick<AccessChange, "act" | "by" | "details"> & Partial<AccessChange>): AccessChange => ({
  keys: [],
  role: null,
  ...change,
});

const refusalOf = <R extends object>(refusal: R | "busy"): R | KeyRefusal => (refusal === "busy" ? { kind: "busy" } : refusal);

function problemIn({ name, principal, grants, taskQueues, expiresAt }: WantedKey, now: EpochMs): string | null {
  if (!namePattern.test(name)) return "`name` is 1 to 128 letters, digits, blanks and `._:@/+-`, and begins with a letter or digit";
  if (!namePattern.test(principal))
    return "`principal` is 1 to 128 letters, digits, blanks and `._:@/+-`, and begins with a letter or digit";
  if (grants.length === 0 || grants.length > grantsMax) return `a key has 1 to ${grantsMax} grants`;
  if (grants.flatMap(({ namespaces, roles }) => [...namespaces, ...roles]).length + (taskQueues?.length ?? 0) > namesMax)
    return `a key names at most ${namesMax} namespaces, roles and task queues`;
  if (grants.some(({ namespaces, roles }) => namespaces.length === 0 || roles.length === 0)) return "a grant has namespaces and roles";
  const patterns = [...grants.flatMap(({ namespaces }) => namespaces), ...(taskQueues ?? [])];
  const wrong = patterns.find((pattern) => !patternPattern.test(pattern));
  if (wrong !== undefined) return `\`${wrong}\` is no name, and no beginning followed by \`*\``;
  if (taskQueues?.length === 0) return "`task_queues` names one at least; without it, all are allowed";
  return expiresAt !== null && expiresAt <= now ? "a key expires in the future" : null;
}

function roleProblem(name: string, permissions: readonly string[]): KeyRefusal | null {
  if (!rolePattern.test(name)) return { kind: "bad-role", message: "a role is called by 1 to 63 small letters, digits and `-`" };
  if (permissions.length === 0) return { kind: "bad-role", message: "a role allows something" };
  const unknown = permissions.find((permission) => !isPermission(permission));
  return unknown === undefined ? null : { kind: "bad-role", message: `there is no permission \`${unknown}\`` };
}

/** What the ledger says of a new key. */
const describe = ({ id, name, principal, kind, grants, taskQueues, expiresAt }: ApiKey): { readonly [name: string]: unknown } => ({
  key: id,
  name,
  principal,
  principal_kind: kind,
  grants,
  ...(taskQueues === null ? {} : { task_queues: taskQueues }),
  ...(expiresAt === null ? {} : { expires_at: new Date(expiresAt).toISOString() }),
});
