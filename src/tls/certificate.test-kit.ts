import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EpochMs, hourMs } from "../base/time.ts";

// Certificates for tests, made as they are needed: DER by hand (RFC 5280), signatures by Node. Not every machine has openssl.

export type CertificateFields = {
  readonly commonName?: string;
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  readonly email?: readonly string[];
  /** IPv4. */
  readonly ip?: readonly string[];
  readonly from?: EpochMs;
  readonly until?: EpochMs;
};

export type Issued = { readonly key: KeyObject; readonly certificatePem: string; readonly keyPem: string };

export type Authority = Issued & {
  issue(fields: CertificateFields): Issued;
};

/** A certificate authority that signs itself. */
export function authority(commonName = "test authority"): Authority {
  const root = certificateOf({ commonName }, null);
  return { ...root, issue: (fields) => certificateOf(fields, { key: root.key, commonName }) };
}

/** As a server on this machine has one. */
export const forLoopback: CertificateFields = { commonName: "holdfast", dns: ["localhost"], ip: ["127.0.0.1"] };

/** Writes each text to a file of that name in a new folder, and returns the paths. */
export function filesOf<N extends string>(texts: { readonly [name in N]: string }): { readonly [name in N]: string } {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
  const paths = Object.entries<string>(texts).map(([name, text]) => {
    const path = join(folder, `${name}.pem`);
    writeFileSync(path, text);
    return [name, path] as const;
  });
  return Object.fromEntries(paths) as { readonly [name in N]: string };
}

/** `issuer` null: it signs itself, and may sign others. */
function certificateOf(
  {
    commonName = "",
    dns = [],
    uri = [],
    email = [],
    ip = [],
    from = Date.now() - hourMs,
    until = Date.now() + 24 * hourMs,
  }: CertificateFields,
  issuer: { readonly key: KeyObject; readonly commonName: string } | null,
): Issued {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const names = [
    ...email.map((name) => der(0x81, Buffer.from(name))),
    ...dns.map((name) => der(0x82, Buffer.from(name))),
    ...uri.map((name) => der(0x86, Buffer.from(name))),
    ...ip.map((address) => der(0x87, Buffer.from(address.split(".").map(Number)))),
  ];
  const extensions = [
    ...(issuer === null
      ? [sequence(oid(basicConstraints), der(0x01, Buffer.from([0xff])), der(0x04, sequence(der(0x01, Buffer.from([0xff])))))]
      : []),
    ...(names.length === 0 ? [] : [sequence(oid(subjectAltName), der(0x04, sequence(...names)))]),
  ];
  const signed = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    // A positive number.
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(issuer?.commonName ?? commonName),
    sequence(time(from), time(until)),
    nameOf(commonName),
    publicKey.export({ type: "spki", format: "der" }),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  );
  const signature = sign("sha256", signed, issuer?.key ?? privateKey);
  const whole = sequence(signed, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature));
  return {
    key: privateKey,
    certificatePem: `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));

const basicConstraints = "551d13";
const subjectAltName = "551d11";
const commonNameType = "550403";
const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"));

const nameOf = (commonName: string): Buffer =>
  commonName === "" ? sequence() : sequence(der(0x31, sequence(oid(commonNameType), der(0x0c, Buffer.from(commonName)))));

/** GeneralizedTime, without fractions of seconds. */
const time = (at: EpochMs): Buffer => der(0x18, Buffer.from(new Date(at).toISOString().replace(/[-:T]|\.\d+/g, "")));
