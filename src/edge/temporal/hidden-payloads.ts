import { make } from "../../protocol/codec.ts";
import { Payload } from "../../protocol/generated/temporal/api/common/v1/message.ts";

/** What stands in the place of a payload that its reader may not see: any SDK decodes it to this text. */
const hidden = make(Payload, {
  metadata: { encoding: Buffer.from("json/plain") },
  data: Buffer.from(JSON.stringify("[hidden: payloads.read is needed]")),
});

/** A message with every payload in it replaced. Search attributes stay: they are what lists are searched by. */
export function withoutPayloads<T>(message: T): T {
  return hide(message) as T;
}

function hide(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hide);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || value instanceof Date) return value;
  if (isPayload(value)) return hidden;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, name === "searchAttributes" ? inner : hide(inner)]));
}

/** Messages are plain objects, told apart by their fields. */
const isPayload = (value: object): boolean => "data" in value && "metadata" in value && "externalPayloads" in value;
