import { createHmac, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { exportSPKI, importJWK } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { type TokenIssuer, tokenAlgorithms } from "../../access/token-issuer.ts";
import { silentLog } from "../../telemetry/log.ts";
import { type Members, newSigningKey, type SigningKey, signed, trusted } from "./issuer.test-kit.ts";
import { createTokenVerifier, tokenLengthMax } from "./token-verifier.ts";

const now = 1_800_000_000_000;
const seconds = now / 1_000;
const issuerName = "https://id.example.com";
const deps = { now: () => now, log: silentLog, signal: new AbortController().signal };

let key: SigningKey;
let rsaKey: SigningKey;
beforeAll(async () => {
  key = await newSigningKey("first");
  rsaKey = await newSigningKey("rsa", "RS256");
});

/** Trusts keys that are given, so that nothing is fetched. */
const offline = (over: Partial<TokenIssuer> = {}): TokenIssuer => ({
  ...trusted(issuerName),
  jwks: { keys: [key.publicKey, rsaKey.publicKey] },
  allowPrivate: false,
  ...over,
});
const verify = (token: string, over: Partial<TokenIssuer> = {}) => createTokenVerifier([offline(over)], deps).verify(token);
const good: Members = { iss: issuerName, aud: "holdfast", sub: "ada", exp: seconds + 60 };
const token = (claims: Members = {}, header = {}) => signed(key, { ...good, ...claims }, header);
const refused = (error: string) => ({ ok: false, error });
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

test("a token becomes the principal that its claims name", async () => {
  expect(await verify(await token({ roles: ["developer"], namespaces: ["orders", "billing-*"] }))).toEqual({
    ok: true,
    value: {
      id: "ada",
      kind: "human",
      grants: [{ namespaces: ["orders", "billing-*"], roles: ["developer"] }],
      taskQueues: null,
      credential: { kind: "jwt", id: `${issuerName}#ada` },
      // With what its clock may be off.
      expiresAt: now + 90_000,
    },
  });
});

test.each(tokenAlgorithms)("signatures by %s are checked", async (algorithm) => {
  const own = await newSigningKey("own", algorithm);
  const over = { jwks: { keys: [own.publicKey] }, algorithms: [algorithm] };
  expect(await verify(await signed(own, good), over)).toMatchObject({ ok: true, value: { id: "ada" } });
  const other = await newSigningKey("own", algorithm);
  expect(await verify(await signed(other, good), over)).toEqual(refused("bad-signature"));
});

describe("claims", () => {
  test.each<[Members, string]>([
    [{ iss: "https://evil.example.com" }, "unknown-issuer"],
    [{ iss: `${issuerName}/` }, "unknown-issuer"],
    [{ iss: undefined }, "missing-claim"],
    [{ aud: "other" }, "wrong-audience"],
    [{ aud: ["other", "holdfast2"] }, "wrong-audience"],
    [{ aud: undefined }, "missing-claim"],
    [{ aud: ["other", "holdfast"] }, "accepted"],
    [{ exp: undefined }, "missing-claim"],
    [{ exp: seconds - 31 }, "expired"],
    [{ exp: seconds - 29 }, "accepted"],
    [{ nbf: seconds + 31 }, "not-yet-valid"],
    [{ nbf: seconds + 29 }, "accepted"],
    [{ iat: seconds + 31 }, "not-yet-valid"],
    [{ iat: seconds + 29 }, "accepted"],
    [{ sub: undefined }, "missing-claim"],
    [{ sub: "" }, "missing-claim"],
    [{ sub: "ada\nroot" }, "missing-claim"],
    [{ sub: "a".repeat(257) }, "missing-claim"],
  ])("%j → %s", async (claims, outcome) => {
    const verified = await verify(await token(claims));
    expect(verified.ok ? "accepted" : verified.error).toBe(outcome);
  });

  test.each([{ exp: "soon" }, { nbf: {} }, { iat: "1" }, { iss: 5 }, { iss: ["https://id.example.com"] }])(
    "%j is malformed",
    async (claims) => {
      expect(await verify(await token(claims))).toEqual(refused("malformed"));
    },
  );
});

describe("the header", () => {
  test.each<[object, string]>([
    [{ kid: "unknown" }, "bad-signature"],
    [{ kid: undefined }, "accepted"],
    [{ kid: "rsa" }, "bad-signature"],
    [{ typ: "at+jwt" }, "accepted"],
    [{ typ: "application/at+jwt" }, "accepted"],
    [{ typ: "logout+jwt" }, "malformed"],
    [{ typ: "dpop+jwt" }, "malformed"],
  ])("%j → %s", async (header, outcome) => {
    const verified = await verify(await token({}, header));
    expect(verified.ok ? "accepted" : verified.error).toBe(outcome);
  });

  test("what is critical and not understood is malformed", async () => {
    const [, payload, signature] = (await token()).split(".");
    for (const crit of [["exp"], ["b64"], []])
      expect(await verify(`${encoded({ alg: "ES256", kid: "first", crit, b64: true, exp: 1 })}.${payload}.${signature}`)).toEqual(
        refused("malformed"),
      );
  });
});

describe("attacks", () => {
  test.each(["none", "None", "NONE", "nOnE", ""])("the algorithm %j", async (alg) => {
    expect(await verify(`${encoded({ alg, kid: "first" })}.${encoded(good)}.`)).toEqual(refused("wrong-algorithm"));
  });

  test.each(["HS256", "HS384", "HS512"])("a public key as the secret of %s", async (alg) => {
    const pem = await exportSPKI((await importJWK(rsaKey.publicKey, "RS256", { extractable: true })) as Parameters<typeof exportSPKI>[0]);
    for (const secret of [pem, pem.trim(), JSON.stringify(rsaKey.publicKey), Buffer.from(String(rsaKey.publicKey.n), "base64url")]) {
      const signedPart = `${encoded({ alg, kid: "rsa" })}.${encoded(good)}`;
      const mac = createHmac(`sha${alg.slice(2)}`, secret)
        .update(signedPart)
        .digest("base64url");
      expect(await verify(`${signedPart}.${mac}`)).toEqual(refused("wrong-algorithm"));
    }
  });

  test("an algorithm that the issuer's key has, but the settings do not allow", async () => {
    expect(await verify(await signed(rsaKey, good), { algorithms: ["ES256"] })).toEqual(refused("wrong-algorithm"));
  });

  test("an algorithm of the same kind that is not that of the key", async () => {
    const pss = { ...rsaKey, algorithm: "PS256", privateKey: (await newSigningKey("rsa", "PS256")).privateKey };
    expect(await verify(await signed(pss, good))).toEqual(refused("bad-signature"));
  });

  test("keys that the token brings along, or says where to find, are not looked at", async () => {
    const own = await newSigningKey("first");
    const brought = { jwk: own.publicKey, jku: "https://evil.example.com/keys", x5u: "https://evil.example.com/cert", x5c: ["MIIB"] };
    for (const kid of ["first", "own", undefined])
      expect(await verify(await signed(own, good, { ...brought, kid }))).toEqual(refused("bad-signature"));
    // Nor do they harm one that is good without them.
    expect(await verify(await token({}, brought))).toMatchObject({ ok: true });
  });

  test("a key of one issuer signs for none of the others", async () => {
    const other = await newSigningKey("first");
    const verifier = createTokenVerifier(
      [offline({ prefix: "a/" }), offline({ issuer: "https://b.example.com", prefix: "b/", jwks: { keys: [other.publicKey] } })],
      deps,
    );
    expect(await verifier.verify(await signed(other, { ...good, iss: "https://b.example.com" }))).toMatchObject({ value: { id: "b/ada" } });
    expect(await verifier.verify(await signed(other, good))).toEqual(refused("bad-signature"));
  });

  test("a token that was changed", async () => {
    const [header, , signature] = (await token()).split(".");
    expect(await verify(`${header}.${encoded({ ...good, sub: "root" })}.${signature}`)).toEqual(refused("bad-signature"));
    expect(await verify(`${header}.${encoded(good)}.`)).toEqual(refused("bad-signature"));
  });

  test("ids of keys that are names of every object", async () => {
    for (const kid of ["__proto__", "constructor", "toString", "../../etc/passwd"])
      expect(await verify(await token({}, { kid }))).toEqual(refused("bad-signature"));
  });

  test("a key that is too short is none", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    const weak = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "weak" }] };
    expect(privateKey.type).toBe("private");
    const [, payload, signature] = (await token()).split(".");
    expect(await verify(`${encoded({ alg: "RS256", kid: "weak" })}.${payload}.${signature}`, { jwks: weak })).toEqual(
      refused("unavailable"),
    );
  });

  test.each([
    ["nothing", ""],
    ["no token", "abc"],
    ["two parts", "a.b"],
    ["encrypted ones", "a.b.c.d.e"],
    ["a header that is no object", `${encoded([])}.${encoded(good)}.x`],
    ["a payload that is no object", `${encoded({ alg: "ES256" })}.${encoded("x")}.x`],
    ["characters that are not of base64url", `${encoded({ alg: "ES256" })}.${encoded(good)}=.x`],
    ["too much", "a".repeat(tokenLengthMax + 1)],
  ])("%s", async (_, text) => {
    expect(await verify(text)).toEqual(refused("malformed"));
  });

  test("no text makes it throw", async () => {
    const verifier = createTokenVerifier([offline()], deps);
    const part = fc.oneof(
      fc.string(),
      fc.json().map((json) => Buffer.from(json).toString("base64url")),
    );
    const header = fc
      .record({ alg: fc.constantFrom("ES256", "RS256", "none"), kid: fc.anything(), typ: fc.constantFrom("JWT", "x") })
      .map(encoded);
    const payload = fc.record({ iss: fc.constant(issuerName), aud: fc.anything(), exp: fc.anything() }).map((one) => {
      try {
        return encoded(one);
      } catch {
        return encoded({});
      }
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(part, header), fc.oneof(part, payload), part, async (...parts) => {
        expect((await verifier.verify(parts.join("."))).ok).toBe(false);
      }),
    );
  });

  test("nothing that an issuer publishes makes it throw", async () => {
    const good = await token();
    const member = fc.oneof(fc.jsonValue(), fc.constantFrom("EC", "OKP", "P-256", "sig", "first", "ES256"));
    const published = fc.dictionary(
      fc.constantFrom("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops", "ext", "__proto__"),
      member,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ kty: fc.constantFrom("EC", "OKP") }).chain((one) => published.map((more) => ({ ...more, ...one })))),
        async (keys) => {
          const verified = await verify(good, { jwks: { keys } });
          expect(verified.ok ? "accepted" : verified.error).toMatch(/^(unavailable|bad-signature)$/);
        },
      ),
    );
  });
});

describe("tokens that do not name their key", () => {
  test("are held against all keys of their kind", async () => {
    const keys = await Promise.all(["a", "b", "c"].map((id) => newSigningKey(id)));
    const jwks = { keys: keys.map(({ publicKey: { kid: _, ...rest } }) => rest) };
    for (const one of keys) expect(await verify(await signed(one, good, { kid: undefined }), { jwks })).toMatchObject({ ok: true });
    expect(await verify(await signed(key, good, { kid: undefined }), { jwks })).toEqual(refused("bad-signature"));
    expect(await verify(await signed(keys[1] as SigningKey, { ...good, exp: 1 }, { kid: undefined }), { jwks })).toEqual(
      refused("expired"),
    );
  });
});

test("keys in a file", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "holdfast-keys-")), "keys.json");
  expect(await verify(await token(), { jwks: file })).toEqual(refused("unavailable"));
  writeFileSync(file, JSON.stringify({ keys: [key.publicKey] }));
  expect(await verify(await token(), { jwks: file })).toMatchObject({ ok: true });
});

test("how long a verification takes", async () => {
  const ed25519 = await newSigningKey("ed", "EdDSA");
  const verifier = createTokenVerifier([offline({ jwks: { keys: [key.publicKey, rsaKey.publicKey, ed25519.publicKey] } })], deps);
  const rounds = 200;
  const figures: string[] = [];
  for (const one of [rsaKey, key, ed25519]) {
    const text = await signed(one, { ...good, roles: ["developer"], namespaces: ["orders"] });
    for (let round = 0; round < 20; round++) await verifier.verify(text);
    const begin = performance.now();
    for (let round = 0; round < rounds; round++) await verifier.verify(text);
    figures.push(`${one.algorithm} ${Math.round(((performance.now() - begin) * 1_000) / rounds)} µs`);
  }
  console.info(`verification of a token: ${figures.join(", ")}`);
  expect(figures).toHaveLength(3);
});
