import { make } from "../protocol/codec.ts";
import { Payload, type Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import type { Json } from "./json.ts";

const text = new TextDecoder();
const bytes = new TextEncoder();
const jsonEncoding = bytes.encode("json/plain");

export const toPayload = (value: Json): Payload =>
  make(Payload, { metadata: { encoding: jsonEncoding }, data: bytes.encode(JSON.stringify(value)) });

/** The first value: activities and workflows of ours take and give one. What is no JSON stands as `{encoding, base64}`. */
export function fromPayloads(payloads: Payloads | undefined): Json {
  const [payload] = payloads?.payloads ?? [];
  return payload === undefined ? null : fromPayload(payload);
}

function fromPayload({ metadata, data }: Payload): Json {
  const encoding = text.decode(metadata.encoding ?? new Uint8Array());
  if (encoding === "binary/null") return null;
  if (encoding === "json/plain" || encoding === "json/protobuf") {
    try {
      return JSON.parse(text.decode(data)) as Json;
    } catch {
      // A worker has sent what is no JSON as JSON: it is shown as it came.
    }
  }
  return { encoding, base64: Buffer.from(data).toString("base64") };
}
