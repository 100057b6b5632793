import type { Authority } from "../../access/authority.ts";
import { isPermission } from "../../access/permission.ts";
import type { Grant } from "../../access/principal.ts";
import { isBuiltInRole } from "../../access/role.ts";
import { err, ok, type Result } from "../../base/result.ts";
import type { DurationMs, EpochMs } from "../../base/time.ts";
import type { Clock } from "../clock.ts";
import type { ApiKey, CustomRole, Directory } from "./directory.ts";
import { newKey } from "./secret.ts";

/** Who manages keys and roles, and how far their own rights go. */
export type Manager = { readonly id: string; readonly authority: Authority };

export type WantedKey = Pick<ApiKey, "name" | "principal" | "kind" | "grants" | "taskQueues" | "expiresAt">;

export type KeyRefusal =
  | { readonly kind: "no-such-key" | "key-ended" | "too-many-keys" | "busy" | "no-such-role" | "role-is-built-in" | "too-many-roles" }
  | { readonly kind: "bad-key" | "bad-role"; readonly message: string }
  /** More than whoever asks has themselves. */
  | { readonly kind: "exceeds-own-rights"; readonly what: string };
type Answer<T> = Promise<Result<T, KeyRefusal>>;

/** A key and its text, which is shown this once and kept nowhere. */
export type NewKey = { readonly key: ApiKey; readonly text: string };

export type Keys = {
  /** At most `keysMax` (10,000) that have not ended. */
  create(by: Manager, wanted: WantedKey): Answer<NewKey>;
  /** Those whose rights whoever asks has as well, the oldest first. */
  list(by: Manager): readonly ApiKey[];
  get(by: Manager, id: string): Result<ApiKey, KeyRefusal>;
  /** At once. Revoking twice changes nothing. */
  revoke(by: Manager, id: string): Answer<ApiKey>;
  /** A new key with the same rights. The old one holds for `overlap` more, so that its users can change over one by one. */
  rotate(by: Manager, id: string, overlap: DurationMs): Answer<NewKey>;
  roles(): readonly CustomRole[];
  saveRole(by: Manager, role: { readonly name: string; readonly permissions: readonly string[] }): Answer<CustomRole>;
  /** Whoever has it is left without what it allowed. */
  deleteRole(by: Manager, name: string): Answer<void>;
};

export const keysMax = 10_000;
const rolesMax = 100;
const grantsMax = 50;
const namePattern = /^[\p{L}\p{N}][\p{L}\p{N} ._:@/+-]{0,127}$/u;
const rolePattern = /^[a-z][a-z0-9-]{0,62}$/;
const patternPattern = /^(?:[^*\s]{1,255}|[^*\s]{0,255}\*)$/;

export const hasEnded = ({ revokedAt, expiresAt }: ApiKey, now: EpochMs): boolean =>
  revokedAt !== null || (expiresAt !== null && expiresAt <= now);

export function createKeys({ directory, clock }: { readonly directory: Directory; readonly clock: Pick<Clock, "now"> }): Keys {
  const find = ({ authority }: Manager, id: string): Result<ApiKey, KeyRefusal> => {
    const key = directory.key(id);
    return key === null || authority.exceeds(key) !== null ? err({ kind: "no-such-key" }) : ok(key);
  };

  function problemOf(wanted: WantedKey, by: Manager): KeyRefusal | null {
    const message = problemIn(wanted, clock.now()) ?? unknownRole(wanted.grants);
    if (message !== null) return { kind: "bad-key", message };
    const what = by.authority.exceeds(wanted);
    return what === null ? null : { kind: "exceeds-own-rights", what };
  }

  function unknownRole(grants: readonly Grant[]): string | null {
    const unknown = grants.flatMap(({ roles }) => roles).find((role) => directory.permissionsOf(role) === null);
    return unknown === undefined ? null : `there is no role \`${unknown}\``;
  }

  return {
    create: async (by, wanted) => {
      const { id, text, hash } = newKey();
      const key: ApiKey = {
        ...wanted,
        id,
        hash: hash.toString("hex"),
        createdAt: clock.now(),
        createdBy: by.id,
        revokedAt: null,
        revokedBy: null,
        rotatedFrom: null,
      };
      const created = await directory.change<KeyRefusal>(() => {
        const problem = problemOf(wanted, by);
        if (problem !== null) return err(problem);
        if (directory.keys().filter((known) => !hasEnded(known, clock.now())).length >= keysMax) return err({ kind: "too-many-keys" });
        return ok({ act: "key-created", by: by.id, keys: [key], role: null, details: describe(key) });
      });
      return created.ok ? ok({ key, text }) : err(refusalOf(created.error));
    },

    list: (by) => directory.keys().filter((key) => by.authority.exceeds(key) === null),
    get: find,

    revoke: async (by, id) => {
      let revoked: ApiKey | null = null;
      const changed = await directory.change<KeyRefusal>(() => {
        const found = find(by, id);
        if (!found.ok) return found;
        revoked = found.value.revokedAt === null ? { ...found.value, revokedAt: clock.now(), revokedBy: by.id } : found.value;
        return ok({ act: "key-revoked", by: by.id, keys: [revoked], role: null, details: { key: id } });
      });
      if (!changed.ok) return err(refusalOf(changed.error));
      return revoked === null ? err({ kind: "no-such-key" }) : ok(revoked);
    },

    rotate: async (by, id, overlap) => {
      const { id: newId, text, hash } = newKey();
      let made: ApiKey | null = null;
      const changed = await directory.change<KeyRefusal>(() => {
        const found = find(by, id);
        if (!found.ok) return found;
        const old = found.value;
        const now = clock.now();
        if (hasEnded(old, now)) return err({ kind: "key-ended" });
        const until = now + overlap;
        const ending = { ...old, expiresAt: old.expiresAt === null ? until : Math.min(old.expiresAt, until) };
        // It lives as long as the old one was meant to.
        const expiresAt = old.expiresAt === null ? null : now + (old.expiresAt - old.createdAt);
        made = { ...old, id: newId, hash: hash.toString("hex"), createdAt: now, createdBy: by.id, expiresAt, rotatedFrom: id };
        const details = { key: newId, rotated_from: id, old_expires_at: new Date(ending.expiresAt).toISOString() };
        return ok({ act: "key-rotated", by: by.id, keys: [ending, made], role: null, details });
      });
      if (!changed.ok) return err(refusalOf(changed.error));
      return made === null ? err({ kind: "no-such-key" }) : ok({ key: made, text });
    },

    roles: directory.roles,

    saveRole: async (by, { name, permissions }) => {
      const changed = await directory.change<KeyRefusal>(() => {
        const problem = roleProblem(name, permissions);
        if (problem !== null) return err(problem);
        const known = permissions.filter(isPermission);
        // A role may be given in any namespace.
        const what = known.find((permission) => !by.authority.allowsEverywhere(permission));
        if (what !== undefined) return err({ kind: "exceeds-own-rights", what: `${what} in *` });
        if (directory.roles().length >= rolesMax && !directory.roles().some((role) => role.name === name))
          return err({ kind: "too-many-roles" });
        if (directory.permissionsOf(name) !== null && !directory.roles().some((role) => role.name === name))
          return err({ kind: "role-is-built-in" });
        return ok({
          act: "role-saved",
          by: by.id,
          keys: [],
          role: { name, permissions: known },
          details: { role: name, permissions: known },
        });
      });
      if (!changed.ok) return err(refusalOf(changed.error));
      const saved = directory.roles().find((role) => role.name === name);
      return saved === undefined ? err({ kind: "no-such-role" }) : ok(saved);
    },

    deleteRole: async (by, name) => {
      const changed = await directory.change<KeyRefusal>(() => {
        if (isBuiltInRole(name)) return err({ kind: "role-is-built-in" });
        if (!directory.roles().some((role) => role.name === name)) return err({ kind: "no-such-role" });
        return ok({ act: "role-deleted", by: by.id, keys: [], role: { name, permissions: null }, details: { role: name } });
      });
      return changed.ok ? changed : err(refusalOf(changed.error));
    },
  };
}

const refusalOf = (refusal: KeyRefusal | "busy"): KeyRefusal => (refusal === "busy" ? { kind: "busy" } : refusal);

function problemIn({ name, principal, grants, taskQueues, expiresAt }: WantedKey, now: EpochMs): string | null {
  if (!namePattern.test(name)) return "`name` is 1 to 128 letters, digits, blanks and `._:@/+-`, and begins with a letter or digit";
  if (!namePattern.test(principal))
    return "`principal` is 1 to 128 letters, digits, blanks and `._:@/+-`, and begins with a letter or digit";
  if (grants.length === 0 || grants.length > grantsMax) return `a key has 1 to ${grantsMax} grants`;
  if (grants.some(({ namespaces, roles }) => namespaces.length === 0 || roles.length === 0)) return "a grant has namespaces and roles";
  const patterns = [...grants.flatMap(({ namespaces }) => namespaces), ...(taskQueues ?? [])];
  const wrong = patterns.find((pattern) => !patternPattern.test(pattern));
  if (wrong !== undefined) return `\`${wrong}\` is no name, and no beginning followed by \`*\``;
  if (taskQueues?.length === 0) return "`task_queues` names one at least; without it, all are allowed";
  return expiresAt !== null && expiresAt <= now ? "a key expires in the future" : null;
}

function roleProblem(name: string, permissions: readonly string[]): KeyRefusal | null {
  if (isBuiltInRole(name)) return { kind: "role-is-built-in" };
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
