import { createHash } from "node:crypto";

/**
 * One text for one value, whatever order its keys were written in: JSON without spaces, keys in the order of their UTF-16 code units (as
 * in RFC 8785), absent (`undefined`) fields left out. A Map is written as an object.
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

/** Lower-case hexadecimal. */
export const sha256Hex = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
