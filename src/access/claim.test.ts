import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ClaimValues, claimAt, textsAt, valuesOf } from "./claim.ts";
import { type KindByClaim, principalOfClaims, type TokenIssuer } from "./token-issuer.ts";

const claims = {
  sub: "ada",
  groups: ["ops", "dev", 5, null, "", "ops"],
  scope: "openid jobs  admin",
  title: "team lead",
  realm_access: { roles: ["operator"] },
  "https://example.com/roles": ["auditor"],
  "https://example.com/app": { roles: ["worker"] },
  a: { b: { c: "deep" }, "b.c": "near" },
  "a.b": { d: "nearest" },
  n: 5,
};

describe("the texts at a path", () => {
  test.each<[string, readonly string[]]>([
    ["sub", ["ada"]],
    ["groups", ["ops", "dev", "ops"]],
    ["realm_access.roles", ["operator"]],
    ["https://example.com/roles", ["auditor"]],
    ["https://example.com/app.roles", ["worker"]],
    // Values of `scope` are separated by spaces, those of other texts are not.
    ["scope", ["openid", "jobs", "admin"]],
    ["title", ["team lead"]],
    // The longest name first, and a shorter one if that leads nowhere.
    ["a.b.c", ["near"]],
    ["a.b.d", ["nearest"]],
    ["n", []],
    ["realm_access", []],
    ["realm_access.roles.0", []],
    ["groups.length", []],
    ["sub.length", []],
    ["missing", []],
    ["constructor.name", []],
    ["__proto__", []],
    ["", []],
    [".", []],
    ["realm_access.", []],
  ])("%s → %j", (path, texts) => {
    expect(textsAt(claims, path)).toEqual(texts);
  });

  const name = fc.stringMatching(/^[a-z./:]{1,6}$/);

  test("is found whatever its names are", () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), fc.string({ minLength: 1 }), (path, value) => {
        const nested = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), [value]);
        expect(textsAt(nested as object as Record<string, unknown>, path.join("."))).toEqual([value]);
      }),
    );
  });

  test("is never anything that the claims do not have themselves", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.oneof(fc.string(), fc.constantFrom("constructor", "__proto__.polluted", "toString.name")),
        (value, path) => {
          const found = claimAt(value, path);
          if (found !== undefined) expect(JSON.stringify(value)).toContain(JSON.stringify(found));
        },
      ),
    );
  });
});

describe("values", () => {
  test.each<[ClaimValues, readonly string[]]>([
    [["worker"], ["worker"]],
    [{ claim: "groups", map: null }, ["ops", "dev"]],
    [{ claim: "groups", map: { ops: "operator" } }, ["operator"]],
    [{ claim: "groups", map: { ops: "operator", dev: "operator" } }, ["operator"]],
    [{ claim: "groups", map: {} }, []],
    [{ claim: "missing", map: null }, []],
  ])("%j → %j", (from, values) => {
    expect(valuesOf(claims, from)).toEqual(values);
  });

  test("a map gives nothing that it does not have itself", () => {
    expect(valuesOf({ groups: ["constructor", "__proto__", "toString"] }, { claim: "groups", map: { ops: "operator" } })).toEqual([]);
  });
});

const issuer: TokenIssuer = {
  issuer: "https://id.example.com",
  audience: ["holdfast"],
  jwksUri: null,
  jwks: null,
  algorithms: ["RS256"],
  clockTolerance: 0,
  subjectClaim: "sub",
  prefix: "",
  kind: "service",
  roles: { claim: "roles", map: null },
  namespaces: { claim: "namespaces", map: null },
  grants: { claim: "grants", map: null },
  taskQueues: { claim: "queues", map: null },
  allowPrivate: false,
};

describe("what a claim would give that is not there is not given", () => {
  test.each<[object, object]>([
    [
      { roles: ["worker"], namespaces: ["a"], queues: ["q"] },
      { grants: [{ namespaces: ["a"], roles: ["worker"] }], taskQueues: ["q"] },
    ],
    [{ roles: ["worker"] }, { grants: [], taskQueues: [] }],
    [{ namespaces: ["a"] }, { grants: [], taskQueues: [] }],
    [
      { roles: { admin: true }, namespaces: 5 },
      { grants: [], taskQueues: [] },
    ],
  ])("%j → %j", (given, expected) => {
    expect(principalOfClaims(issuer, { sub: "ada", ...given }, 1)).toMatchObject(expected);
  });
});

test("each role counts in each namespace, and what is granted in one counts there alone", () => {
  const given = { roles: ["auditor"], namespaces: ["a", "b"], grants: ["a:developer", "team-*:worker"] };
  expect(principalOfClaims(issuer, { sub: "ada", ...given }, 1)?.grants).toEqual([
    { namespaces: ["a", "b"], roles: ["auditor"] },
    { namespaces: ["a"], roles: ["developer"] },
    { namespaces: ["team-*"], roles: ["worker"] },
  ]);
});

describe("a person or a program", () => {
  const byClaim: KindByClaim = { claim: "typ", human: ["user", "admin"] };
  test.each<[TokenIssuer["kind"], object, string]>([
    ["human", {}, "human"],
    ["service", {}, "service"],
    [byClaim, { typ: "user" }, "human"],
    [byClaim, { typ: ["x", "admin"] }, "human"],
    [byClaim, { typ: "client" }, "service"],
    [byClaim, {}, "service"],
  ])("%j, %j → %s", (kind, given, expected) => {
    expect(principalOfClaims({ ...issuer, kind }, { sub: "ada", ...given }, 1)?.kind).toBe(expected);
  });
});

test.each<[string, string, object, string | null]>([
  ["sub", "", { sub: "ada" }, "ada"],
  ["email", "", { sub: "1", email: "ada@example.com" }, "ada@example.com"],
  ["sub", "corp/", { sub: "ada" }, "corp/ada"],
  ["sub", "corp/", { sub: "" }, null],
  ["sub", "", { sub: 5 }, null],
  ["sub", "", { sub: ["ada"] }, null],
  ["email", "", { sub: "ada" }, null],
])("the id by `%s` after %j of %j is %j", (subjectClaim, prefix, given, id) => {
  expect(principalOfClaims({ ...issuer, subjectClaim, prefix }, { ...given }, 1)?.id ?? null).toBe(id);
});
