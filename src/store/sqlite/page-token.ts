import { PageTokenError } from "../store.ts";

/** Of no blob: bytes that are sorted by travel as the text they stand for. */
export type PageValue = string | number | null;

/** What a page ends with, so that the next one begins after it. */
export const encodePageToken = (values: readonly unknown[]): string => Buffer.from(JSON.stringify(values)).toString("base64url");

export function decodePageToken(token: string): readonly PageValue[] {
  try {
    const values: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (Array.isArray(values) && values.every((value) => value === null || typeof value === "string" || typeof value === "number"))
      return values;
  } catch {
    // Not JSON: as malformed as any other.
  }
  throw new PageTokenError("page token is malformed");
}

export const foreignToken = (): PageTokenError => new PageTokenError("page token is not of this query");

/** The page of rows that were read with one more than `limit`, and the token of the next page where there is one. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  keyOf: (last: T) => readonly PageValue[],
): { readonly page: readonly T[]; readonly next: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, next: rows.length > limit && last !== undefined ? encodePageToken(keyOf(last)) : null };
}
