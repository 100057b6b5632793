import type { AccessPrincipal } from "../../access/principal.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Clock } from "../clock.ts";
import type { ApiKey, Directory } from "./directory.ts";
import { hasEnded } from "./keys.ts";
import type { Lockout } from "./lockout.ts";
import { hashOf, looksLikeKey, noHash, readKey, sameHash } from "./secret.ts";
import { createSession, type OwnedSession, openSession, type Session } from "./session.ts";
import type { TokenRefusal, TokenVerifier } from "./token-verifier.ts";

/** What a caller presents. Empty texts are none. */
export type Credentials<Certificate> = {
  /** An API key, from a header that is for keys alone. */
  readonly apiKey: string;
  /** The header `authorization`: an API key or a token. */
  readonly authorization: string;
  /** Of the connection, verified; asked for only when it is needed. */
  certificate(): Certificate | null;
  /** Where the connection comes from. */
  readonly address: string;
};

export type AuthenticationRefusal =
  /** Nothing was presented. */
  | { readonly kind: "no-credentials" }
  /** Nobody is told more than that; the log says why. */
  | { readonly kind: "bad-credentials" }
  | { readonly kind: "locked-out"; readonly retryAfter: DurationMs }
  /** Who could vouch for it cannot be asked. */
  | { readonly kind: "unavailable" };

export type Authenticated = Result<Session, AuthenticationRefusal>;

/** Proves who calls. Sessions are shared: a credential has one, until it ends. */
export type Authenticator<Certificate> = {
  /** At once for keys, certificates and tokens seen before. */
  authenticate(credentials: Credentials<Certificate>): Authenticated | Promise<Authenticated>;
  stop(): Promise<void>;
};

/** Tokens and certificates whose sessions are kept; the longest unused goes first. */
const sessionsMax = 10_000;
/** What another server has changed, and what has expired, is noticed within this time. */
const refreshEvery: DurationMs = 500;
const usesWrittenEvery: DurationMs = 60 * secondMs;

export function createAuthenticator<Certificate extends { readonly fingerprint: string }>(deps: {
  readonly directory: Directory;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  /** Whether callers without credentials that hold are refused. Otherwise they are nobody in particular, who may do everything. */
  readonly required: boolean;
  readonly lockout: Lockout;
  /** Null where tokens are not accepted. */
  readonly verifyToken: TokenVerifier["verify"] | null;
  readonly principalOfCertificate: (certificate: Certificate) => AccessPrincipal | null;
  /** Told now and then which keys have been used. */
  readonly used: (keyIds: readonly string[]) => Promise<void>;
  /** Told of every attempt: by which kind of credential, and how it ended. */
  readonly count: (credential: string, outcome: string) => void;
}): Authenticator<Certificate> {
  const { directory, clock, log, required, lockout, verifyToken, principalOfCertificate, count } = deps;
  const { permissionsOf } = directory;
  const ofKeys = new Map<string, OwnedSession>();
  /** Of tokens by hash, and of certificates by fingerprint. */
  const ofOthers = new Map<string, OwnedSession>();
  const verifying = new Map<string, Promise<Authenticated>>();
  const usedKeys = new Set<string>();

  function byKey(text: string, address: string): Authenticated {
    const presented = readKey(text);
    const known = presented === null ? null : directory.key(presented.id);
    // Whoever tries a key out is kept from that key, not others at the same address from theirs.
    const source = known === null ? address : `${address} ${known.id}`;
    const locked = lockedOut(source);
    if (locked !== null) return locked;
    const isRight = sameHash(presented?.hash ?? noHash, known === null ? noHash : Buffer.from(known.hash, "hex"));
    if (known === null || !isRight) return refuse("api-key", known === null ? "no such key" : "wrong secret", source);
    if (hasEnded(known, clock.now())) return refuse("api-key", `key ${known.id} has ended`, source);
    lockout.succeeded(source);
    usedKeys.add(known.id);
    count("api-key", "accepted");
    return ok(sessionOfKey(known));
  }

  function sessionOfKey(key: ApiKey): Session {
    const known = ofKeys.get(key.id);
    if (known !== undefined) return known;
    const { principal: id, kind, grants, taskQueues, expiresAt } = key;
    const session = createSession({ id, kind, grants, taskQueues, expiresAt, credential: { kind: "api-key", id: key.id } }, permissionsOf);
    ofKeys.set(key.id, session);
    return session;
  }

  function byToken(token: string, address: string): Authenticated | Promise<Authenticated> {
    if (verifyToken === null) return lockedOut(address) ?? refuse("jwt", "tokens are not accepted", address);
    const name = hashOf(token).toString("base64");
    const known = remembered(name);
    if (known !== null) {
      count("jwt", "accepted");
      return ok(known);
    }
    const locked = lockedOut(address);
    if (locked !== null) return locked;
    const underWay = verifying.get(name) ?? verify(name, token, verifyToken, address).finally(() => verifying.delete(name));
    verifying.set(name, underWay);
    return underWay;
  }

  async function verify(name: string, token: string, verifier: NonNullable<typeof verifyToken>, address: string): Promise<Authenticated> {
    const verified = await verifier(token);
    if (!verified.ok) {
      const { error } = verified;
      if (error === "unavailable") {
        count("jwt", error);
        return err({ kind: error });
      }
      return refuse("jwt", error, address, isGuess.has(error));
    }
    count("jwt", "accepted");
    return ok(remember(name, verified.value));
  }

  function byCertificate(certificate: Certificate, address: string): Authenticated {
    const name = `certificate ${certificate.fingerprint}`;
    const known = remembered(name);
    const principal = known === null ? principalOfCertificate(certificate) : null;
    if (known === null && principal === null) return refuse("certificate", "no principal has this certificate", address);
    count("certificate", "accepted");
    return ok(known ?? remember(name, principal as AccessPrincipal));
  }

  function remembered(name: string): Session | null {
    const session = ofOthers.get(name);
    if (session === undefined) return null;
    if (hasExpired(session)) {
      session.end();
      ofOthers.delete(name);
      return null;
    }
    ofOthers.delete(name);
    ofOthers.set(name, session);
    return session;
  }

  function remember(name: string, principal: AccessPrincipal): Session {
    const session = createSession(principal, permissionsOf);
    ofOthers.set(name, session);
    if (ofOthers.size > sessionsMax) {
      const [oldest] = ofOthers.keys();
      // Calls that it has open go on until it expires.
      if (oldest !== undefined) ofOthers.delete(oldest);
    }
    return session;
  }

  const hasExpired = ({ principal }: Session): boolean => (principal?.expiresAt ?? Number.POSITIVE_INFINITY) <= clock.now();

  function refuse(credential: string, why: string, source: string, isGuessed = true): Authenticated {
    count(credential, "refused");
    if (required && isGuessed) lockout.failed(source);
    if (required) log.info("credentials were refused", { credential, why, source });
    return err({ kind: "bad-credentials" });
  }

  function lockedOut(source: string): Authenticated | null {
    const retryAfter = lockout.retryAfter(source);
    if (retryAfter === 0) return null;
    count("any", "locked-out");
    return err({ kind: "locked-out", retryAfter });
  }

  function present({ apiKey, authorization, certificate, address }: Credentials<Certificate>): Authenticated | Promise<Authenticated> {
    if (apiKey !== "") return byKey(unquoted(apiKey), address);
    if (authorization !== "") {
      const [, bearer] = /^bearer +(\S+) *$/i.exec(authorization) ?? [];
      if (bearer === undefined) return lockedOut(address) ?? refuse("unknown", "not a bearer token", address);
      return looksLikeKey(bearer) ? byKey(bearer, address) : byToken(bearer, address);
    }
    const shown = certificate();
    return shown === null ? err({ kind: "no-credentials" }) : byCertificate(shown, address);
  }

  /** Where nobody has to say who they are, whoever cannot prove it is as good as everybody else. */
  const orOpen = (proved: Authenticated): Authenticated => (proved.ok ? proved : ok(openSession));

  const changed = (): void => {
    const now = clock.now();
    for (const [id, session] of ofKeys) {
      const key = directory.key(id);
      if (key !== null && !hasEnded(key, now)) session.refresh();
      else {
        session.end();
        ofKeys.delete(id);
      }
    }
    for (const session of ofOthers.values()) session.refresh();
  };
  directory.onChange(changed);

  const expire = (): void => {
    const now = clock.now();
    for (const [id, session] of ofKeys) {
      const key = directory.key(id);
      if (key !== null && !hasEnded(key, now)) continue;
      session.end();
      ofKeys.delete(id);
    }
    for (const [name, session] of ofOthers) {
      if (!hasExpired(session)) continue;
      session.end();
      ofOthers.delete(name);
    }
  };

  const writeUses = async (): Promise<void> => {
    if (usedKeys.size === 0) return;
    const ids = [...usedKeys];
    usedKeys.clear();
    await deps.used(ids).catch((error: unknown) => log.warn("cannot write when keys were used", {}, error));
  };

  const refreshing = setInterval(() => {
    expire();
    directory.refresh().catch((error: unknown) => log.warn("cannot read keys and roles", {}, error));
  }, refreshEvery).unref();
  const writing = setInterval(() => void writeUses(), usesWrittenEvery).unref();

  return {
    authenticate: (credentials) => {
      const proved = present(credentials);
      if (required) return proved;
      return proved instanceof Promise ? proved.then(orOpen) : orOpen(proved);
    },
    stop: async () => {
      clearInterval(refreshing);
      clearInterval(writing);
      await writeUses();
    },
  };
}

/** Tokens that no issuer has signed. Others come from honest workers whose time is over, or that are in the wrong place. */
const isGuess: ReadonlySet<TokenRefusal> = new Set(["malformed", "unknown-issuer", "wrong-algorithm", "bad-signature"]);

/** Some tools send the quotes along. */
const unquoted = (text: string): string => text.trim().replace(/^(["'])(.*)\1$/, "$2");
