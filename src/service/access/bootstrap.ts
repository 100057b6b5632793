import { randomBytes } from "node:crypto";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { err, ok, type Result } from "../../base/result.ts";
import type { Clock } from "../clock.ts";
import type { Directory } from "./directory.ts";
import { hasEnded, type KeyRefusal, type Keys, type Manager, type NewKey } from "./keys.ts";
import { hashOf, sameHash } from "./secret.ts";
import { openSession } from "./session.ts";

export type BootstrapRefusal = { readonly kind: "not-bootstrapping" | "bad-bootstrap-token" } | KeyRefusal;

/** How a server that nobody can administer yet gets its first key. */
export type Bootstrap = {
  /** The file with the token, null when there is none to use. */
  readonly file: string | null;
  /** The first key, of an administrator, for whoever knows the token. It works once. */
  firstKey(token: string, name: string): Promise<Result<NewKey, BootstrapRefusal>>;
  /** Removes the file. */
  stop(): void;
};

/**
 * While no key of an administrator holds, whoever can read the server's files may make one: the token is in a file that only the server's
 * user reads, or is given by the configuration. `file` null writes none.
 */
export function createBootstrap(deps: {
  readonly directory: Directory;
  readonly keys: Pick<Keys, "create">;
  readonly clock: Pick<Clock, "now">;
  readonly token: string | null;
  readonly file: string | null;
}): Bootstrap {
  const { directory, keys, clock } = deps;

  const hasAdmin = (): boolean =>
    directory
      .keys()
      .some(
        (key) =>
          !hasEnded(key, clock.now()) && key.grants.some(({ namespaces, roles }) => namespaces.includes("*") && roles.includes("admin")),
      );

  let expected: Buffer | null = null;
  let file: string | null = null;
  const remove = (): void => {
    if (file !== null) rmSync(file, { force: true });
    file = null;
  };

  if (!hasAdmin()) {
    const token = deps.token ?? (deps.file === null ? null : randomBytes(32).toString("base64url"));
    expected = token === null ? null : hashOf(token);
    if (deps.token === null && deps.file !== null && token !== null) {
      rmSync(deps.file, { force: true });
      writeFileSync(deps.file, `${token}\n`, { mode: 0o600, flag: "wx" });
      chmodSync(deps.file, 0o600);
      file = deps.file;
    }
  }

  let underWay = false;
  return {
    get file() {
      return file;
    },
    firstKey: async (token, name) => {
      if (expected === null || underWay || hasAdmin()) return err({ kind: "not-bootstrapping" });
      if (!sameHash(hashOf(token), expected)) return err({ kind: "bad-bootstrap-token" });
      underWay = true;
      const grants = [{ namespaces: ["*"], roles: ["admin"] }];
      const wanted = { name, principal: name, kind: "human", grants, taskQueues: null, expiresAt: null } as const;
      const created = await keys.create(bootstrapper, wanted).finally(() => {
        underWay = false;
      });
      if (!created.ok) return created;
      expected = null;
      remove();
      return ok(created.value);
    },
    stop: remove,
  };
}

/** Whoever has the server's files could do as they like anyway. */
const bootstrapper: Manager = { id: "bootstrap", authority: openSession.authority };
