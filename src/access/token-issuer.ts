import type { DurationMs, EpochMs } from "../base/time.ts";
import { type Claims, type ClaimValues, claimAt, textsAt, valuesOf } from "./claim.ts";
import type { AccessPrincipal, Grant } from "./principal.ts";
import { isPrincipalId } from "./principal-id.ts";

/** Signatures that a public key checks. Those of shared secrets (`HS256`) and `none` are not among them, so that no setting can allow them. */
export const tokenAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;
export type TokenAlgorithm = (typeof tokenAlgorithms)[number];
export const defaultTokenAlgorithms: readonly TokenAlgorithm[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

/** Keys as JSON. Source: RFC 7517, section 5. */
export type JsonWebKeys = { readonly keys: readonly { readonly [member: string]: unknown }[] };

/** Whoever has one of the values of a claim is a person, everybody else a program. */
export type KindByClaim = { readonly claim: string; readonly human: readonly string[] };

/** Somebody whose signed tokens (JWT) say who their bearer is, and what its claims are worth here. */
export type TokenIssuer = {
  /** Exactly as in the claim `iss`. */
  readonly issuer: string;
  /** The claim `aud` has to have one of them. */
  readonly audience: readonly string[];
  /** Where its keys are; null: where `<issuer>/.well-known/openid-configuration` says, unless `jwks` has them. */
  readonly jwksUri: string | null;
  /** The keys themselves, or the name of a file with them; null: they are fetched. */
  readonly jwks: string | JsonWebKeys | null;
  readonly algorithms: readonly TokenAlgorithm[];
  /** How far its clock may be off. */
  readonly clockTolerance: DurationMs;
  /** Path of the claim that names the subject. */
  readonly subjectClaim: string;
  /** Stands before the subject in the id of a principal, so that two issuers never name the same one. */
  readonly prefix: string;
  readonly kind: AccessPrincipal["kind"] | KindByClaim;
  readonly roles: ClaimValues;
  /** Each of `roles` counts in each of them. */
  readonly namespaces: ClaimValues;
  /** Roles that count in one namespace alone, as `namespace:role`. */
  readonly grants: ClaimValues;
  /** null: any. */
  readonly taskQueues: ClaimValues | null;
  /** Whether its hosts may have addresses that are not public: all of them, none, or these. */
  readonly allowPrivate: boolean | readonly string[];
};

/**
 * Who the bearer of a token with these claims is; null if they do not name anybody. What a claim that is not there would give is not given.
 */
export function principalOfClaims(issuer: TokenIssuer, claims: Claims, expiresAt: EpochMs): AccessPrincipal | null {
  const subject = claimAt(claims, issuer.subjectClaim);
  const id = typeof subject === "string" && subject !== "" ? `${issuer.prefix}${subject}` : "";
  if (!isPrincipalId(id)) return null;
  return {
    id,
    kind: kindOf(issuer.kind, claims),
    grants: grantsOf(issuer, claims),
    taskQueues: issuer.taskQueues === null ? null : valuesOf(claims, issuer.taskQueues),
    credential: { kind: "jwt", id: `${issuer.issuer}#${id.slice(issuer.prefix.length)}` },
    expiresAt,
  };
}

function grantsOf(issuer: TokenIssuer, claims: Claims): readonly Grant[] {
  const roles = valuesOf(claims, issuer.roles);
  const namespaces = valuesOf(claims, issuer.namespaces);
  const single = valuesOf(claims, issuer.grants).flatMap((text) => grantOf(text) ?? []);
  return roles.length === 0 || namespaces.length === 0 ? single : [{ namespaces, roles }, ...single];
}

/** Reads `namespace:role`; null for anything else. */
export function grantOf(text: string): Grant | null {
  const [, namespace, role] = /^([^:]+):([^:]+)$/.exec(text) ?? [];
  return namespace === undefined || role === undefined ? null : { namespaces: [namespace], roles: [role] };
}

function kindOf(kind: TokenIssuer["kind"], claims: Claims): AccessPrincipal["kind"] {
  if (typeof kind === "string") return kind;
  return textsAt(claims, kind.claim).some((value) => kind.human.includes(value)) ? "human" : "service";
}

/** Whether keys may come from a URL: whoever is on the way could change what comes without TLS, so that only named hosts are asked so. */
export const mayBeFetched = ({ protocol, hostname }: URL, allowPrivate: TokenIssuer["allowPrivate"]): boolean =>
  protocol === "https:" ||
  (protocol === "http:" &&
    (typeof allowPrivate === "boolean"
      ? allowPrivate
      : allowPrivate.some((host) => host.toLowerCase() === hostname.replace(/^\[|\]$/g, ""))));
