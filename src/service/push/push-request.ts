import type { OutgoingHttpHeaders } from "node:http";
import { type DurationMs, type EpochMs, secondMs } from "../../base/time.ts";
import { isObject, type Json } from "../../dag/json.ts";
import { hostOf, type Incoming, problemOf, type SendRequest } from "../built-in/outgoing-request.ts";
import { completedWith, failedWith, type LeaseJson, type Usage, type WorkerError } from "../workers/lease-json.ts";
import type { LeaseEnd } from "../workers/leases.ts";
import { type Endpoint, signingSecrets } from "./endpoint.ts";
import { signedHeaders } from "./webhook-signature.ts";

/** What came of pushing a task. */
export type Pushed =
  /** The endpoint answered for good. */
  | { readonly kind: "ended"; readonly end: LeaseEnd /** How long it wants to be left alone. */; readonly pause: DurationMs | null }
  /** It answers later, with the lease. */
  | { readonly kind: "accepted" };

/** What came of a ping: the status of the answer, or why there is none. */
export type Pinged = { readonly status: number | null; readonly error: string | null; readonly took: DurationMs };

/** Of an answer: what a result may be anyway. */
const answerBytesMax = 2 * 2 ** 20;
const source = "Server";
/** The type of failures for which the endpoint gave none. */
const pushFailed = "PushFailed";
const eventHeader = "holdfast-event";
const usageHeader = "holdfast-usage";

/** One attempt has one id, however often it is sent. */
export const attemptId = ({ run_id, activity_id, attempt }: Pick<LeaseJson, "run_id" | "activity_id" | "attempt">): string =>
  `task_${run_id}_${Buffer.from(activity_id).toString("base64url")}_${attempt}`;

/** Sends a task, signed, and reads the answer. Never rejects. */
export async function pushTask(
  {
    endpoint,
    task,
    now,
    signal,
  }: { readonly endpoint: Endpoint; readonly task: LeaseJson; readonly now: EpochMs; readonly signal: AbortSignal },
  send: SendRequest,
): Promise<Pushed> {
  const answered = await post(endpoint, { event: "task", id: attemptId(task), body: JSON.stringify(task), now, signal }, send);
  if (answered.ok) return readAnswer(new URL(endpoint.url), answered.value);
  const { message, isRetryable } = answered.error;
  return { kind: "ended", pause: null, end: failed({ message, type: pushFailed, retryable: isRetryable }) };
}

/** Sends a signed request that asks for nothing, to see whether the endpoint is there and knows the secret. */
export async function ping(
  { endpoint, id, now, signal }: { readonly endpoint: Endpoint; readonly id: string; readonly now: EpochMs; readonly signal: AbortSignal },
  send: SendRequest,
): Promise<Pinged> {
  const started = performance.now();
  const body = JSON.stringify({ type: "ping", endpoint: endpoint.id });
  const answered = await post(endpoint, { event: "ping", id: `ping_${id}`, body, now, signal }, send);
  const took = Math.round(performance.now() - started);
  if (!answered.ok) return { status: null, error: answered.error.message, took };
  const { status } = answered.value;
  return { status, error: isSuccess(status) ? null : problemOf(hostOf(new URL(endpoint.url)), answered.value).message, took };
}

function post(
  endpoint: Endpoint,
  { event, id, body, now, signal }: { event: string; id: string; body: string; now: EpochMs; signal: AbortSignal },
  send: SendRequest,
) {
  const headers: OutgoingHttpHeaders = {
    ...endpoint.headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "user-agent": "holdfast",
    [eventHeader]: event,
    ...signedHeaders(body, { id, seconds: Math.floor(now / secondMs), secrets: signingSecrets(endpoint, now) }),
  };
  return send({ method: "POST", url: new URL(endpoint.url), headers, body, answerBytesMax, signal, timeout: endpoint.timeout });
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

function readAnswer(url: URL, answer: Incoming): Pushed {
  const { status, headers } = answer;
  if (status === 202) return { kind: "accepted" };
  const read = bodyOf(answer);
  const usage = usageOf(headers[usageHeader]);
  if (isSuccess(status)) {
    if (read.kind !== "broken") return { kind: "ended", pause: null, end: completedWith(read.value, usage) };
    const message = `\`${hostOf(url)}\` answered ${status} with what is no JSON, though it says so`;
    return { kind: "ended", pause: null, end: failed({ message, type: pushFailed }, usage) };
  }
  const { message, isRetryable, retryAfter = null } = problemOf(hostOf(url), answer);
  const said = read.kind === "json" ? errorIn(read.value) : {};
  const error: WorkerError = {
    message,
    type: pushFailed,
    retryable: isRetryable,
    ...(retryAfter === null ? {} : { retry_after_ms: retryAfter }),
    ...said,
  };
  return { kind: "ended", end: failed(error, usage), pause: status === 429 || status === 503 ? retryAfter : null };
}

type Body = { readonly kind: "json" | "text"; readonly value: Json } | { readonly kind: "broken" };

/** JSON as it is, anything else as a text, and null for nothing. */
function bodyOf({ headers, body }: Incoming): Body {
  const text = body.toString("utf8");
  if (text === "") return { kind: "text", value: null };
  if (!/^application\/([\w.-]+\+)?json\b/i.test(headers["content-type"] ?? "")) return { kind: "text", value: text };
  try {
    return { kind: "json", value: JSON.parse(text) as Json };
  } catch {
    return { kind: "broken" };
  }
}

const lettersMax = 10_000;
const retryAfterMsMax = 2 ** 31 - 1;

/** What a body says of an error, field by field as in the request that completes a lease. What is no such field does not count. */
function errorIn(body: Json): Partial<WorkerError> {
  const error = isObject(body) ? (body.error ?? null) : null;
  if (!isObject(error)) return {};
  const { message, type, retryable, retry_after_ms: after, details } = error;
  return {
    ...(typeof message === "string" ? { message: message.slice(0, lettersMax) } : {}),
    ...(typeof type === "string" ? { type: type.slice(0, lettersMax) } : {}),
    ...(typeof retryable === "boolean" ? { retryable } : {}),
    ...(typeof after === "number" && Number.isInteger(after) && after > 0 && after <= retryAfterMsMax ? { retry_after_ms: after } : {}),
    ...(details === undefined ? {} : { details }),
  };
}

/** `{"tokens", "usd"}`, as in the request that completes a lease. */
function usageOf(header: string | string[] | undefined): Usage {
  if (typeof header !== "string") return undefined;
  let said: unknown;
  try {
    said = JSON.parse(header);
  } catch {
    return undefined;
  }
  const { tokens, usd } = (said ?? {}) as { readonly tokens?: unknown; readonly usd?: unknown };
  const amount = (value: unknown): value is number => typeof value === "number" && value >= 0;
  const usage = { ...(amount(tokens) ? { tokens } : {}), ...(amount(usd) ? { usd } : {}) };
  return Object.keys(usage).length === 0 ? undefined : usage;
}

export const failed = (error: WorkerError, usage: Usage = undefined): LeaseEnd => failedWith(error, { source, usage });
