/** What flows between steps: what JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** The field of an object, or null: what is missing is null in our languages. */
export const fieldOf = (value: Json, key: string): Json => (isObject(value) && Object.hasOwn(value, key) ? (value[key] ?? null) : null);

export const at = (value: Json, path: readonly string[]): Json => path.reduce(fieldOf, value);

/** `root` with one value at a path. Objects on the way are made; what is no object gives way. */
export function withValueAt(root: Json, path: readonly string[], value: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const before = isObject(root) ? root : {};
  return { ...before, [key]: withValueAt(fieldOf(before, key), rest, value) };
}

export function withoutValueAt(root: Json, path: readonly string[]): Json {
  const [key, ...rest] = path;
  if (key === undefined || !isObject(root) || !Object.hasOwn(root, key)) return root;
  if (rest.length > 0) return { ...root, [key]: withoutValueAt(fieldOf(root, key), rest) };
  const { [key]: _removed, ...others } = root;
  return others;
}

/** As it stands in a text: null is nothing, a text is itself, and what has parts is JSON. */
export const printed = (value: Json): string => (value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** The longest list and the longest text anywhere inside. */
export function sizeOf(value: Json): { readonly items: number; readonly letters: number } {
  if (typeof value === "string") return { items: 0, letters: value.length };
  if (typeof value !== "object" || value === null) return { items: 0, letters: 0 };
  const parts = isList(value) ? value : Object.values(value);
  const keys = isList(value) ? [] : Object.keys(value);
  let items = parts.length;
  let letters = keys.reduce((longest, key) => Math.max(longest, key.length), 0);
  for (const part of parts) {
    const size = sizeOf(part);
    items = Math.max(items, size.items);
    letters = Math.max(letters, size.letters);
  }
  return { items, letters };
}
