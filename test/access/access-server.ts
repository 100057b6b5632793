import type { CertificateMapping } from "../../src/access/certificate.ts";
import { type DurationMs, dayMs } from "../../src/base/time.ts";
import { snapshotFrom } from "../../src/governance/policy/policy.test-kit.ts";
import { startTestIssuer, type TestIssuer } from "../../src/service/access/issuer.test-kit.ts";
import { createTaskTokens, type TaskTokens, taskTokenKey } from "../../src/service/workers/task-token.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { type Authority, authority, filesOf, forLoopback } from "../../src/tls/certificate.test-kit.ts";
import { openServerTls } from "../../src/tls/server-tls.ts";
import { type GuardedServer, startGuardedServer } from "../guarded-server.ts";

// What the tests of this folder share: a server with both ports behind TLS, an issuer of tokens and an authority for certificates.

/** There are two; `nowhere` is the name of none. */
export const [own, foreign, nowhere] = ["own", "foreign", "nowhere"] as const;

export type AccessServer = GuardedServer & {
  readonly ca: Authority;
  readonly issuer: TestIssuer;
  /** Task tokens as the server makes them. */
  readonly tokens: TaskTokens;
};

export async function startAccessServer(
  options: { readonly certificates?: readonly CertificateMapping[]; readonly policy?: string; readonly poll?: DurationMs } = {},
): Promise<AccessServer> {
  const ca = authority();
  const shown = ca.issue(forLoopback);
  const files = filesOf({ ca: ca.certificatePem, cert: shown.certificatePem, key: shown.keyPem });
  const issuer = await startTestIssuer();
  const opened = await openServerTls(
    { cert: files.cert, key: files.key, clientCa: files.ca, clientCert: "optional", reload: dayMs, minVersion: "TLSv1.2" },
    { log: silentLog, metrics: createMetrics() },
  );
  if (!opened.ok || opened.value === null) throw new Error("no TLS");
  const tls = opened.value;
  const { poll: patience } = options;
  const server = await startGuardedServer([own, foreign], {
    tls,
    access: { issuers: [issuer.settings({ clockTolerance: 0 })], certificates: options.certificates ?? [] },
    core: { longPoll: { poll: patience ?? 60_000, history: patience ?? 20_000, update: patience ?? 20_000 } },
  });
  if (options.policy !== undefined) server.core.kernel.enforce(snapshotFrom(options.policy));
  return {
    ...server,
    ca,
    issuer,
    tokens: createTaskTokens(
      await taskTokenKey({ store: server.store, committer: { commit: () => Promise.reject(new Error("it has one")) } }),
    ),
    stop: async () => {
      await server.stop();
      tls.stop();
      await issuer.stop();
    },
  };
}
