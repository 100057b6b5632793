/**
 * One text for one value, whatever order its keys were written in: RFC 8785, so without spaces, keys in the order of their UTF-16 code units,
 * numbers as ECMAScript prints them. Beyond it: absent (`undefined`) fields are left out, a Map is written as an object, what JSON has no
 * number for is null, and a text that is not well-formed Unicode is escaped as `JSON.stringify` does, since both may come from a caller.
 */
export function canonicalJson(value: unknown): string {
  if (value instanceof Map) return objectOf([...value.entries()].map(([key, inner]) => [String(key), inner]));
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value === "object" && value !== null) return objectOf(Object.entries(value));
  return JSON.stringify(value ?? null);
}

function objectOf(entries: readonly (readonly [string, unknown])[]): string {
  const present = entries.filter(([, value]) => value !== undefined);
  const sorted = present.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${sorted.map(([key, value]) => `${JSON.stringify(key)}:${canonicalJson(value)}`).join(",")}}`;
}

/** The same as UTF-8 bytes: what the ledger stores and hashes. */
export const canonicalBytes = (value: unknown): Uint8Array => Buffer.from(canonicalJson(value));
