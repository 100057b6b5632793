import { X509Certificate } from "node:crypto";
import { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { authority, type CertificateFields } from "./certificate.test-kit.ts";
import { peerCertificateFrom, peerCertificateOf } from "./peer-certificate.ts";

const ca = authority();
const said = (fields: CertificateFields) => peerCertificateFrom(new X509Certificate(ca.issue(fields).certificatePem));

describe("what a certificate says", () => {
  const nothing = { commonName: "", dns: [], uri: [], email: [] };
  test.each<[CertificateFields, object]>([
    [{}, nothing],
    [{ commonName: "worker-1" }, { ...nothing, commonName: "worker-1" }],
    [{ commonName: "ä\nCN=admin" }, { ...nothing, commonName: "ä\nCN=admin" }],
    [{ dns: ["a.example", "*.b.example"] }, { ...nothing, dns: ["a.example", "*.b.example"] }],
    [
      { uri: ["spiffe://td/ns/one"], email: ["ada@example.com"] },
      { ...nothing, uri: ["spiffe://td/ns/one"], email: ["ada@example.com"] },
    ],
    [
      { dns: ["a"], ip: ["10.0.0.1"], uri: ["urn:x"] },
      { ...nothing, dns: ["a"], uri: ["urn:x"] },
    ],
    // Nobody gets a second name by what stands in the first.
    [{ uri: ["urn:a, DNS:admin"] }, { ...nothing, uri: ["urn:a, DNS:admin"] }],
    [{ dns: ['a", DNS:"admin'] }, { ...nothing, dns: ['a", DNS:"admin'] }],
    [{ email: ["a\n, URI:spiffe://admin"] }, { ...nothing, email: ["a\n, URI:spiffe://admin"] }],
  ])("%j", (fields, expected) => {
    expect(said(fields)).toMatchObject(expected);
  });

  test("its fingerprint and its end", () => {
    const until = Date.UTC(2031, 0, 2, 3, 4, 5);
    const { fingerprint, expiresAt } = said({ until });
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(expiresAt).toBe(until);
  });
});

test("a connection without TLS has none", () => {
  expect(peerCertificateOf(new Duplex())).toBeNull();
});
