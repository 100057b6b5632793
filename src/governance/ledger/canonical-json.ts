import { assert } from "../../base/assert.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const loneSurrogate = /\p{Surrogate}/u;

/** The one JSON text of a value (RFC 8785): no spaces, keys in the order of their UTF-16 code units, numbers as ECMAScript prints them. A number that is not finite or a text that is not Unicode is a bug of the caller. */
export function canonicalJson(value: Json): string {
  if (typeof value === "string") {
    assert(!loneSurrogate.test(value), "text in JSON is not well-formed Unicode");
    return JSON.stringify(value);
  }
  if (typeof value === "number") assert(Number.isFinite(value), `number ${value} has no JSON`);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, inner]) => `${canonicalJson(key)}:${canonicalJson(inner)}`).join(",")}}`;
}

// `Array.isArray` does not narrow a readonly array.
const isList = (value: object): value is readonly Json[] => Array.isArray(value);

/** The same as UTF-8 bytes: what the ledger stores and hashes. */
export const canonicalBytes = (value: Json): Uint8Array => Buffer.from(canonicalJson(value));
