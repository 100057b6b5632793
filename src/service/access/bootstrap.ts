import { randomBytes } from "node:crypto";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { err, type Result } from "../../base/result.ts";
import type { DurationMs } from "../../base/time.ts";
import type { KeyRefusal, Keys, Manager, NewKey } from "./keys.ts";
import type { Lockout } from "./lockout.ts";
import { hashOf, sameHash } from "./secret.ts";
import { openSession } from "./session.ts";

export type BootstrapRefusal =
  /** There is an administrator, or no token. */
  | { readonly kind: "not-bootstrapping" | "bad-bootstrap-token" }
  | { readonly kind: "locked-out"; readonly retryAfter: DurationMs }
  | KeyRefusal;

/** How a server that nobody can administer yet gets its first key. */
export type Bootstrap = {
  /** The file with the token, null when there is none to use. */
  readonly file: string | null;
  /** The first key, of an administrator, for whoever knows the token. It works once. Wrong tokens are held against `address`. */
  firstKey(request: { readonly token: string; readonly name: string; readonly address: string }): Promise<Result<NewKey, BootstrapRefusal>>;
  /** Removes the file. */
  stop(): void;
};

/**
 * While no key of an administrator holds, whoever can read the server's files may make one: the token is in a file that only the server's
 * user reads, or is given by the configuration. `file` null writes none.
 */
export function createBootstrap(deps: {
  readonly keys: Pick<Keys, "createFirst" | "hasAdmin">;
  readonly lockout: Lockout;
  readonly token: string | null;
  readonly file: string | null;
}): Bootstrap {
  const { keys, lockout } = deps;
  let expected: Buffer | null = null;
  let file: string | null = null;
  const remove = (): void => {
    if (file !== null) rmSync(file, { force: true });
    file = null;
  };

  // One that a server left when it was killed opens nothing.
  if (deps.file !== null) rmSync(deps.file, { force: true });
  if (!keys.hasAdmin() && deps.token !== null) expected = hashOf(deps.token.trim());
  else if (!keys.hasAdmin() && deps.file !== null) {
    const token = randomBytes(32).toString("base64url");
    expected = hashOf(token);
    file = deps.file;
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: "wx" });
    chmodSync(file, 0o600);
  }

  return {
    get file() {
      return file;
    },
    firstKey: async ({ token, name, address }) => {
      if (expected === null || keys.hasAdmin()) return err({ kind: "not-bootstrapping" });
      const retryAfter = lockout.retryAfter(address);
      if (retryAfter > 0) return err({ kind: "locked-out", retryAfter });
      if (!sameHash(hashOf(token.trim()), expected)) {
        lockout.failed(address);
        return err({ kind: "bad-bootstrap-token" });
      }
      const grants = [{ namespaces: ["*"], roles: ["admin"] }];
      const wanted = { name, principal: name, kind: "human", grants, taskQueues: null, expiresAt: null } as const;
      const created = await keys.createFirst(bootstrapper, wanted);
      if (created.ok) {
        expected = null;
        remove();
      }
      return created;
    },
    stop: remove,
  };
}

/** Whoever has the server's files could do as they like anyway. */
const bootstrapper: Manager = { id: "bootstrap", authority: openSession.authority };
