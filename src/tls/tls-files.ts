import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { err, ok, type Result } from "../base/result.ts";
import type { EpochMs } from "../base/time.ts";

/** Names of PEM files. */
export type TlsFiles = {
  /** The server's certificate, then those between it and its authority. */
  readonly cert: string;
  readonly key: string;
  /** Certificates of the authorities that vouch for clients. */
  readonly clientCa: string | null;
};

/** What these files hold, and that it fits together. */
export type TlsMaterial = {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
  readonly expiresAt: EpochMs;
};

/** Reads the files. Refused with a sentence when one is not there or not of its kind, or when nobody could be served with them. */
export async function readTlsFiles(files: TlsFiles, now: EpochMs): Promise<Result<TlsMaterial, string>> {
  const [cert, key, ca] = await Promise.all([
    textOf("tls.cert", files.cert),
    textOf("tls.key", files.key),
    files.clientCa === null ? ok(null) : textOf("tls.clientCa", files.clientCa),
  ]);
  if (!cert.ok) return cert;
  if (!key.ok) return key;
  if (!ca.ok) return ca;
  const [own] = certificatesIn(cert.value);
  if (own === undefined) return err(`tls.cert: ${files.cert} holds no certificate (PEM)`);
  const privateKey = privateKeyIn(key.value);
  if (privateKey === null) return err(`tls.key: ${files.key} holds no private key (PEM, without a passphrase)`);
  if (!own.checkPrivateKey(privateKey)) return err(`tls.key: the key in ${files.key} does not belong to the certificate in ${files.cert}`);
  const [from, expiresAt] = [Date.parse(own.validFrom), Date.parse(own.validTo)];
  if (expiresAt <= now) return err(`tls.cert: the certificate in ${files.cert} expired on ${dateOf(expiresAt)}`);
  if (from > now) return err(`tls.cert: the certificate in ${files.cert} is not valid before ${dateOf(from)}`);
  if (files.clientCa !== null && certificatesIn(ca.value ?? "").length === 0)
    return err(`tls.clientCa: ${files.clientCa} holds no certificate (PEM)`);
  const material = { cert: cert.value, key: key.value, ca: ca.value, expiresAt };
  try {
    createSecureContext({ cert: material.cert, key: material.key, ...(material.ca === null ? {} : { ca: material.ca }) });
  } catch (error) {
    return err(`tls.cert: ${files.cert} cannot be used: ${messageOf(error)}`);
  }
  return ok(material);
}

async function textOf(setting: string, file: string): Promise<Result<string, string>> {
  try {
    return ok(await readFile(file, "utf8"));
  } catch (error) {
    return err(`${setting}: cannot read ${file}: ${messageOf(error)}`);
  }
}

/** The certificates of a text in their order, none if one of them is broken. */
function certificatesIn(text: string): readonly X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

function privateKeyIn(text: string): KeyObject | null {
  try {
    return createPrivateKey(text);
  } catch {
    // OpenSSL's words might quote the file.
    return null;
  }
}

const dateOf = (at: EpochMs): string => new Date(at).toISOString();
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
