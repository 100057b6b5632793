import { SignJWT } from "jose";
import type { BuiltInRoleName } from "../../src/access/role.ts";
import { newSigningKey, signed } from "../../src/service/access/issuer.test-kit.ts";
import type { Issued } from "../../src/tls/certificate.test-kit.ts";
import { type AccessServer, own } from "./access-server.ts";
import type { Headers } from "./raw-client.ts";

/** What somebody presents, and who they are by it: a role in `own`, or nobody. */
export type Presented = {
  readonly what: string;
  readonly headers: Headers;
  readonly certificate?: Issued;
  readonly proves: BuiltInRoleName | null;
};

/** Names in certificates whose bearers are workers of `own`. */
export const workersOfOwn = {
  subject: "worker-*",
  id: "{name}",
  kind: "service",
  namespaces: [own],
  roles: ["worker"],
  taskQueues: null,
} as const;

/** Each kind of credential, right and wrong. Four of them are guesses, which cost an address nothing yet. */
export async function everyCredential(server: AccessServer): Promise<readonly Presented[]> {
  const grants = [{ namespaces: [own], roles: ["developer"] }];
  const valid = await server.key({ grants });
  const revoked = await server.key({ grants });
  await server.revoke(revoked.key);
  const expiresAt = Date.now() + 50;
  const expired = await server.key({ grants, expiresAt });
  while (Date.now() <= expiresAt) await new Promise((resolve) => setTimeout(resolve, 10));

  const { issuer, ca } = server;
  const claims = { roles: ["developer"], namespaces: [own] };
  const seconds = Math.floor(Date.now() / 1_000);
  const all = { iss: issuer.url, aud: "holdfast", sub: "eve", iat: seconds, exp: seconds + 300, ...claims };
  const [published] = issuer.keys;
  if (published === undefined) throw new Error("the issuer has no key");
  // The confusion of algorithms: what is public is taken for a shared secret.
  const shared = Buffer.from(JSON.stringify(published.publicKey));
  const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` });
  return [
    { what: "nothing", headers: {}, proves: null },
    { what: "a key", headers: bearer(valid.text), proves: "developer" },
    { what: "a key in a header of its own", headers: { "x-api-key": valid.text }, proves: "developer" },
    { what: "an expired key", headers: bearer(expired.text), proves: null },
    { what: "a revoked key", headers: bearer(revoked.text), proves: null },
    { what: "a key that there is not", headers: bearer(`hfk_${"0".repeat(16)}_${"A".repeat(43)}`), proves: null },
    { what: "the id of a key with another secret", headers: bearer(`hfk_${revoked.key.id}_${"A".repeat(43)}`), proves: null },
    { what: "a token", headers: bearer(await issuer.token(Date.now(), claims)), proves: "developer" },
    {
      what: "a token of another issuer",
      headers: bearer(await issuer.token(Date.now(), { ...claims, iss: "https://id.example.com" })),
      proves: null,
    },
    { what: "a token for another audience", headers: bearer(await issuer.token(Date.now(), { ...claims, aud: "another" })), proves: null },
    {
      what: "a token with another algorithm",
      headers: bearer(await new SignJWT(all).setProtectedHeader({ alg: "HS256", kid: published.id }).sign(shared)),
      proves: null,
    },
    { what: "an expired token", headers: bearer(await issuer.token(Date.now() - 3_600_000, claims)), proves: null },
    { what: "a token that somebody else has signed", headers: bearer(await signed(await newSigningKey(published.id), all)), proves: null },
    { what: "a certificate", headers: {}, certificate: ca.issue({ commonName: "worker-1" }), proves: "worker" },
    { what: "a certificate of nobody", headers: {}, certificate: ca.issue({ commonName: "eve" }), proves: null },
  ];
}
