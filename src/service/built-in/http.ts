import { err, ok, type Result } from "../../base/result.ts";
import { isObject, type Json } from "../../dag/json.ts";
import { type BuiltInActivity, invalidInput } from "./built-in-worker.ts";
import { idempotencyKeyOf } from "./idempotency-key.ts";
import { webhookUrl } from "./notification.ts";
import { hostOf, type Incoming, type Outgoing, problemOf, type SendRequest } from "./outgoing-request.ts";

/** The activity that asks something outside over HTTP. */
export const httpActivity = "holdfast.http";

const methods: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const bodyBytesMax = 256 * 1024;
const answerBytesMax = 256 * 1024;
const headersMax = 64;
/** Named by the connection itself: whoever sets them could make two requests of one. */
const ownHeaders: readonly string[] = ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"];

type Wanted = { readonly request: Omit<Outgoing, "answerBytesMax" | "signal">; readonly expected: readonly number[] };

/**
 * `holdfast.http`: sends one request, and gives `{status, headers, body}`, where a body of JSON is its value and any other a text. All attempts
 * at one step, or of one activity, have one idempotency key, unless the request brings its own.
 */
export const http =
  ({ send }: { readonly send: SendRequest }): BuiltInActivity =>
  async ({ task, args, signal }) => {
    const wanted = readRequest(args, idempotencyKeyOf(task, task.workflowExecution?.workflowId ?? ""));
    if (!wanted.ok) return err(invalidInput(wanted.error));
    const { request, expected } = wanted.value;
    const answered = await send({ ...request, answerBytesMax, signal });
    if (!answered.ok) return err({ type: "HttpFailed", ...answered.error });
    const { status } = answered.value;
    const isHopedFor = expected.length === 0 ? status >= 200 && status < 300 : expected.includes(status);
    return isHopedFor ? ok(answerOf(answered.value)) : err({ type: "HttpFailed", ...problemOf(hostOf(request.url), answered.value) });
  };

/** Refused with a sentence that names the field. */
function readRequest(args: readonly unknown[], idempotencyKey: string): Result<Wanted, string> {
  const [given] = args as readonly Json[];
  if (!isObject(given)) return err("expected an object");
  const unknown = Object.keys(given).find((key) => !keys.includes(key));
  if (unknown !== undefined) return err(`\`${unknown}\`: there is no such field`);
  const { method = "GET", query = {}, headers = {}, body = null, expect_status: expect = [] } = given;
  const url = typeof given.url === "string" ? webhookUrl(given.url) : null;
  if (url === null) return err("`url`: expected an http or https URL without credentials");
  const verb = String(method).toUpperCase();
  if (!methods.includes(verb)) return err(`\`method\`: expected one of ${methods.join(", ")}`);
  if (!isObject(query)) return err("`query`: expected an object");
  for (const [name, value] of Object.entries(query)) if (value !== null) url.searchParams.append(name, textOf(value));
  const read = readHeaders(headers);
  if (!read.ok) return read;
  const text = body === null ? null : textOf(body);
  if (text !== null && Buffer.byteLength(text) > bodyBytesMax) return err(`\`body\`: larger than ${bodyBytesMax} bytes`);
  const expected = (Array.isArray(expect) ? expect : [expect]) as readonly Json[];
  if (!expected.every((status) => Number.isInteger(status))) return err("`expect_status`: expected a status, or a list of them");
  const allHeaders = {
    "user-agent": "holdfast",
    "idempotency-key": idempotencyKey,
    ...(text === null ? {} : { "content-length": Buffer.byteLength(text) }),
    ...(text === null || typeof body === "string" ? {} : { "content-type": "application/json; charset=utf-8" }),
    ...read.value,
  };
  return ok({ request: { method: verb, url, headers: allHeaders, body: text }, expected: expected.map(Number) });
}

const keys: readonly string[] = ["method", "url", "query", "headers", "body", "expect_status"];

function readHeaders(headers: Json): Result<{ readonly [name: string]: string }, string> {
  if (!isObject(headers)) return err("`headers`: expected an object");
  const entries = Object.entries(headers).filter(([, value]) => value !== null);
  if (entries.length > headersMax) return err(`\`headers\` has more than ${headersMax}`);
  const wrong = entries.find(([name, value]) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(textOf(value)));
  if (wrong !== undefined) return err(`\`headers.${wrong[0]}\`: no header of HTTP`);
  const own = entries.find(([name]) => ownHeaders.includes(name.toLowerCase()));
  if (own !== undefined) return err(`\`headers.${own[0]}\` is set by the server itself`);
  return ok(Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), textOf(value)])));
}

const textOf = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value));

function answerOf({ status, headers, body }: Incoming): object {
  const text = body.toString("utf8");
  return { status, headers, body: isJson(headers["content-type"]) ? parsed(text) : text };
}

const isJson = (contentType = ""): boolean => /^application\/([\w.-]+\+)?json\b/i.test(contentType);

function parsed(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    // It says to be JSON and is not: it is given as it came.
    return text;
  }
}
