import { createHmac } from "node:crypto";
import { promises as dns, type LookupAddress } from "node:dns";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, hourMs, secondMs } from "../../base/time.ts";
import { isPublicAddress } from "./address.ts";

export type WebhookOptions = {
  /** Key of the signature; null sends none. */
  readonly signingKey: string | null;
  /** Hosts whose addresses need not be public; true: all. */
  readonly allowPrivate: boolean | readonly string[];
  /** From the call to the head of the answer. */
  readonly timeout: DurationMs;
};

export type Post = {
  readonly url: URL;
  /** JSON. */
  readonly body: string;
  /** The same for whatever means the same: a receiver that has seen it has seen this. */
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
};

/** `isRetryable`: it may work later, not before `retryAfter` if the receiver said so. */
export type PostProblem = { readonly message: string; readonly isRetryable: boolean; readonly retryAfter?: DurationMs };

/**
 * Sends an HTTP POST, and returns the status, 200 to 299. Goes to public addresses only, to the very address that was looked at, and nowhere
 * on a redirect. Nothing of the answer but its head is read, which Node bounds at 16 KiB.
 */
export type PostWebhook = (post: Post) => Promise<Result<number, PostProblem>>;

export const signatureHeader = "holdfast-signature";
const retryAfterMax: DurationMs = hourMs;

/** Proves who sent a body, and when: `t=<seconds>,v1=<hex HMAC-SHA256 of "<seconds>.<body>">`. */
export const signatureOf = (body: string, { key, seconds }: { key: string; seconds: number }): string =>
  `t=${seconds},v1=${createHmac("sha256", key).update(`${seconds}.${body}`).digest("hex")}`;

export function createWebhooks(
  { signingKey, allowPrivate, timeout }: WebhookOptions,
  lookup: (host: string) => Promise<readonly LookupAddress[]> = (host) => dns.lookup(host, { all: true, verbatim: true }),
): PostWebhook {
  const exempt = typeof allowPrivate === "boolean" ? [] : allowPrivate.map((host) => host.toLowerCase());
  const mayBePrivate = (host: string): boolean => allowPrivate === true || exempt.includes(host);

  /** In place of Node's: the connection goes to an address that was looked at, so that no second look at the name can give another. */
  const lookupAllowed: LookupFunction = (host, options, done) => {
    lookup(host).then(
      (found) => {
        const allowed = mayBePrivate(host) ? found : found.filter(({ address }) => isPublicAddress(address));
        const [first] = allowed;
        if (first === undefined) done(new NotPublic(), "", 0);
        else if (options.all) done(null, [...allowed]);
        else done(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => done(error, "", 0),
    );
  };

  return async ({ url, body, idempotencyKey, signal }) => {
    const host = hostOf(url);
    // A literal address is never looked up.
    if (isIP(host) !== 0 && !mayBePrivate(host) && !isPublicAddress(host)) return err(refusedAddress(host));
    const timedOut = AbortSignal.timeout(timeout);
    const headers = {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(body),
      "user-agent": "holdfast",
      "idempotency-key": idempotencyKey,
      ...(signingKey === null
        ? {}
        : { [signatureHeader]: signatureOf(body, { key: signingKey, seconds: Math.floor(Date.now() / secondMs) }) }),
    };
    try {
      const { status, retryAfter } = await new Promise<{ status: number; retryAfter: string | undefined }>((resolve, reject) => {
        const request = (url.protocol === "https:" ? requestHttps : requestHttp)(
          url,
          { method: "POST", headers, agent: false, lookup: lookupAllowed, signal: AbortSignal.any([signal, timedOut]) },
          (response) => {
            resolve({ status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"] });
            response.destroy();
          },
        );
        // After the answer it is of no interest.
        request.on("error", reject);
        request.end(body);
      });
      return status >= 200 && status < 300 ? ok(status) : err(problemOf(host, status, retryAfter));
    } catch (error) {
      if (error instanceof NotPublic) return err(refusedAddress(host));
      if (timedOut.aborted) return err({ message: `\`${host}\` did not answer within ${timeout} ms`, isRetryable: true });
      return err({ message: `cannot reach \`${host}\`: ${reasonOf(error)}`, isRetryable: true });
    }
  };
}

class NotPublic extends Error {
  override readonly name = "NotPublic";
}

/** Without the brackets of an IPv6 address. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

const refusedAddress = (host: string): PostProblem => ({
  message: `\`${host}\` has no public address, and \`notify.allowPrivate\` does not name it`,
  isRetryable: false,
});

/** Names and numbers alone: what an error says may quote the URL, which may be a secret. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "the connection failed";

function problemOf(host: string, status: number, retryAfter: string | undefined): PostProblem {
  if (status >= 300 && status < 400)
    return { message: `\`${host}\` answered ${status}, and redirects are not followed`, isRetryable: false };
  const isRetryable = status === 408 || status === 429 || status >= 500;
  const after = isRetryable ? retryAfterOf(retryAfter, Date.now()) : null;
  return { message: `\`${host}\` answered ${status}`, isRetryable, ...(after === null ? {} : { retryAfter: after }) };
}

/** Seconds, or a date. Source: RFC 9110, section 10.2.3. */
export function retryAfterOf(value: string | undefined, now: number): DurationMs | null {
  if (value === undefined) return null;
  // A date begins with the name of its day; what else JavaScript takes for a date is none.
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * secondMs : /^[A-Z]/i.test(value) ? Date.parse(value) - now : 0;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, retryAfterMax) : null;
}
