import type { SecureVersion, Server, TLSSocket, TlsOptions } from "node:tls";
import { assert } from "../base/assert.ts";
import { ok, type Result } from "../base/result.ts";
import { type DurationMs, secondMs } from "../base/time.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { readTlsFiles, type TlsFiles, type TlsMaterial } from "./tls-files.ts";

export type ServerTlsOptions = {
  /** Names of PEM files; without them the ports speak no TLS. */
  readonly cert: string | null;
  readonly key: string | null;
  readonly clientCa: string | null;
  /**
   * Whether clients are asked for a certificate, for which there has to be `clientCa`. One that nobody vouches for ends the handshake where it is `required`, and counts as none
   * where it is `optional`.
   */
  readonly clientCert: "none" | "optional" | "required";
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Time between two looks at the files. */
  readonly reload: DurationMs;
};

/** The certificate of a server, for each of its ports. */
export type ServerTls = {
  /** For `https.createServer` and `http2.createSecureServer`. */
  readonly options: TlsOptions;
  /** Gives the port new certificates as they come, and counts its handshakes that fail. To be called once, before it listens. */
  protect(server: Server, port: "grpc" | "http"): void;
  /** Looks at the files now. What cannot be used is logged, and the former certificate stays. Open connections notice nothing. */
  reload(): Promise<void>;
  /** Looks no more. */
  stop(): void;
};

/** Time for a handshake. */
const handshakeMsMax: DurationMs = 10 * secondMs;

/** Reads the certificate; null when none is configured. Refused with a sentence that names the setting. */
export async function openServerTls(
  options: ServerTlsOptions,
  {
    log,
    metrics,
    now = Date.now,
  }: {
    readonly log: Log;
    readonly metrics: Pick<Metrics, "tlsFailures" | "tlsReloads" | "tlsCertificateExpiry">;
    readonly now?: () => number;
  },
): Promise<Result<ServerTls | null, string>> {
  const { cert, key, clientCa, clientCert, minVersion } = options;
  if (cert === null || key === null) return ok(null);
  // Node would take every authority of the public web for one of ours.
  assert(clientCert === "none" || clientCa !== null, "certificates of clients are checked by `clientCa`");
  const files: TlsFiles = { cert, key, clientCa };
  const read = await readTlsFiles(files, now());
  if (!read.ok) return read;

  const servers: Server[] = [];
  let used = read.value;
  let problem = "";
  const use = (material: TlsMaterial): void => {
    used = material;
    metrics.tlsCertificateExpiry.set(material.expiresAt / secondMs);
    for (const server of servers) server.setSecureContext(contextOf(material, minVersion));
  };
  const reload = async (): Promise<void> => {
    const found = await readTlsFiles(files, now());
    if (found.ok) {
      problem = "";
      if (isSame(found.value, used)) return;
      use(found.value);
      metrics.tlsReloads.add(1, "loaded");
      log.info("certificate loaded", { expires: new Date(found.value.expiresAt).toISOString() });
      return;
    }
    metrics.tlsReloads.add(1, "refused");
    // Said once, and not again at every look.
    if (found.error !== problem) log.error("certificate not loaded, the former one stays", { problem: found.error });
    problem = found.error;
  };
  use(used);
  const looking = setInterval(() => void reload(), options.reload).unref();

  return ok({
    options: {
      ...contextOf(used, minVersion),
      requestCert: clientCert !== "none",
      rejectUnauthorized: clientCert === "required",
      handshakeTimeout: handshakeMsMax,
    },
    protect(server, port) {
      const failed = (cause: FailureCause, socket: TLSSocket): void => {
        metrics.tlsFailures.add(1, port, cause);
        log.debug("handshake failed", { port, cause, from: socket.remoteAddress });
      };
      servers.push(server);
      server.on("tlsClientError", (error, socket) => failed(causeOf(error, socket), socket));
      if (clientCert === "optional")
        server.on("secureConnection", (socket) => {
          if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) failed("untrusted-certificate", socket);
        });
    },
    reload,
    stop: () => clearInterval(looking),
  });
}

const contextOf = ({ cert, key, ca }: TlsMaterial, minVersion: SecureVersion) => ({
  cert,
  key,
  minVersion,
  ...(ca === null ? {} : { ca }),
});

const isSame = (one: TlsMaterial, other: TlsMaterial): boolean => one.cert === other.cert && one.key === other.key && one.ca === other.ca;

type FailureCause =
  | "plaintext"
  | "no-certificate"
  | "untrusted-certificate"
  | "no-common-protocol"
  | "refused-by-client"
  | "timeout"
  | "closed"
  | "other";

/** Why a handshake failed, in as few words as a metric should have. */
function causeOf(error: Error & { readonly code?: string }, socket: TLSSocket): FailureCause {
  const { code = "" } = error;
  if (socket.authorizationError) return "untrusted-certificate";
  if (causes[code] !== undefined) return causes[code];
  return code.includes("_ALERT_") ? "refused-by-client" : "other";
}

const causes: { readonly [code: string]: FailureCause } = {
  ERR_SSL_HTTP_REQUEST: "plaintext",
  // Whatever else is no TLS at all; HTTP/2 begins with letters.
  ERR_SSL_WRONG_VERSION_NUMBER: "plaintext",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "plaintext",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "no-certificate",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "no-common-protocol",
  ERR_SSL_NO_SHARED_CIPHER: "no-common-protocol",
  ERR_SSL_NO_APPLICATION_PROTOCOL: "no-common-protocol",
  ERR_TLS_HANDSHAKE_TIMEOUT: "timeout",
  ECONNRESET: "closed",
};
