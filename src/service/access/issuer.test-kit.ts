import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from "jose";
import { defaultTokenAlgorithms, type TokenAlgorithm, type TokenIssuer } from "../../access/token-issuer.ts";

export type SigningKey = { readonly id: string; readonly algorithm: string; readonly privateKey: CryptoKey; readonly publicKey: JWK };

export async function newSigningKey(id: string, algorithm: TokenAlgorithm = "ES256"): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { id, algorithm, privateKey, publicKey: { ...(await exportJWK(publicKey)), kid: id, alg: algorithm, use: "sig" } };
}

/** Members of a token, also wrong ones. Those that are undefined are left out. */
export type Members = { readonly [name: string]: unknown };

/** With no claims but the given ones. */
export const signed = (key: SigningKey, claims: Members, header: Members = {}): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: key.algorithm, kid: key.id, ...header } as JWTHeaderParameters).sign(key.privateKey);

/** An OpenID provider as far as servers of resources need one, on loopback. */
export type TestIssuer = {
  readonly url: string;
  /** What it publishes; changed by tests. */
  keys: readonly SigningKey[];
  /** Paths that were asked for. */
  readonly requests: string[];
  /** Answers in its place; null: it answers itself. */
  answer: ((request: IncomingMessage, response: ServerResponse) => void) | null;
  /** Settings that trust it. */
  settings(over?: Partial<TokenIssuer>): TokenIssuer;
  /** A token that is good at `now`, signed with the newest key. */
  token(now: number, claims?: Members, header?: Members): Promise<string>;
  stop(): Promise<void>;
};

export async function startTestIssuer(): Promise<TestIssuer> {
  const json = (response: ServerResponse, body: unknown): void => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const server = createServer((request, response) => {
    const { url = "" } = request;
    issuer.requests.push(url);
    if (issuer.answer !== null) issuer.answer(request, response);
    else if (url === "/.well-known/openid-configuration") json(response, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` });
    else if (url === "/keys") json(response, { keys: issuer.keys.map(({ publicKey }) => publicKey) });
    else response.writeHead(404).end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer: TestIssuer = {
    url,
    keys: [await newSigningKey("first")],
    requests: [],
    answer: null,
    settings: (over = {}) => ({ ...trusted(url), ...over }),
    token: (now, claims = {}, header = {}) => {
      const key = issuer.keys.at(-1);
      if (key === undefined) throw new Error("the issuer has no key");
      const seconds = Math.floor(now / 1_000);
      return signed(key, { iss: url, aud: "holdfast", sub: "ada", iat: seconds, exp: seconds + 300, ...claims }, header);
    },
    stop: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
  return issuer;
}

/** Roles, namespaces and grants are claims of the same names. */
export const trusted = (issuer: string): TokenIssuer => ({
  issuer,
  audience: ["holdfast"],
  jwksUri: null,
  jwks: null,
  algorithms: defaultTokenAlgorithms,
  clockTolerance: 30_000,
  subjectClaim: "sub",
  prefix: "",
  kind: "human",
  roles: { claim: "roles", map: null },
  namespaces: { claim: "namespaces", map: null },
  grants: { claim: "grants", map: null },
  taskQueues: null,
  allowPrivate: true,
});
