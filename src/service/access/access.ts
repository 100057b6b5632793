import type { CertificateMapping, ClientCertificate } from "../../access/certificate.ts";
import type { Permission } from "../../access/permission.ts";
import type { CredentialKind } from "../../access/principal.ts";
import type { TokenIssuer } from "../../access/token-issuer.ts";
import type { Store } from "../../store/store.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Clock } from "../clock.ts";
import type { Committer } from "../committer.ts";
import type { Namespaces } from "../namespaces.ts";
import type { Runs } from "../runs.ts";
import type { TaskTokens } from "../workers/task-token.ts";
import { type Authenticator, createAuthenticator } from "./authenticator.ts";
import { type Bootstrap, createBootstrap } from "./bootstrap.ts";
import { principalOfCertificate } from "./certificate-mapper.ts";
import { openDirectory } from "./directory.ts";
import { createKeys, type Keys } from "./keys.ts";
import { createLockout } from "./lockout.ts";
import { createTokenVerifier } from "./token-verifier.ts";

export type AccessOptions = {
  /** Whether callers without credentials are refused. */
  readonly required: boolean;
  /** Roles of the configuration, which nobody changes over the API. */
  readonly roles: { readonly [name: string]: readonly Permission[] };
  readonly issuers: readonly TokenIssuer[];
  readonly certificates: readonly CertificateMapping[];
  /** With which the first key of an administrator can be made; null: one is written to the file. */
  readonly bootstrapToken: string | null;
  /** Null writes none. */
  readonly bootstrapFile: string | null;
};

export const openAccess: AccessOptions = {
  required: false,
  roles: {},
  issuers: [],
  certificates: [],
  bootstrapToken: null,
  bootstrapFile: null,
};

/** Who calls, what they may do, and who gives it to them. */
export type Access = Authenticator<ClientCertificate> & {
  readonly required: boolean;
  /** Which credentials are accepted. */
  readonly credentials: readonly CredentialKind[];
  readonly keys: Keys;
  readonly bootstrap: Bootstrap;
  readonly lookup: AccessLookup;
};

export async function createAccess<I>(deps: {
  readonly options: AccessOptions;
  readonly store: Pick<Store, "readDocument" | "listDocuments">;
  readonly committer: Pick<Committer, "commit">;
  readonly clock: Pick<Clock, "now">;
  readonly namespaces: Pick<Namespaces, "byId" | "get">;
  readonly runs: Pick<Runs<I>, "find">;
  readonly tokens: TaskTokens;
  readonly metrics: Pick<Metrics, "authentications">;
  readonly log: Log;
}): Promise<Access> {
  const { options, log, metrics } = deps;
  const { required, issuers, certificates } = options;
  const stopping = new AbortController();
  const directory = await openDirectory({ ...deps, configured: options.roles });
  // Credentials are of the real world, whatever the clock of a test server says.
  const realTime = { now: Date.now };
  const keys = createKeys({ directory, clock: realTime });
  const tokens = issuers.length === 0 ? null : createTokenVerifier(issuers, { now: Date.now, log, signal: stopping.signal });
  await tokens?.prepare();
  const lockout = createLockout(realTime);
  const authenticator = createAuthenticator<ClientCertificate>({
    directory,
    clock: realTime,
    log,
    required,
    lockout,
    verifyToken: tokens === null ? null : (token) => tokens.verify(token),
    principalOfCertificate: (certificate) => principalOfCertificate(certificates, certificate),
    used: directory.used,
    count: (credential, outcome) => metrics.authentications.add(1, credential, outcome),
  });
  const { bootstrapToken: token, bootstrapFile: file } = options;
  const bootstrap = createBootstrap({ keys, lockout, token, file: required ? file : null });
  if (bootstrap.file !== null)
    log.info("no administrator has a key yet: make one with `holdfast key bootstrap`", { tokenFile: bootstrap.file });
  return {
    required,
    credentials: ["api-key", ...(issuers.length > 0 ? ["jwt" as const] : []), ...(certificates.length > 0 ? ["certificate" as const] : [])],
    keys,
    bootstrap,
    lookup: createAccessLookup(deps),
    authenticate: authenticator.authenticate,
    stop: async () => {
      stopping.abort();
      bootstrap.stop();
      await authenticator.stop();
    },
  };
}

/** What has to be looked up to know whether somebody may do what they ask for. */
export type AccessLookup = {
  /** The name of a namespace; null for an id that there is not. */
  namespaceOfId(id: string): string | null;
  /** Of the task that a token stands for; null for what is no token. */
  namespaceOfToken(token: Uint8Array): string | null;
  /** The task queue of an execution's workflow tasks; null when there is no such execution. */
  taskQueueOf(namespace: string, execution: { readonly workflowId: string; readonly runId: string }): Promise<string | null>;
};

function createAccessLookup<I>({
  namespaces,
  runs,
  tokens,
}: {
  readonly tokens: TaskTokens;
  readonly namespaces: Pick<Namespaces, "byId" | "get">;
  readonly runs: Pick<Runs<I>, "find">;
}): AccessLookup {
  const namespaceOfId = (id: string): string | null => namespaces.byId(id)?.name ?? null;
  return {
    namespaceOfId,
    namespaceOfToken: (bytes) => {
      const token = tokens.read(bytes);
      return token === null ? null : namespaceOfId(token.namespaceId);
    },
    taskQueueOf: async (namespace, execution) => {
      const found = namespaces.get(namespace);
      if (!found.ok) return null;
      const cell = await runs.find({ namespaceId: found.value.id, ...execution });
      return cell.ok ? (cell.value.state.started.taskQueue?.name ?? null) : null;
    },
  };
}
