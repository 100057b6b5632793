import { readFile } from "node:fs/promises";
import { createLocalJWKSet, type LocalJWKSet } from "jose";
import { type JsonWebKeys, mayBeFetched, type TokenIssuer } from "../../access/token-issuer.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, type EpochMs, hourMs, minuteMs, secondMs } from "../../base/time.ts";
import type { Log } from "../../telemetry/log.ts";
import { createRequests, hostOf, type Lookup, problemOf } from "../built-in/outgoing-request.ts";

/** The keys as they were at one time. */
export type KeySet = { readonly find: LocalJWKSet; readonly readAt: EpochMs };

/** The public keys of one issuer, kept and read again. */
export type IssuerKeys = {
  /** Null when they cannot be read, and were not for `keysUsableMax`. */
  current(): Promise<KeySet | null>;
  /** Those that there are after `known` had none that fits: `known` itself if it was looked a moment ago. Null when they cannot be read. */
  after(known: KeySet): Promise<KeySet | null>;
};

/** After this time they are read again, while calls go on with those that there are. */
export const keysFreshMax: DurationMs = 10 * minuteMs;
/** They are used so long after they were read if the issuer does not answer. */
export const keysUsableMax: DurationMs = hourMs;
/** Between two looks for a key that is not there, and after a failure: callers cannot make the server ask more often. */
export const keysCooldown: DurationMs = 10 * secondMs;
export const keysTimeout: DurationMs = 5 * secondMs;
const discoveryBytesMax = 64 * 2 ** 10;
const keysBytesMax = 256 * 2 ** 10;
const keysMax = 100;
const rsaBitsMin = 2_048;

export type IssuerKeysDeps = {
  /** Of the real world, as are the times in tokens. */
  readonly now: () => EpochMs;
  readonly log: Pick<Log, "warn">;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
  readonly lookup?: Lookup;
  /** For an answer of an issuer; `keysTimeout` unless told. */
  readonly timeout?: DurationMs;
};

export function createIssuerKeys(issuer: TokenIssuer, deps: IssuerKeysDeps): IssuerKeys {
  const { now, log, signal } = deps;
  const read = readerOf(issuer, deps);
  let held: KeySet | null = null;
  let failedAt: EpochMs | null = null;
  let lookedAt: EpochMs | null = null;
  let reading: Promise<boolean> | null = null;

  const isWithin = (at: EpochMs | null, time: DurationMs): boolean => at !== null && now() - at < time;

  /** Whoever asks meanwhile waits for the same answer. */
  const refresh = (): Promise<boolean> => {
    reading ??= readAgain().finally(() => {
      reading = null;
    });
    return reading;
  };

  async function readAgain(): Promise<boolean> {
    const found = await read();
    failedAt = found.ok ? null : now();
    if (found.ok) held = { find: createLocalJWKSet(found.value), readAt: now() };
    else if (!signal.aborted) log.warn("cannot read the keys of an issuer", { issuer: issuer.issuer, problem: found.error });
    return found.ok;
  }

  return {
    current: async () => {
      if (isWithin(held?.readAt ?? null, keysFreshMax)) return held;
      const mayAsk = reading !== null || !isWithin(failedAt, keysCooldown);
      if (isWithin(held?.readAt ?? null, keysUsableMax)) {
        if (mayAsk) void refresh();
        return held;
      }
      return mayAsk && (await refresh()) ? held : null;
    },
    after: async (known) => {
      if (held !== known) return held;
      if (reading === null) {
        if (isWithin(failedAt, keysCooldown)) return null;
        if (isWithin(lookedAt, keysCooldown)) return held;
        lookedAt = now();
      }
      return (await refresh()) ? held : null;
    },
  };
}

type Reader = () => Promise<Result<{ keys: { kty: string }[] }, string>>;

function readerOf(issuer: TokenIssuer, { signal, lookup, timeout = keysTimeout }: IssuerKeysDeps): Reader {
  const { jwks, jwksUri, allowPrivate } = issuer;
  if (typeof jwks === "string") return async () => usableKeys(await fileJson(jwks));
  if (jwks !== null) return async () => usableKeys(ok(jwks));
  const send = createRequests({ allowPrivate, setting: "auth.jwt.allowPrivate", timeout }, lookup);

  async function fetchJson(url: URL, answerBytesMax: number): Promise<Result<unknown, string>> {
    const headers = { accept: "application/json", "accept-encoding": "identity", "user-agent": "holdfast" };
    const answered = await send({ method: "GET", url, headers, body: null, answerBytesMax, signal });
    if (!answered.ok) return err(answered.error.message);
    if (answered.value.status !== 200) return err(problemOf(hostOf(url), answered.value).message);
    return parsedJson(answered.value.body.toString("utf8"), hostOf(url));
  }

  /** Source: OpenID Connect Discovery 1.0, section 4. */
  async function discover(): Promise<Result<URL, string>> {
    const found = await fetchJson(new URL(`${issuer.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`), discoveryBytesMax);
    if (!found.ok) return found;
    // A document of another issuer would make its keys count for this one.
    if (memberOf(found.value, "issuer") !== issuer.issuer) return err("what was found is the configuration of another issuer");
    const uri = memberOf(found.value, "jwks_uri");
    if (typeof uri !== "string" || !URL.canParse(uri) || !mayBeFetched(new URL(uri), allowPrivate))
      return err("its configuration has no `jwks_uri` that may be fetched");
    return ok(new URL(uri));
  }

  return async () => {
    const uri = jwksUri === null ? await discover() : ok(new URL(jwksUri));
    return uri.ok ? usableKeys(await fetchJson(uri.value, keysBytesMax)) : uri;
  };
}

async function fileJson(file: string): Promise<Result<unknown, string>> {
  try {
    return parsedJson(await readFile(file, "utf8"), file);
  } catch (error) {
    return err(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parsedJson(text: string, where: string): Result<unknown, string> {
  try {
    return ok(JSON.parse(text));
  } catch {
    return err(`\`${where}\` has something that is no JSON`);
  }
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;

type PublicKey = JsonWebKeys["keys"][number] & { kty: string };

/** Public keys that signatures can be checked with. What else an issuer has there, such as keys for encryption, is passed over. */
function usableKeys(found: Result<unknown, string>): Result<{ keys: PublicKey[] }, string> {
  if (!found.ok) return found;
  const keys = memberOf(found.value, "keys");
  if (!Array.isArray(keys)) return err("there is no list of keys");
  if (keys.length > keysMax) return err(`there are more than ${keysMax} keys`);
  const usable = keys.filter(isUsable);
  return usable.length === 0 ? err("there is no public key for signatures") : ok({ keys: usable });
}

function isUsable(key: unknown): key is PublicKey {
  if (memberOf(key, "d") !== undefined || (memberOf(key, "use") ?? "sig") !== "sig") return false;
  const modulus = memberOf(key, "n");
  if (memberOf(key, "kty") === "RSA") return typeof modulus === "string" && Buffer.from(modulus, "base64url").length * 8 >= rsaBitsMin;
  return memberOf(key, "kty") === "EC" || memberOf(key, "kty") === "OKP";
}
