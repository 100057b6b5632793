import type { X509Certificate } from "node:crypto";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../access/certificate.ts";

/**
 * The certificate that the client of a connection has shown. Null when it has shown none, when `tls.clientCa` does not vouch for it, and on a
 * connection without TLS. Read once for each connection, since it does not change while that lasts.
 */
export function peerCertificateOf(socket: Duplex): ClientCertificate | null {
  if (!(socket instanceof TLSSocket)) return null;
  const known = read.get(socket);
  if (known !== undefined) return known;
  // A resumed session counts as authorized even if its client never had a certificate.
  const shown = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const certificate = shown === undefined ? null : peerCertificateFrom(shown);
  read.set(socket, certificate);
  return certificate;
}

const read = new WeakMap<Duplex, ClientCertificate | null>();

/** What a certificate says. Whether that is true has to be known. */
export function peerCertificateFrom(certificate: X509Certificate): ClientCertificate {
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
