import { promises as dns, type LookupAddress } from "node:dns";
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, hourMs, secondMs } from "../../base/time.ts";
import { isPublicAddress } from "./address.ts";

export type OutgoingOptions = {
  /** Hosts whose addresses need not be public; true: all. */
  readonly allowPrivate: boolean | readonly string[];
  /** The setting that says so, for whoever is refused. */
  readonly setting: string;
  /** From the call to the answer. */
  readonly timeout: DurationMs;
};

export type Outgoing = {
  readonly method: string;
  readonly url: URL;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string | null;
  /** Of the answer; 0 reads nothing of it but its head, which Node bounds at 16 KiB. */
  readonly answerBytesMax: number;
  readonly signal: AbortSignal;
  /** From the call to the answer, in place of that of the options. */
  readonly timeout?: DurationMs;
};

export type Incoming = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };

/** `isRetryable`: it may work later, not before `retryAfter` if the receiver said so. */
export type RequestProblem = { readonly message: string; readonly isRetryable: boolean; readonly retryAfter?: DurationMs };

/**
 * Sends an HTTP request. Goes to public addresses only, to the very address that was looked at, and nowhere on a redirect. Refused when the
 * host may not be reached, does not answer in time, or answers with too much.
 */
export type SendRequest = (request: Outgoing) => Promise<Result<Incoming, RequestProblem>>;
export type Lookup = (host: string) => Promise<readonly LookupAddress[]>;

const systemLookup: Lookup = (host) => dns.lookup(host, { all: true, verbatim: true });

export function createRequests(
  { allowPrivate, setting, timeout: timeoutDefault }: OutgoingOptions,
  lookup: Lookup = systemLookup,
): SendRequest {
  const exempt = typeof allowPrivate === "boolean" ? [] : allowPrivate.map((host) => host.toLowerCase());
  const mayBePrivate = (host: string): boolean => allowPrivate === true || exempt.includes(host);
  const refusedAddress = (host: string): RequestProblem => ({
    message: `\`${host}\` has no public address, and \`${setting}\` does not name it`,
    isRetryable: false,
  });

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

  return async ({ method, url, headers, body, answerBytesMax, signal, timeout = timeoutDefault }) => {
    const host = hostOf(url);
    // A literal address is never looked up.
    if (isIP(host) !== 0 && !mayBePrivate(host) && !isPublicAddress(host)) return err(refusedAddress(host));
    const timedOut = AbortSignal.timeout(timeout);
    const options = { method, headers, agent: false, lookup: lookupAllowed, signal: AbortSignal.any([signal, timedOut]) };
    try {
      return ok(
        await new Promise<Incoming>((resolve, reject) => {
          const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, options, (response) => {
            const { statusCode: status = 0, headers: answered } = response;
            if (answerBytesMax === 0) {
              resolve({ status, headers: answered, body: Buffer.alloc(0) });
              response.destroy();
              return;
            }
            const parts: Buffer[] = [];
            let size = 0;
            response.on("data", (part: Buffer) => {
              size += part.length;
              if (size > answerBytesMax) response.destroy(new TooLarge());
              else parts.push(part);
            });
            response.on("end", () => resolve({ status, headers: answered, body: Buffer.concat(parts) }));
            response.on("error", reject);
          });
          // After the answer it is of no interest.
          request.on("error", reject);
          request.end(body ?? undefined);
        }),
      );
    } catch (error) {
      if (error instanceof NotPublic) return err(refusedAddress(host));
      if (error instanceof TooLarge)
        return err({ message: `\`${host}\` answered with more than ${answerBytesMax} bytes`, isRetryable: false });
      if (timedOut.aborted) return err({ message: `\`${host}\` did not answer within ${timeout} ms`, isRetryable: true });
      return err({ message: `cannot reach \`${host}\`: ${reasonOf(error)}`, isRetryable: true });
    }
  };
}

class NotPublic extends Error {
  override readonly name = "NotPublic";
}
class TooLarge extends Error {
  override readonly name = "TooLarge";
}

/** Without the brackets of an IPv6 address. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

/** Names and numbers alone: what an error says may quote the URL, which may be a secret. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "the connection failed";

/** What an answer that was not hoped for means. */
export function problemOf(host: string, { status, headers }: Incoming): RequestProblem {
  if (status >= 300 && status < 400)
    return { message: `\`${host}\` answered ${status}, and redirects are not followed`, isRetryable: false };
  const isRetryable = status === 408 || status === 429 || status >= 500;
  const after = isRetryable ? retryAfterOf(headers["retry-after"], Date.now()) : null;
  return { message: `\`${host}\` answered ${status}`, isRetryable, ...(after === null ? {} : { retryAfter: after }) };
}

const retryAfterMax: DurationMs = hourMs;

/** Seconds, or a date. Source: RFC 9110, section 10.2.3. */
export function retryAfterOf(value: string | undefined, now: number): DurationMs | null {
  if (value === undefined) return null;
  // A date begins with the name of its day; what else JavaScript takes for a date is none.
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * secondMs : /^[A-Z]/i.test(value) ? Date.parse(value) - now : 0;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, retryAfterMax) : null;
}
