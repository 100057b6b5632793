import { describe, expect, test } from "vitest";
import { hourMs } from "../base/time.ts";
import { authority, filesOf, forLoopback, type Issued } from "./certificate.test-kit.ts";
import { readTlsFiles } from "./tls-files.ts";

const now = Date.now();
const ca = authority();
const own = ca.issue({ ...forLoopback, until: now + hourMs });
const files = filesOf({
  ca: ca.certificatePem,
  cert: own.certificatePem,
  chain: own.certificatePem + ca.certificatePem,
  key: own.keyPem,
  other: ca.issue(forLoopback).keyPem,
  broken: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  locked: own.key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" }).toString(),
});
const pairOf = ({ certificatePem: cert, keyPem: key }: Issued) => filesOf({ cert, key });
const expired = pairOf(ca.issue({ until: Date.UTC(2020, 0, 1) }));
const early = pairOf(ca.issue({ from: Date.UTC(2100, 0, 1), until: Date.UTC(2101, 0, 1) }));

test.each([
  ["a certificate", files.cert],
  ["a chain", files.chain],
])("%s and its key are taken as they are", async (_what, cert) => {
  const read = await readTlsFiles({ cert, key: files.key, clientCa: files.ca }, now);
  expect(read).toMatchObject({ ok: true, value: { key: own.keyPem, ca: ca.certificatePem } });
  expect(read.ok && Math.floor(read.value.expiresAt / 1_000)).toBe(Math.floor((now + hourMs) / 1_000));
});

describe("refused with a sentence", () => {
  const good = { cert: files.cert, key: files.key, clientCa: null };
  test.each([
    [{ ...good, cert: "/nowhere/cert.pem" }, "tls.cert: cannot read /nowhere/cert.pem: ENOENT: no such file or directory"],
    [{ ...good, key: "/nowhere/key.pem" }, "tls.key: cannot read /nowhere/key.pem: ENOENT"],
    [{ ...good, clientCa: "/nowhere/ca.pem" }, "tls.clientCa: cannot read /nowhere/ca.pem: ENOENT"],
    [{ ...good, cert: files.key }, `tls.cert: ${files.key} holds no certificate (PEM)`],
    [{ ...good, cert: files.broken }, `tls.cert: ${files.broken} holds no certificate (PEM)`],
    [{ ...good, key: files.cert }, `tls.key: ${files.cert} holds no private key (PEM, without a passphrase)`],
    [{ ...good, key: files.locked }, `tls.key: ${files.locked} holds no private key (PEM, without a passphrase)`],
    [{ ...good, key: files.other }, `tls.key: the key in ${files.other} does not belong to the certificate in ${files.cert}`],
    [{ ...good, clientCa: files.key }, `tls.clientCa: ${files.key} holds no certificate (PEM)`],
    [{ ...good, ...expired }, `tls.cert: the certificate in ${expired.cert} expired on 2020-01-01T00:00:00.000Z`],
    [{ ...good, ...early }, `tls.cert: the certificate in ${early.cert} is not valid before 2100-01-01T00:00:00.000Z`],
  ])("%j", async (named, sentence) => {
    const read = await readTlsFiles(named, now);
    expect(read.ok ? "" : read.error).toContain(sentence);
  });
});
