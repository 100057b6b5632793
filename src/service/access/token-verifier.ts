import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify, type LocalJWKSet } from "jose";
import type { AccessPrincipal } from "../../access/principal.ts";
import { principalOfClaims, type TokenIssuer } from "../../access/token-issuer.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type EpochMs, secondMs } from "../../base/time.ts";
import { createIssuerKeys, type IssuerKeys, type IssuerKeysDeps } from "./issuer-keys.ts";

/** Safe to log and to say: none has a part of the token. */
export type TokenRefusal =
  | "malformed"
  | "unknown-issuer"
  | "wrong-audience"
  | "expired"
  | "not-yet-valid"
  | "wrong-algorithm"
  | "bad-signature"
  | "missing-claim"
  /** The issuer's keys cannot be had: it may work later. */
  | "unavailable";

export type TokenVerifier = {
  /**
   * Who the bearer of a token (a JWT, RFC 7519) is. Of what the token says about its own keys, only the id counts, and only among the keys of
   * its issuer. Refused before anything is asked when the issuer is unknown or the algorithm not one of its own.
   */
  verify(token: string): Promise<Result<AccessPrincipal, TokenRefusal>>;
  /** Reads the keys of all issuers, so that the first call need not wait. What cannot be read is logged, and read again when it is needed. */
  prepare(): Promise<void>;
};

/** In characters. */
export const tokenLengthMax = 16 * 2 ** 10;
/** Of keys that a token without a key's id may be signed with. */
const keysTriedMax = 16;
const epochMsMax: EpochMs = 8.64e15;

/** What a token for access may call itself; RFC 9068 has `at+jwt`. Tokens for other ends, such as those of logouts, have other types. */
const tokenTypes = ["jwt", "at+jwt"];

type KnownIssuer = { readonly issuer: TokenIssuer; readonly keys: IssuerKeys };

export function createTokenVerifier(issuers: readonly TokenIssuer[], deps: IssuerKeysDeps): TokenVerifier {
  const known = new Map<string, KnownIssuer>(issuers.map((issuer) => [issuer.issuer, { issuer, keys: createIssuerKeys(issuer, deps) }]));

  async function claimsOf(token: string, namesKey: boolean, { issuer, keys }: KnownIssuer): Promise<Result<JWTPayload, TokenRefusal>> {
    const current = await keys.current();
    if (current === null) return err("unavailable");
    const options: JWTVerifyOptions = {
      issuer: issuer.issuer,
      audience: [...issuer.audience],
      algorithms: [...issuer.algorithms],
      requiredClaims: ["exp"],
      clockTolerance: issuer.clockTolerance / secondMs,
      currentDate: new Date(deps.now()),
    };
    const checked = await checkedWith(current.find, token, options);
    // A token that does not name its key may have been signed with a new one as well.
    const mayHaveNewKey = !checked.ok && (checked.error === "no-key" || (checked.error === "bad-signature" && !namesKey));
    if (!mayHaveNewKey) return orBadSignature(checked);
    const renewed = await keys.after(current);
    if (renewed === null) return err("unavailable");
    return renewed === current ? err("bad-signature") : orBadSignature(await checkedWith(renewed.find, token, options));
  }

  return {
    verify: async (token) => {
      const read = readUnverified(token);
      if (!read.ok) return read;
      const { algorithm, namesKey, issuer: name } = read.value;
      const found = known.get(name);
      if (found === undefined) return err("unknown-issuer");
      if (!found.issuer.algorithms.some((allowed) => allowed === algorithm)) return err("wrong-algorithm");
      const claims = await claimsOf(token, namesKey, found);
      if (!claims.ok) return claims;
      const { exp = 0, iat = 0 } = claims.value;
      const { clockTolerance } = found.issuer;
      if (iat * secondMs > deps.now() + clockTolerance) return err("not-yet-valid");
      const principal = principalOfClaims(found.issuer, claims.value, Math.min(exp * secondMs + clockTolerance, epochMsMax));
      return principal === null ? err("missing-claim") : ok(principal);
    },
    prepare: async () => {
      await Promise.all([...known.values()].map(({ keys }) => keys.current()));
    },
  };
}

type Unverified = { readonly algorithm: string; readonly namesKey: boolean; readonly issuer: string };

/** What decides whose keys are asked for. Nothing of it is believed yet. */
function readUnverified(token: string): Result<Unverified, TokenRefusal> {
  if (token.length > tokenLengthMax) return err("malformed");
  try {
    const { alg, kid, typ = "JWT", crit } = decodeProtectedHeader(token);
    // RFC 7515, section 4.1.11: what is critical has to be understood, and there is nothing more that is understood here.
    if (typeof alg !== "string" || crit !== undefined || (kid !== undefined && typeof kid !== "string")) return err("malformed");
    if (typeof typ !== "string" || !tokenTypes.includes(typ.toLowerCase().replace(/^application\//, ""))) return err("malformed");
    const { iss } = decodeJwt(token);
    if (iss === undefined) return err("missing-claim");
    return typeof iss === "string" ? ok({ algorithm: alg, namesKey: kid !== undefined, issuer: iss }) : err("malformed");
  } catch {
    return err("malformed");
  }
}

type Checked = Result<JWTPayload, TokenRefusal | "no-key">;

const orBadSignature = (checked: Checked): Result<JWTPayload, TokenRefusal> =>
  checked.ok ? checked : err(checked.error === "no-key" ? "bad-signature" : checked.error);

async function checkedWith(find: LocalJWKSet, token: string, options: JWTVerifyOptions): Promise<Checked> {
  try {
    return ok((await jwtVerify(token, (header, input) => found(find, header, input), options)).payload);
  } catch (error) {
    return error instanceof errors.JWKSMultipleMatchingKeys ? checkedWithAny(error, token, options) : err(refusalOf(error));
  }
}

type FindArguments = Parameters<LocalJWKSet>;

/** A key that an issuer has published in a form that cannot be read is its mistake, not ours. */
async function found(find: LocalJWKSet, header: FindArguments[0], input: FindArguments[1]): ReturnType<LocalJWKSet> {
  try {
    return await find(header, input);
  } catch (error) {
    throw error instanceof errors.JOSEError ? error : new errors.JWKSNoMatchingKey("the key cannot be read", { cause: error });
  }
}

/** Of a token without a key's id, any key of its kind may be the right one. */
async function checkedWithAny(several: errors.JWKSMultipleMatchingKeys, token: string, options: JWTVerifyOptions): Promise<Checked> {
  let tried = 0;
  for await (const key of several) {
    if (++tried > keysTriedMax) break;
    try {
      return ok((await jwtVerify(token, key, options)).payload);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return err(refusalOf(error));
    }
  }
  return err("bad-signature");
}

function refusalOf(error: unknown): TokenRefusal | "no-key" {
  if (error instanceof errors.JWKSNoMatchingKey) return "no-key";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "bad-signature";
  if (error instanceof errors.JOSEAlgNotAllowed) return "wrong-algorithm";
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === "missing") return "missing-claim";
    if (error.reason === "check_failed" && error.claim === "aud") return "wrong-audience";
    return error.reason === "check_failed" && error.claim === "nbf" ? "not-yet-valid" : "malformed";
  }
  if (error instanceof errors.JOSEError) return "malformed";
  throw error;
}
