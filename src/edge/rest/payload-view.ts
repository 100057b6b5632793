import * as z from "zod/mini";
import type { Header, Payload, Payloads } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { count, named } from "./schema.ts";

// What an action is given, for people who decide on it. JSON is shown as it is; of everything else there is its encoding and its size.

/** Of one action, so many bytes of data are shown. */
export const shownBytesMax = 64 * 1024;
/** Of arguments, and of fields of the header. */
export const shownCountMax = 64;

/** Of a payload, or of how many more there are. */
export const payloadSchema = named(
  "Payload",
  z.object({
    encoding: z.optional(z.string()),
    bytes: z.optional(count),
    value: z.optional(z.unknown()),
    text: z.optional(z.string()),
    note: z.optional(z.string()),
  }),
);

export type PayloadView = {
  readonly encoding: string;
  readonly bytes: number;
  /** Of JSON that is shown whole. */
  readonly value?: unknown;
  /** The beginning of JSON that is longer than what is left to show, or JSON as it is written. */
  readonly text?: string;
  /** Why there is no value. */
  readonly note?: string;
};

/** Shows payloads in the order in which they come, until the bytes are used up. */
export function createPayloadViewer(bytesMax = shownBytesMax) {
  let left = bytesMax;
  const view = ({ metadata, data, externalPayloads }: Payload): PayloadView => {
    const encoding = utf8.decode(metadata.encoding);
    const facts = { encoding, bytes: data.length };
    if (externalPayloads.length > 0) return { ...facts, note: "kept outside of the server: only its workers can read it" };
    if (encoding === "binary/null") return { ...facts, value: null };
    if (/encrypted/i.test(encoding)) return { ...facts, note: "encrypted: only those who have the key can read it" };
    if (encoding !== "json/plain" && encoding !== "json/protobuf") return { ...facts, note: "no JSON" };
    const bytes = data.subarray(0, left);
    left -= bytes.length;
    const text = utf8.decode(bytes);
    if (bytes.length < data.length) return { ...facts, text, note: `only the first ${bytes.length} of ${data.length} bytes` };
    return { ...facts, ...parsed(text) };
  };
  return {
    /** Null where there are none to know of. */
    payloads: (payloads: Payloads | undefined): readonly z.infer<typeof payloadSchema>[] => {
      const all = payloads?.payloads ?? [];
      const more = all.length - shownCountMax;
      return [...all.slice(0, shownCountMax).map(view), ...(more > 0 ? [{ note: `and ${more} more` }] : [])];
    },
    header: (header: Header | undefined): { [name: string]: z.infer<typeof payloadSchema> } =>
      Object.fromEntries(
        Object.entries(header?.fields ?? {})
          .slice(0, shownCountMax)
          .map(([name, payload]) => [name, view(payload)]),
      ),
  };
}

const utf8 = new TextDecoder();

function parsed(text: string): Pick<PayloadView, "value" | "text" | "note"> {
  try {
    // A number that is not what is written would be another to those who decide: `1e999` would be null.
    let isExact = true;
    const value: unknown = JSON.parse(text, (_, inner) => {
      if (typeof inner === "number" && Math.abs(inner) > Number.MAX_SAFE_INTEGER) isExact = false;
      return inner;
    });
    if (!isExact) return { text, note: "has a number that is too large to be shown as a value" };
    // What is nested too deeply can be read, and not be written again.
    JSON.stringify(value);
    return { value };
  } catch {
    return { text, note: "says to be JSON and cannot be read as such" };
  }
}
