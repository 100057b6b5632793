import type { IncomingHttpHeaders } from "node:http";

/** Without spaces around it; null when it is not there, or is empty. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  const text = (typeof value === "string" ? value : (value?.[0] ?? "")).trim();
  return text === "" ? null : text;
}

/** What stands in the tag of an `If-Match`; null without a condition, undefined when it is none. */
export function tagIn(condition: string | null): string | null | undefined {
  if (condition === null) return null;
  return /^"([^"]*)"$/.exec(condition)?.[1];
}
