// Tokens are verified against an OpenID provider on loopback: where its keys come from, for how long they count, and what it cannot make us do.
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TokenIssuer } from "../../access/token-issuer.ts";
import type { Log } from "../../telemetry/log.ts";
import { newSigningKey, startTestIssuer, type TestIssuer } from "./issuer.test-kit.ts";
import { type IssuerKeysDeps, keysCooldown, keysFreshMax, keysUsableMax } from "./issuer-keys.ts";
import { createTokenVerifier, type TokenVerifier } from "./token-verifier.ts";

let issuer: TestIssuer;
let now: number;
let problems: string[];

beforeEach(async () => {
  issuer = await startTestIssuer();
  now = 1_800_000_000_000;
  problems = [];
});
afterEach(() => issuer.stop());

const log: Pick<Log, "warn"> = { warn: (_, fields) => problems.push(String(fields?.problem)) };
const verifierOf = (over: Partial<TokenIssuer> = {}, deps: Partial<IssuerKeysDeps> = {}): TokenVerifier =>
  createTokenVerifier([issuer.settings(over)], { now: () => now, log, signal: new AbortController().signal, ...deps });
const outcome = async (verifier: TokenVerifier, token: string): Promise<string> => {
  const verified = await verifier.verify(token);
  return verified.ok ? "accepted" : verified.error;
};
const fetches = (): number => issuer.requests.filter((path) => path === "/keys").length;
/** Until the issuer has answered a request for its keys that nobody waits for. */
const refreshed = async (verifier: TokenVerifier, count: number): Promise<void> => {
  while (fetches() < count) await new Promise((resolve) => setImmediate(resolve));
  await verifier.prepare();
};

test("keys are found by discovery, once for any number of tokens", async () => {
  const verifier = verifierOf();
  const tokens = await Promise.all(["ada", "bob", "eve"].map((sub) => issuer.token(now, { sub })));
  expect(await Promise.all(tokens.map((token) => outcome(verifier, token)))).toEqual(["accepted", "accepted", "accepted"]);
  expect(issuer.requests).toEqual(["/.well-known/openid-configuration", "/keys"]);
});

test("keys are found where the settings say", async () => {
  expect(await outcome(verifierOf({ jwksUri: `${issuer.url}/keys` }), await issuer.token(now))).toBe("accepted");
  expect(issuer.requests).toEqual(["/keys"]);
});

test("they can be read before the first token comes", async () => {
  const verifier = verifierOf();
  await verifier.prepare();
  issuer.requests.length = 0;
  expect(await outcome(verifier, await issuer.token(now))).toBe("accepted");
  expect(issuer.requests).toEqual([]);
});

test("nothing is asked for tokens of unknown issuers, or with algorithms that are not allowed", async () => {
  const verifier = verifierOf({ algorithms: ["RS256"] });
  expect(await outcome(verifier, await issuer.token(now, { iss: "https://evil.example.com" }))).toBe("unknown-issuer");
  expect(await outcome(verifier, await issuer.token(now))).toBe("wrong-algorithm");
  expect(issuer.requests).toEqual([]);
});

describe("when keys change", () => {
  test("a token with a new one is accepted at once, also by those who come meanwhile", async () => {
    const verifier = verifierOf();
    const old = await issuer.token(now);
    expect(await outcome(verifier, old)).toBe("accepted");
    issuer.keys = [...issuer.keys, await newSigningKey("second")];
    const tokens = await Promise.all(["ada", "bob", "eve"].map((sub) => issuer.token(now, { sub })));
    expect(await Promise.all(tokens.map((token) => outcome(verifier, token)))).toEqual(["accepted", "accepted", "accepted"]);
    expect(fetches()).toBe(2);
    expect(await outcome(verifier, old)).toBe("accepted");
  });

  test("one that is gone is refused when the keys were read again", async () => {
    const verifier = verifierOf();
    const old = await issuer.token(now);
    await verifier.prepare();
    issuer.keys = [await newSigningKey("second")];
    expect(await outcome(verifier, await issuer.token(now))).toBe("accepted");
    expect(await outcome(verifier, old)).toBe("bad-signature");
  });

  test("keys are read again after a while, and nobody waits for it", async () => {
    const verifier = verifierOf();
    await verifier.prepare();
    now += keysFreshMax;
    expect(await outcome(verifier, await issuer.token(now))).toBe("accepted");
    await refreshed(verifier, 2);
    expect(await outcome(verifier, await issuer.token(now))).toBe("accepted");
    expect(fetches()).toBe(2);
  });

  test("an issuer that does not name its keys may change them too", async () => {
    const anonymous = async () => {
      const key = await newSigningKey("");
      const { kid: _, ...publicKey } = key.publicKey;
      return { ...key, publicKey };
    };
    issuer.keys = [await anonymous()];
    const verifier = verifierOf();
    await verifier.prepare();
    issuer.keys = [await anonymous()];
    expect(await outcome(verifier, await issuer.token(now, {}, { kid: undefined }))).toBe("accepted");
  });

  test("tokens with keys that there are not make it look only now and then", async () => {
    const verifier = verifierOf();
    await verifier.prepare();
    for (let count = 0; count < 20; count++)
      expect(await outcome(verifier, await issuer.token(now, {}, { kid: `k${count}` }))).toBe("bad-signature");
    expect(fetches()).toBe(2);
    now += keysCooldown;
    expect(await outcome(verifier, await issuer.token(now, {}, { kid: "another" }))).toBe("bad-signature");
    expect(fetches()).toBe(3);
  });
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const down: Answer = (_, response) => response.writeHead(503).end();

describe("while the issuer is down", () => {
  test("known keys go on for an hour, then it cannot be said who it is", async () => {
    const verifier = verifierOf();
    await verifier.prepare();
    issuer.answer = down;
    now += keysUsableMax - 1;
    expect(await outcome(verifier, await issuer.token(now))).toBe("accepted");
    now += 1;
    expect(await outcome(verifier, await issuer.token(now))).toBe("unavailable");
    issuer.answer = null;
    now += keysCooldown;
    expect(await outcome(verifier, await issuer.token(now))).toBe("accepted");
  });

  test("a token with an unknown key may be good", async () => {
    const verifier = verifierOf();
    await verifier.prepare();
    issuer.answer = down;
    issuer.keys = [await newSigningKey("second")];
    expect(await outcome(verifier, await issuer.token(now))).toBe("unavailable");
    expect(await outcome(verifier, await issuer.token(now))).toBe("unavailable");
    issuer.answer = null;
    now += keysCooldown;
    expect(await outcome(verifier, await issuer.token(now))).toBe("accepted");
  });

  test("it is not asked again for every call", async () => {
    issuer.answer = down;
    const verifier = verifierOf();
    for (let count = 0; count < 20; count++) expect(await outcome(verifier, await issuer.token(now))).toBe("unavailable");
    expect(issuer.requests).toHaveLength(1);
    now += keysCooldown;
    expect(await outcome(verifier, await issuer.token(now))).toBe("unavailable");
    expect(issuer.requests).toHaveLength(2);
  });

  test("nothing is left open when the server stops", async () => {
    const asked = new Promise<void>((resolve) => {
      issuer.answer = () => resolve();
    });
    const stopping = new AbortController();
    const pending = outcome(verifierOf({}, { signal: stopping.signal }), await issuer.token(now));
    await asked;
    stopping.abort();
    expect(await pending).toBe("unavailable");
    expect(problems).toEqual([]);
  });
});

describe("what an issuer cannot do", () => {
  const json =
    (body: unknown): Answer =>
    (_, response) =>
      response.writeHead(200).end(JSON.stringify(body));
  const host = "`127.0.0.1`";

  test.each<[string, Answer, string]>([
    [
      "lead to another address",
      (_, response) => response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data" }).end(),
      `${host} answered 302, and redirects are not followed`,
    ],
    ["send too much", (_, response) => response.writeHead(200).end("x".repeat(300 * 1_024)), `${host} answered with more than 65536 bytes`],
    ["send something else", (_, response) => response.writeHead(200).end("<html>"), `${host} has something that is no JSON`],
    ["break off", (_, response) => response.destroy(), `cannot reach ${host}: ECONNRESET`],
    [
      "speak for another one",
      json({ issuer: "https://other.example.com", jwks_uri: "https://other.example.com/keys" }),
      "what was found is the configuration of another issuer",
    ],
  ])("%s", async (_, answer, problem) => {
    issuer.answer = answer;
    expect(await outcome(verifierOf(), await issuer.token(now))).toBe("unavailable");
    expect(problems).toEqual([problem]);
  });

  test.each([null, 5, "file:///etc/passwd", "javascript:1", "not a URL"])("name %j as the place of its keys", async (uri) => {
    issuer.answer = json({ issuer: issuer.url, jwks_uri: uri });
    expect(await outcome(verifierOf(), await issuer.token(now))).toBe("unavailable");
    expect(problems).toEqual(["its configuration has no `jwks_uri` that may be fetched"]);
  });

  test.each<[string, unknown, string]>([
    ["no list", {}, "there is no list of keys"],
    ["none", { keys: [] }, "there is no public key for signatures"],
    ["secrets alone", { keys: [{ kty: "oct", k: "c2VjcmV0" }] }, "there is no public key for signatures"],
    ["too many", { keys: Array.from({ length: 101 }, () => ({ kty: "EC" })) }, "there are more than 100 keys"],
  ])("have %s as its keys", async (_, keys, problem) => {
    issuer.answer = json(keys);
    expect(await outcome(verifierOf({ jwksUri: `${issuer.url}/keys` }), await issuer.token(now))).toBe("unavailable");
    expect(problems).toEqual([problem]);
  });

  test("make us ask a private address, by its configuration or by its name", async () => {
    const token = await issuer.token(now);
    expect(await outcome(verifierOf({ allowPrivate: false }), token)).toBe("unavailable");
    const rebound = { issuer: "http://id.example.com", jwksUri: "http://id.example.com/keys", allowPrivate: false };
    const lookup = async () => [{ address: "127.0.0.1", family: 4 }];
    expect(await outcome(verifierOf(rebound, { lookup }), await issuer.token(now, { iss: rebound.issuer }))).toBe("unavailable");
    // The host that may be private is the one that is named.
    issuer.answer = json({ issuer: issuer.url, jwks_uri: "https://10.0.0.1/keys" });
    expect(await outcome(verifierOf({ allowPrivate: ["127.0.0.1"] }), token)).toBe("unavailable");
    expect(problems).toEqual([
      `${host} has no public address, and \`auth.jwt.allowPrivate\` does not name it`,
      "`id.example.com` has no public address, and `auth.jwt.allowPrivate` does not name it",
      "`10.0.0.1` has no public address, and `auth.jwt.allowPrivate` does not name it",
    ]);
    expect(issuer.requests).toEqual(["/.well-known/openid-configuration"]);
  });

  test("keep callers waiting", async () => {
    issuer.answer = (_, response) => response.writeHead(200).write("{");
    const begin = performance.now();
    expect(await outcome(verifierOf({}, { timeout: 50 }), await issuer.token(now))).toBe("unavailable");
    expect(performance.now() - begin).toBeLessThan(4_000);
    expect(problems).toEqual([`${host} did not answer within 50 ms`]);
  });
});

test("what is logged has nothing of the token", async () => {
  issuer.answer = down;
  const token = await issuer.token(now);
  await outcome(verifierOf(), token);
  for (const part of token.split(".")) expect(problems.join("\n")).not.toContain(part);
});
