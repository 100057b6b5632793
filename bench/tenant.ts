// Who calls a server that lets nobody in without a token: an issuer whose key the server knows from its start, so that nothing is fetched.

import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { TokenIssuer } from "../src/access/token-issuer.ts";
import { resolveConfig } from "../src/config/config.ts";

export type Issuer = {
  /** Settings of a server that trusts it. */
  readonly trusted: readonly TokenIssuer[];
  /** The same for the environment. */
  readonly env: { readonly [name: string]: string };
  /** For an administrator of one namespace, good for an hour. */
  token(namespace: string): Promise<string>;
};

const issuer = "https://bench.invalid";
const audience = "holdfast";

export async function createIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair("EdDSA", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: "bench", alg: "EdDSA", use: "sig" };
  const trusted = [{ issuer, audience, jwks: { keys: [jwk] }, roles: ["admin"], namespaces: "namespace" }];
  const resolved = resolveConfig([{ values: { auth: { jwt: trusted } }, nameOf: (path) => path.join(".") }]);
  if (!resolved.ok) throw new Error(resolved.error.join("; "));
  return {
    trusted: resolved.value.auth.jwt,
    env: { HOLDFAST_AUTH_REQUIRED: "true", HOLDFAST_AUTH_JWT: JSON.stringify(trusted) },
    token: (namespace) =>
      new SignJWT({ namespace })
        .setProtectedHeader({ alg: "EdDSA", kid: "bench" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(`bench-${namespace}`)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey),
  };
}
