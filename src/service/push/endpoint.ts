import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, type EpochMs, hourMs, secondMs } from "../../base/time.ts";
import { compileGlob } from "../../governance/policy/glob.ts";
import { readSecret } from "./webhook-signature.ts";

/** Where the activities of task queues are pushed to. */
export type Endpoint = {
  readonly id: string;
  /** A task queue, or a pattern of their names such as `job.deploy.*`. */
  readonly taskQueues: string;
  readonly url: string;
  /** Sent with each request. Values may be secrets. */
  readonly headers: { readonly [name: string]: string };
  /** From the call to the answer. */
  readonly timeout: DurationMs;
  /** Requests that are open at one time. */
  readonly maxConcurrent: number;
  /** Whether tasks are pushed to it. */
  readonly enabled: boolean;
  readonly secret: string;
  /** The secret before, which signs as well until its time is over; null for none. */
  readonly previous: { readonly secret: string; readonly until: EpochMs } | null;
  readonly updatedAt: EpochMs;
  /** Who sent it, as they called themselves. */
  readonly updatedBy: string;
};

/** What is to be as said; the rest stays as it is, or has its default. */
export type EndpointChange = Partial<
  Pick<Endpoint, "taskQueues" | "url" | "headers" | "timeout" | "maxConcurrent" | "enabled" | "secret">
> & {
  /** For another secret, in place of one that is given. */
  readonly rotateSecret?: boolean;
};

export const endpointDefaults = { headers: {}, timeout: 30 * secondMs, maxConcurrent: 10, enabled: true };
export const endpointTimeoutMax: DurationMs = hourMs;
export const maxConcurrentMax = 1_000;
/** How long the secret before goes on signing. */
const previousFor: DurationMs = 24 * hourMs;

export const endpointIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The endpoint after a change, checked. A secret is made when there is none, and when another one is asked for. */
export function changed(
  before: Endpoint | null,
  change: EndpointChange,
  made: { readonly id: string; readonly now: EpochMs; readonly by: string; readonly newSecret: () => string },
): Result<Endpoint, string> {
  const { id, now, by, newSecret } = made;
  const { rotateSecret = false, secret: given, ...fields } = change;
  const taskQueues = fields.taskQueues ?? before?.taskQueues;
  const url = fields.url ?? before?.url;
  if (taskQueues === undefined || url === undefined) return err("a new endpoint needs `task_queues` and `url`");
  const secret = given ?? (rotateSecret || before === null ? newSecret() : before.secret);
  const stillSigns = before?.previous != null && before.previous.until > now ? before.previous : null;
  const previous = before === null || before.secret === secret ? stillSigns : { secret: before.secret, until: now + previousFor };
  return checked({ ...endpointDefaults, ...before, ...fields, id, taskQueues, url, secret, previous, updatedAt: now, updatedBy: by });
}

/** Refused with a sentence that names the field. */
export function checked(endpoint: Endpoint): Result<Endpoint, string> {
  const { id, taskQueues, url, headers, timeout, maxConcurrent, secret } = endpoint;
  if (!endpointIdPattern.test(id))
    return err("an endpoint id begins with a letter or digit, and has at most 128 letters, digits, `.`, `_` and `-`");
  if (taskQueues.length > 1_000 || compileGlob(taskQueues) === null)
    return err("`task_queues`: neither a task queue nor a pattern such as `job.deploy.*`");
  const read = URL.canParse(url) ? new URL(url) : null;
  if (read === null || !/^https?:$/.test(read.protocol) || read.username !== "" || read.password !== "" || read.hash !== "")
    return err("`url`: expected an https URL without credentials");
  const wrong = wrongHeader(headers);
  if (wrong !== null) return err(`\`headers\`: \`${wrong}\` is no header that can be set`);
  if (timeout < 1 || timeout > endpointTimeoutMax) return err(`\`timeout_ms\`: expected at most ${endpointTimeoutMax}`);
  if (maxConcurrent < 1 || maxConcurrent > maxConcurrentMax) return err(`\`max_concurrent\`: expected 1 to ${maxConcurrentMax}`);
  const known = readSecret(secret);
  return known.ok ? ok(endpoint) : err(`\`secret\`: ${known.error}`);
}

const headersMax = 32;
const headerLettersMax = 8_192;
/** Set by the connection or by the server itself. */
const ownHeaders =
  /^(host|connection|content-(length|type)|transfer-encoding|upgrade|te|trailer|expect|user-agent|webhook-.*|holdfast-.*)$/i;

function wrongHeader(headers: Endpoint["headers"]): string | null {
  const entries = Object.entries(headers);
  if (entries.length > headersMax) return entries.at(-1)?.[0] ?? "";
  const wrong = entries.find(
    ([name, value]) =>
      !/^[\w!#$%&'*+.^`|~-]{1,256}$/.test(name) ||
      ownHeaders.test(name) ||
      !/^[\t\x20-\x7e]*$/.test(value) ||
      value.length > headerLettersMax,
  );
  return wrong?.[0] ?? null;
}

/** Which secrets sign now: the newest first. */
export const signingSecrets = ({ secret, previous }: Endpoint, now: EpochMs): readonly string[] =>
  previous !== null && previous.until > now ? [secret, previous.secret] : [secret];

/** For people: what stands after the `?` may be a secret. */
export function shownUrl(url: string): string {
  const { origin, pathname, search } = new URL(url);
  return `${origin}${pathname}${search === "" ? "" : "?***"}`;
}
