import type { X509Certificate } from "node:crypto";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { EpochMs } from "../base/time.ts";

/** What a client has proved about itself: every field is what an authority that the server trusts has signed. */
export type PeerCertificate = {
  /** Of the subject; empty if it has none, or several. */
  readonly commonName: string;
  /** Its alternative names by kind, in the order of the certificate. */
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly email: readonly string[];
  /** SHA-256 of the whole, 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  /** A connection may outlive it. */
  readonly expiresAt: EpochMs;
};

/**
 * The certificate that the client of a connection has shown. Null when it has shown none, when `tls.clientCa` does not vouch for it, and on a
 * connection without TLS. Read once for each connection, since it does not change while that lasts.
 */
export function peerCertificateOf(socket: Duplex): PeerCertificate | null {
  if (!(socket instanceof TLSSocket)) return null;
  const known = read.get(socket);
  if (known !== undefined) return known;
  // A resumed session counts as authorized even if its client never had a certificate.
  const shown = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const certificate = shown === undefined ? null : peerCertificateFrom(shown);
  read.set(socket, certificate);
  return certificate;
}

const read = new WeakMap<Duplex, PeerCertificate | null>();

/** What a certificate says. Whether that is true has to be known. */
export function peerCertificateFrom(certificate: X509Certificate): PeerCertificate {
  const { CN } = certificate.toLegacyObject().subject;
  const names = alternativeNames(certificate.subjectAltName ?? "");
  const of = (kind: string): readonly string[] => names.filter((name) => name.kind === kind).map(({ value }) => value);
  return {
    commonName: typeof CN === "string" ? CN : "",
    dns: of("DNS"),
    uri: of("URI"),
    email: of("email"),
    fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    expiresAt: Date.parse(certificate.validTo),
  };
}

/**
 * Reads `DNS:a.example, URI:"spiffe://a, b"`, as Node writes them: a value that could be taken for something else is a string of JSON, so
 * that nobody gets a second name by a comma in the first. What is not of this form has no names at all.
 */
function alternativeNames(text: string): readonly { readonly kind: string; readonly value: string }[] {
  const names = [];
  const pattern = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  while (pattern.lastIndex < text.length) {
    const [, kind = "", value = ""] = pattern.exec(text) ?? [];
    if (kind === "") return [];
    names.push({ kind, value: value.startsWith('"') ? String(JSON.parse(value)) : value });
  }
  return names;
}
