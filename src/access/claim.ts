/** What a token says about its subject. */
export type Claims = { readonly [name: string]: unknown };

/**
 * Where texts come from: fixed ones, or a claim by its path. With a `map`, each value of the claim stands for what the map says, and one that the map
 * does not have for nothing.
 */
export type ClaimValues = readonly string[] | { readonly claim: string; readonly map: { readonly [value: string]: string } | null };

/**
 * The value at a path such as `realm_access.roles`; undefined if there is none. A name may itself have dots, as `https://example.com/roles` does, so that
 * the longest one that there is goes first.
 */
export function claimAt(claims: unknown, path: string): unknown {
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) return undefined;
  for (let end = path.length; end > 0; end = path.lastIndexOf(".", end - 1)) {
    const name = path.slice(0, end);
    // Own ones alone: `constructor` is no claim.
    if (!Object.hasOwn(claims, name)) continue;
    const value: unknown = Reflect.get(claims, name);
    if (end === path.length) return value;
    const found = claimAt(value, path.slice(end + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The texts at a path: one, or those of a list. Whatever else is there counts for nothing. */
export function textsAt(claims: Claims, path: string): readonly string[] {
  const value = claimAt(claims, path);
  // RFC 8693, section 4.2: the values of `scope` are separated by spaces. Some issuers call it `scp`.
  const values = typeof value === "string" && /(^|\.)(scope|scp)$/.test(path) ? value.split(" ") : Array.isArray(value) ? value : [value];
  return values.filter((one): one is string => typeof one === "string" && one !== "");
}

/** Each text once. */
export function valuesOf(claims: Claims, from: ClaimValues): readonly string[] {
  if (!("claim" in from)) return from;
  const { claim, map } = from;
  const found = textsAt(claims, claim);
  const meant = map === null ? found : found.flatMap((value) => (Object.hasOwn(map, value) ? [map[value] ?? ""] : []));
  return [...new Set(meant)];
}
