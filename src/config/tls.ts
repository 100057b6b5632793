import * as z from "zod/mini";
import { type DurationMs, minuteMs, secondMs } from "../base/time.ts";
import { duration, filledText, oneOf, setting } from "./setting.ts";

/** TLS on every port. The files are PEM. */
export type TlsConfig = {
  /** The server's certificate, then those between it and its authority; null serves without TLS. */
  readonly cert: string | null;
  readonly key: string | null;
  /** Authorities that vouch for clients. */
  readonly clientCa: string | null;
  /** Whether clients are asked for a certificate, and whether they have to have one. */
  readonly clientCert: ClientCertificateMode;
  readonly minVersion: TlsVersion;
  /** Time between two looks at the files. */
  readonly reload: DurationMs;
};

export const clientCertificateModes = ["none", "optional", "required"] as const;
export type ClientCertificateMode = (typeof clientCertificateModes)[number];
const tlsVersions = ["TLSv1.2", "TLSv1.3"] as const;
export type TlsVersion = (typeof tlsVersions)[number];

export const defaultTls: TlsConfig = {
  cert: null,
  key: null,
  clientCa: null,
  clientCert: "none",
  minVersion: "TLSv1.2",
  reload: minuteMs,
};

const fileOrNull = setting("a file name", (value) => (value === null ? null : filledText(value)));

export const tlsSchema = z.strictObject({
  cert: fileOrNull,
  key: fileOrNull,
  clientCa: fileOrNull,
  clientCert: oneOf(clientCertificateModes),
  minVersion: oneOf(tlsVersions),
  reload: duration,
});

const reloadMin: DurationMs = secondMs;

/** What is wrong with settings that are each well-formed. */
export function tlsProblems({ cert, key, clientCa, clientCert, reload }: TlsConfig): readonly {
  readonly path: readonly string[];
  readonly problem: string;
}[] {
  const wrong = (name: keyof TlsConfig, problem: string) => [{ path: ["tls", name], problem }];
  if (cert === null) {
    if (key !== null) return wrong("key", "without `tls.cert` there is no certificate that it belongs to");
    if (clientCa !== null) return wrong("clientCa", "clients can show certificates only where the server has one: `tls.cert` is missing");
    if (clientCert !== "none")
      return wrong("clientCert", "clients can show certificates only where the server has one: `tls.cert` is missing");
  } else if (key === null) return wrong("cert", "`tls.key` is missing");
  else if (clientCert !== "none" && clientCa === null) return wrong("clientCert", "`tls.clientCa` is missing, which vouches for clients");
  // Or somebody believes that only those clients get in.
  else if (clientCert === "none" && clientCa !== null)
    return wrong("clientCa", "has no effect unless `tls.clientCert` is `optional` or `required`");
  return reload < reloadMin ? wrong("reload", "expected at least 1s") : [];
}
