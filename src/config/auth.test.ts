import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { present } from "../base/assert.ts";
import type { AuthConfig } from "./auth.ts";
import { type ConfigLayer, type ConfigValues, printable, resolveConfig } from "./config.ts";
import { environmentLayer } from "./sources.ts";

const file = (auth: unknown): ConfigLayer => ({ values: { auth } as ConfigValues, nameOf: (path) => path.join(".") });

function resolved(...layers: ConfigLayer[]): AuthConfig {
  const result = resolveConfig(layers);
  if (!result.ok) throw new Error(result.error.join("\n"));
  return result.value.auth;
}
const refusals = (auth: unknown): readonly string[] => {
  const result = resolveConfig([file(auth)]);
  return result.ok ? [] : result.error;
};

const issuer = { issuer: "https://id.example.com", audience: "holdfast" };
const publicKey = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };

test("an issuer needs a name and an audience; what it grants, and to whom, is said or is nothing", () => {
  expect(resolved(file({ jwt: [issuer] })).jwt).toEqual([
    {
      issuer: "https://id.example.com",
      audience: ["holdfast"],
      jwksUri: null,
      jwks: null,
      algorithms: ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
      clockTolerance: 30_000,
      subjectClaim: "sub",
      prefix: "",
      kind: "service",
      roles: [],
      namespaces: [],
      grants: [],
      taskQueues: null,
      allowPrivate: false,
    },
  ]);
});

describe("where texts come from", () => {
  test.each([
    ["groups", { claim: "groups", map: null }],
    [["admin"], ["admin"]],
    [{ claim: "groups" }, { claim: "groups", map: null }],
    [
      { claim: "groups", map: { ops: "operator" } },
      { claim: "groups", map: { ops: "operator" } },
    ],
  ])("%j", (written, read) => {
    expect(present(resolved(file({ jwt: [{ ...issuer, roles: written }] })).jwt[0], "issuer").roles).toEqual(read);
  });
});

test("a certificate's mapping needs a subject", () => {
  expect(resolved(file({ certificates: [{ subject: "dns:*.workers.example.com" }] })).certificates).toEqual([
    { subject: "dns:*.workers.example.com", id: "{name}", kind: "service", namespaces: [], roles: [], taskQueues: null },
  ]);
});

test("lists in the environment are JSON", () => {
  const layer = environmentLayer({
    HOLDFAST_AUTH_REQUIRED: "true",
    HOLDFAST_AUTH_ROLES: '{"submitter":["jobs.write"]}',
    HOLDFAST_AUTH_JWT: JSON.stringify([issuer]),
  });
  if (!layer.ok) throw new Error(layer.error.join("\n"));
  expect(resolved(layer.value)).toMatchObject({
    required: true,
    roles: { submitter: ["jobs.write"] },
    jwt: [{ issuer: "https://id.example.com" }],
  });
});

describe("what is wrong is said", () => {
  test.each<[unknown, string]>([
    [{ requird: true }, "auth.requird: unknown key, did you mean `required`?"],
    [{ bootstrapToken: "short" }, "auth.bootstrapToken: expected a secret of 32 characters or more"],
    [
      { roles: { admin: ["jobs.read"] } },
      "auth.roles.admin: `admin` is a built-in role (admin, operator, developer, approver, auditor, worker), which nobody changes",
    ],
    [{ roles: { "*": [] } }, "auth.roles.*: the name of a role is a letter followed by at most 63 letters, digits, `.`, `-` or `_`"],
    [
      { roles: { own: ["jobs.raed"] } },
      'auth.roles.own.0: expected a permission such as `jobs.read` (docs/access.md lists them), not "jobs.raed"',
    ],
    [{ jwt: {} }, "auth.jwt: expected a list, not {}"],
    [{ jwt: [{ audience: "holdfast" }] }, "auth.jwt.0.issuer: expected the issuer's name as in the claim `iss`"],
    [{ jwt: [{ ...issuer, audience: [] }] }, "auth.jwt.0.audience: expected an audience, or a list of them, not []"],
    [{ jwt: [{ ...issuer, isuer: 1 }] }, "auth.jwt.0.isuer: unknown key"],
    [{ jwt: [{ ...issuer, algorithms: [] }] }, "auth.jwt.0.algorithms: expected at least one"],
    [{ jwt: [{ ...issuer, clockTolerance: "1h" }] }, 'auth.jwt.0.clockTolerance: expected a duration up to 5m, not "1h"'],
    [
      { jwt: [{ ...issuer, roles: { claim: "groups", map: { ops: 1 } } }] },
      'auth.jwt.0.roles: expected the path of a claim, a list, or `{ claim, map }`, not {"claim":"groups","map":{"ops":1}}',
    ],
    [
      { jwt: [{ ...issuer, grants: { claim: "groups", map: { ops: "operator" } } }] },
      "auth.jwt.0.grants: expected `namespace:role`, not `operator`",
    ],
    [{ jwt: [{ ...issuer, kind: "robot" }] }, 'auth.jwt.0.kind: expected human, service or `{ claim, human: [values] }`, not "robot"'],
    [
      { jwt: [{ ...issuer, issuer: "kubernetes/serviceaccount" }] },
      "auth.jwt.0.issuer: `kubernetes/serviceaccount` is no URL at which its keys could be found: `jwksUri` or `jwks` says where they are",
    ],
    [
      { jwt: [{ ...issuer, issuer: "http://id.example.com" }] },
      "auth.jwt.0.issuer: expected an https URL: http is for the hosts of `allowPrivate` alone",
    ],
    [
      { jwt: [{ ...issuer, jwksUri: "http://id.example.com/keys", allowPrivate: ["id.internal"] }] },
      "auth.jwt.0.jwksUri: expected an https URL: http is for the hosts of `allowPrivate` alone",
    ],
    [
      { jwt: [{ ...issuer, jwksUri: "https://id.example.com/keys", jwks: "keys.json" }] },
      "auth.jwt.0.jwks: the keys are either here or at `jwksUri`",
    ],
    [
      {
        jwt: [
          { ...issuer, prefix: "a/" },
          { ...issuer, prefix: "b/" },
        ],
      },
      "auth.jwt.1.issuer: `https://id.example.com` is there twice",
    ],
    [
      { jwt: [issuer, { ...issuer, issuer: "https://b.example.com", prefix: "b/" }] },
      "auth.jwt.1.prefix: of several issuers, each needs a prefix that none of the others begins with",
    ],
    [{ certificates: [{ subject: "dns:" }] }, "auth.certificates.0.subject: expected a name after the kind"],
    [
      { certificates: [{ subject: "dns:*-*.example.com" }] },
      "auth.certificates.0.subject: expected at most one `*` between two separators",
    ],
    [
      { certificates: [{ subject: "build-*", namespaces: ["{2}"] }] },
      "auth.certificates.0.namespaces: `{2}` is none of `{name}`, `{cn}`, `{1}`",
    ],
  ])("%j", (auth, sentence) => {
    expect(refusals(auth)).toEqual([sentence]);
  });

  test.each(["none", "HS256", "HS512", "RSA1_5", "dir"])("the algorithm %s is none that can be allowed", (algorithm) => {
    expect(refusals({ jwt: [{ ...issuer, algorithms: ["RS256", algorithm] }] })).toEqual([
      expect.stringMatching(/^auth\.jwt\.0\.algorithms\.1: expected one of RS256, /),
    ]);
  });

  test.each([
    ["a private key", { ...publicKey, d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" }],
    ["a shared secret", { kty: "oct", k: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" }],
  ])("%s among the keys of an issuer, without showing it", (_, key) => {
    expect(refusals({ jwt: [{ ...issuer, jwks: { keys: [publicKey, key] } }] })).toEqual([
      "auth.jwt.0.jwks: expected public keys as `{ keys: […] }`, or the name of a file with them",
    ]);
  });
});

test("http is allowed for the hosts that may be private", () => {
  for (const allowPrivate of [true, ["id.internal"]])
    expect(refusals({ jwt: [{ ...issuer, issuer: "http://id.internal:8080/realms/a", allowPrivate }] })).toEqual([]);
});

describe("the printed configuration", () => {
  test("never has the bootstrap token", () => {
    const token = "a-secret-that-is-long-enough-to-be-one";
    const config = resolveConfig([file({ bootstrapToken: token })]);
    if (!config.ok) throw new Error(config.error.join("\n"));
    expect(printable(config.value)).toContain("auth.bootstrapToken: ***");
    expect(printable(config.value)).not.toContain(token);
  });

  test("reads back as itself", () => {
    const auth = {
      roles: { submitter: ["jobs.read", "jobs.write"] },
      jwt: [
        {
          ...issuer,
          jwks: { keys: [publicKey] },
          kind: { claim: "typ", human: ["user"] },
          roles: { claim: "groups", map: { ops: "operator" } },
          taskQueues: "queues",
        },
      ],
      certificates: [{ subject: "uri:spiffe://example.org/ns/*/sa/*", id: "{1}/{2}", namespaces: ["{1}"], roles: ["worker"] }],
    };
    const once = resolved(file(auth));
    expect(resolved(file(JSON.parse(JSON.stringify(once))))).toEqual(once);
  });
});

describe("examples in docs/access.md are accepted", () => {
  const docs = readFileSync(new URL("../../docs/access.md", import.meta.url), "utf8");
  const examples = [...docs.matchAll(/```yaml\n(auth:.*?)```/gs)].map(([, text = ""]) => text);
  test.each(examples)("%s", (text) => {
    expect(refusals((parse(text) as { readonly auth: unknown }).auth)).toEqual([]);
  });
});
