import type { EpochMs } from "../base/time.ts";

/** Roles in some namespaces. */
export type Grant = {
  /** Names, `*` for all of them, or a beginning followed by `*`. */
  readonly namespaces: readonly string[];
  /** Names of roles. One that there is not, or not any more, allows nothing. */
  readonly roles: readonly string[];
};

/** How a principal has proved who it is. */
export const credentialKinds = ["api-key", "jwt", "certificate"] as const;
export type CredentialKind = (typeof credentialKinds)[number];

/** Who somebody is, as a credential proves it, and what they were given. */
export type AccessPrincipal = {
  /** Names the person or program in decisions, approvals and the ledger. */
  readonly id: string;
  readonly kind: "human" | "service";
  readonly grants: readonly Grant[];
  /** Task queues that it may take tasks of: names, or a beginning followed by `*`; null for any. */
  readonly taskQueues: readonly string[] | null;
  /** Which credential it was: the id of a key, the issuer and subject of a token, or the fingerprint of a certificate. Never a secret. */
  readonly credential: { readonly kind: CredentialKind; readonly id: string };
  /** When the credential ends; null for never. */
  readonly expiresAt: EpochMs | null;
};

/** Whether a name is one of the patterns: names, `*`, or a beginning followed by `*`. */
export const matchesName = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) => (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name));
