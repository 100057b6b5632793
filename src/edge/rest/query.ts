import * as z from "zod/mini";
import type { EpochMs } from "../../base/time.ts";

// Parameters of a query string: texts, each given once.

/** `described` says what is allowed, as JSON Schema has it: a transformation shows nothing of it. */
export const parameter = <T>(expected: string, described: z.core.JSONSchema.BaseSchema, parse: (text: string) => T | null) => {
  const schema = z.pipe(
    z.unknown(),
    z.transform((value, context): T => {
      const parsed = typeof value === "string" ? parse(value) : null;
      if (parsed !== null) return parsed;
      context.issues.push({ code: "custom", message: `expected ${expected}`, input: value });
      return z.NEVER;
    }),
  );
  z.globalRegistry.add(schema, described);
  return schema;
};

export const text = parameter("one text", { type: "string", minLength: 1 }, (value) => (value === "" ? null : value));

export const flag = parameter("true or false", { type: "boolean" }, (value) =>
  /^(true|1)$/.test(value) ? true : /^(false|0)$/.test(value) ? false : null,
);

export const wholeNumber = (least: number, most: number) =>
  parameter(`a whole number from ${least} to ${most}`, { type: "integer", minimum: least, maximum: most }, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : null;
  });

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
export const time = parameter("a time such as 2026-01-18T09:30:00Z", { type: "string", format: "date-time" }, (value): EpochMs | null => {
  const at = rfc3339.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
});

export const oneOf = <T>(values: ReadonlyMap<string, T>) =>
  parameter(`one of ${[...values.keys()].join(", ")}`, { type: "string", enum: [...values.keys()] }, (word) => values.get(word) ?? null);

/** One or several, with commas between them. */
export const someOf = <const T extends string>(names: readonly T[]) =>
  parameter(`some of ${names.join(", ")}`, { type: "string", pattern: someOfPattern(names) }, (value) => {
    const chosen = value.split(",").map((word) => names.find((name) => name === word));
    return chosen.includes(undefined) ? null : chosen.filter((name) => name !== undefined);
  });

const someOfPattern = (names: readonly string[]): string => `^(${names.join("|")})(,(${names.join("|")}))*$`;
