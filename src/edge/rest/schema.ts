import * as z from "zod/mini";

// What answers are made of, as the API's document has it.

/** Has a name of its own in the document, and stands there once. */
export function named<S extends z.ZodMiniType>(id: string, schema: S): S {
  z.globalRegistry.add(schema, { id });
  return schema;
}

export const listOf = <S extends z.ZodMiniType>(item: S) => z.readonly(z.array(item));

export const textOrNull = z.nullable(z.string());
export const texts = listOf(z.string());
export const textsByName = z.record(z.string(), z.string());
const rfc3339 = z.string();
z.globalRegistry.add(rfc3339, { format: "date-time" });
export const timeText = rfc3339;
export const timeOrNull = z.nullable(timeText);
export const count = z.int().check(z.nonnegative());

/** A page of a list. */
export const pageOf = <S extends z.ZodMiniType>(item: S) => z.object({ items: listOf(item), next_cursor: textOrNull });

/** Fields that may be left out. */
export const optional = <F extends { readonly [name: string]: z.ZodMiniType }>(fields: F): { [N in keyof F]: z.ZodMiniOptional<F[N]> } =>
  Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, z.optional(schema)])) as {
    [N in keyof F]: z.ZodMiniOptional<F[N]>;
  };
