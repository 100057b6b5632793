import { createHmac } from "node:crypto";
import { err, ok, type Result } from "../../base/result.ts";
import { type DurationMs, secondMs } from "../../base/time.ts";
import { createRequests, hostOf, type Lookup, problemOf, type RequestProblem } from "./outgoing-request.ts";

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

/** Sends an HTTP POST as `SendRequest` does, and returns the status, 200 to 299. Nothing of the answer but its head is read. */
export type PostWebhook = (post: Post) => Promise<Result<number, RequestProblem>>;

export const signatureHeader = "holdfast-signature";

/** Proves who sent a body, and when: `t=<seconds>,v1=<hex HMAC-SHA256 of "<seconds>.<body>">`. */
export const signatureOf = (body: string, { key, seconds }: { key: string; seconds: number }): string =>
  `t=${seconds},v1=${createHmac("sha256", key).update(`${seconds}.${body}`).digest("hex")}`;

export function createWebhooks({ signingKey, allowPrivate, timeout }: WebhookOptions, lookup?: Lookup): PostWebhook {
  const send = createRequests({ allowPrivate, setting: "notify.allowPrivate", timeout }, lookup);
  return async ({ url, body, idempotencyKey, signal }) => {
    const headers = {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(body),
      "user-agent": "holdfast",
      "idempotency-key": idempotencyKey,
      ...(signingKey === null
        ? {}
        : { [signatureHeader]: signatureOf(body, { key: signingKey, seconds: Math.floor(Date.now() / secondMs) }) }),
    };
    const answered = await send({ method: "POST", url, headers, body, answerBytesMax: 0, signal });
    if (!answered.ok) return answered;
    const { status } = answered.value;
    return status >= 200 && status < 300 ? ok(status) : err(problemOf(hostOf(url), answered.value));
  };
}
