import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CertificateMapping, type ClientCertificate, matchSubject, parseSubjectPattern } from "../../access/certificate.ts";
import { principalOfCertificate } from "./certificate-mapper.ts";

const certificate = (names: Partial<ClientCertificate>): ClientCertificate => ({
  commonName: "",
  dns: [],
  uri: [],
  email: [],
  fingerprint: "AB:CD",
  expiresAt: 1_900_000_000_000,
  ...names,
});
const mapping = (subject: string, rest: Partial<CertificateMapping> = {}): CertificateMapping => ({
  subject,
  id: "{name}",
  kind: "service",
  namespaces: ["orders"],
  roles: ["worker"],
  taskQueues: null,
  ...rest,
});
const star = (subject: string, name: string): readonly string[] | null => {
  const pattern = parseSubjectPattern(subject);
  if (!pattern.ok) throw new Error(pattern.error);
  return matchSubject(pattern.value, name);
};

describe("what fits a subject, and what each `*` stands for", () => {
  test.each<[string, string, readonly string[] | null]>([
    ["worker-1", "worker-1", []],
    ["cn:worker-1", "worker-1", []],
    ["cn:worker-1", "worker-10", null],
    ["cn:Worker", "worker", null],
    ["build-*", "build-eu 1", ["eu 1"]],
    ["build-*", "build-", null],
    ["*", "anything", ["anything"]],
    ["dns:*.workers.example.com", "a.workers.example.com", ["a"]],
    ["dns:*.workers.example.com", "A.Workers.Example.COM", ["a"]],
    ["dns:*.workers.example.com", "a.b.workers.example.com", null],
    ["dns:*.workers.example.com", "workers.example.com", null],
    ["dns:*.workers.example.com", "a.workers.example.com.evil.net", null],
    ["dns:web-*.*.example.com", "web-1.eu.example.com", ["1", "eu"]],
    ["uri:spiffe://example.org/ns/*/sa/*", "spiffe://example.org/ns/orders/sa/worker", ["orders", "worker"]],
    ["uri:spiffe://example.org/ns/*/sa/*", "spiffe://example.org/ns/orders/x/sa/worker", null],
    ["uri:spiffe://example.org/ns/*/sa/*", "spiffe://evil.net/ns/orders/sa/worker", null],
    ["uri:spiffe://example.org/ns/*", "spiffe://example.org/ns/", null],
    ["email:*@example.com", "ada@example.com", ["ada"]],
    ["email:*@example.com", "ada@evil.net@example.com", null],
  ])("%s, %s → %j", (subject, name, stars) => {
    expect(star(subject, name)).toEqual(stars);
  });
});

test("a certificate becomes a principal, for as long as it is valid", () => {
  const mappings = [mapping("uri:spiffe://example.org/ns/*/sa/*", { id: "{1}/{2}", namespaces: ["{1}"], taskQueues: ["{2}-*"] })];
  expect(principalOfCertificate(mappings, certificate({ uri: ["spiffe://example.org/ns/orders/sa/billing"] }))).toEqual({
    id: "orders/billing",
    kind: "service",
    grants: [{ namespaces: ["orders"], roles: ["worker"] }],
    taskQueues: ["billing-*"],
    credential: { kind: "certificate", id: "AB:CD" },
    expiresAt: 1_900_000_000_000,
  });
});

describe("who it is", () => {
  const mappings = [mapping("dns:db.example.com", { id: "db" }), mapping("email:*@example.com", { id: "{1} ({cn})" }), mapping("cn:*")];
  test.each<[string, Partial<ClientCertificate>, string | null]>([
    ["the first mapping that fits", { commonName: "x", dns: ["db.example.com"], email: ["ada@example.com"] }, "db"],
    ["any of its names", { dns: ["a.example.com", "db.example.com"] }, "db"],
    ["by parts", { commonName: "Ada Lovelace", email: ["ada@example.com"] }, "ada (Ada Lovelace)"],
    ["by its common name", { commonName: "web" }, "web"],
    ["nobody without a name", {}, null],
    ["nobody with names of another kind alone", { uri: ["db.example.com"] }, null],
    ["nobody with a name of several lines", { commonName: "web\nroot" }, null],
    ["nobody with a name that is too long", { commonName: "w".repeat(257) }, null],
  ])("%s", (_, names, id) => {
    expect(principalOfCertificate(mappings, certificate(names))?.id ?? null).toBe(id);
  });
});

test("without namespaces or roles, nothing is granted", () => {
  for (const nothing of [{ namespaces: [] }, { roles: [] }])
    expect(principalOfCertificate([mapping("web", nothing)], certificate({ commonName: "web" }))?.grants).toEqual([]);
});

describe("no name of a certificate becomes a pattern", () => {
  test("one with a `*` fits nothing", () => {
    const mappings = [mapping("dns:*.example.com", { namespaces: ["{1}"] }), mapping("cn:*", { namespaces: ["{cn}"] })];
    expect(principalOfCertificate(mappings, certificate({ commonName: "*", dns: ["*.example.com"] }))).toBeNull();
  });

  test("an empty common name makes none of what follows it", () => {
    const mappings = [mapping("dns:*.example.com", { namespaces: ["{cn}*"] })];
    expect(principalOfCertificate(mappings, certificate({ dns: ["a.example.com"] }))).toBeNull();
  });

  test("whatever the names are", () => {
    const anyName = fc.oneof(fc.string(), fc.stringMatching(/^[*a-b{}1]{1,8}$/));
    fc.assert(
      fc.property(anyName, anyName, (commonName, label) => {
        const mappings = [mapping("dns:*.example.com", { namespaces: ["{1}", "{cn}", "team-{1}"], taskQueues: ["{name}"] })];
        const principal = principalOfCertificate(mappings, certificate({ commonName, dns: [`${label}.example.com`] }));
        const granted = [...(principal?.grants[0]?.namespaces ?? []), ...(principal?.taskQueues ?? [])];
        expect(granted.filter((name) => name.includes("*"))).toEqual([]);
      }),
    );
  });
});
