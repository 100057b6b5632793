import * as z from "zod/mini";

export const optionalText = z.optional(z.nullable(z.string("expected a text")));

/** Why somebody does something, for the record. */
export const reasonFields = { reason: optionalText, note: optionalText };

/** The note stands on a line of its own. */
export const reasonOf = ({
  reason,
  note,
}: {
  readonly reason?: string | null | undefined;
  readonly note?: string | null | undefined;
}): string => [reason, note].filter((given) => given).join("\n");

/** A body of these fields and no others. */
export const bodyOf = <const S extends z.core.$ZodLooseShape>(fields: S) =>
  z.strictObject(fields, { error: (issue) => (issue.code === "invalid_type" ? "expected an object" : undefined) });
