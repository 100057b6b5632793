import { createHmac, randomBytes } from "node:crypto";
import { err, ok, type Result } from "../../base/result.ts";

/* Signatures as Standard Webhooks has them, so that libraries of any language check them. Source: standard-webhooks, spec 1.0. */

const prefix = "whsec_";
const secretBytes = 32;
const secretBytesMin = 24;
const secretBytesMax = 64;

export const newSecret = (): string => `${prefix}${randomBytes(secretBytes).toString("base64")}`;

/** A secret as it is shared: `whsec_` and 24 to 64 bytes in base64. Refused with what is expected. */
export function readSecret(text: string): Result<string, string> {
  const encoded = text.startsWith(prefix) ? text.slice(prefix.length) : "";
  const { length } = keyOf(text);
  const isSecret = /^[A-Za-z0-9+/]+={0,2}$/.test(encoded) && length >= secretBytesMin && length <= secretBytesMax;
  return isSecret ? ok(text) : err(`expected \`${prefix}\` and ${secretBytesMin} to ${secretBytesMax} bytes in base64`);
}

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(prefix.length), "base64");

/** The headers that prove who sent a body, and when: one signature for each secret. */
export function signedHeaders(
  body: string,
  { id, seconds, secrets }: { readonly id: string; readonly seconds: number; readonly secrets: readonly string[] },
): { readonly [name: string]: string } {
  const signatures = secrets.map(
    (secret) => `v1,${createHmac("sha256", keyOf(secret)).update(`${id}.${seconds}.${body}`).digest("base64")}`,
  );
  return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": signatures.join(" ") };
}
