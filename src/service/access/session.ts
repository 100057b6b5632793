import { type Authority, authorityOf } from "../../access/authority.ts";
import type { AccessPrincipal } from "../../access/principal.ts";
import type { PermissionsOfRole } from "../../access/role.ts";

/** A principal for as long as its credential holds. Calls that wait listen, and are cut off when it ends. */
export type Session = {
  /** Null where nobody has to say who they are: then everything is allowed. */
  readonly principal: AccessPrincipal | null;
  /** As the roles are now. */
  readonly authority: Authority;
  /** Whether the credential was revoked or has expired. */
  readonly ended: boolean;
  /** Calls back once when it ends, at once if it has. Returns how to stop listening. */
  onEnd(listener: () => void): () => void;
  /** Calls back whenever roles have changed: what is watched for long has to be allowed still. Returns how to stop listening. */
  onChange(listener: () => void): () => void;
};

export type OwnedSession = Session & {
  end(): void;
  /** Roles have changed. */
  refresh(): void;
};

export function createSession(principal: AccessPrincipal, permissionsOf: PermissionsOfRole): OwnedSession {
  const listeners = new Set<() => void>();
  const watchers = new Set<() => void>();
  let authority = authorityOf(principal, permissionsOf);
  let ended = false;
  return {
    principal,
    get authority() {
      return authority;
    },
    get ended() {
      return ended;
    },
    onEnd: (listener) => {
      if (ended) {
        listener();
        return () => {};
      }
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onChange: (listener) => {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
    end: () => {
      ended = true;
      for (const listener of listeners) listener();
      listeners.clear();
    },
    refresh: () => {
      authority = authorityOf(principal, permissionsOf);
      for (const watcher of watchers) watcher();
    },
  };
}

/** Of a server that asks nobody who they are. */
export const openSession: Session = {
  principal: null,
  authority: {
    allows: () => true,
    allowsEverywhere: () => true,
    allowsWithin: () => true,
    sees: () => true,
    rolesIn: () => [],
    mayPoll: () => true,
    exceeds: () => null,
  },
  ended: false,
  onEnd: () => () => {},
  onChange: () => () => {},
};
