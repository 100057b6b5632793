import * as z from "zod/mini";
import type { EpochMs } from "../../base/time.ts";

// Parameters of a query string: texts, each given once.

const parameter = <T>(expected: string, parse: (text: string) => T | null) =>
  z.pipe(
    z.unknown(),
    z.transform((value, context): T => {
      const parsed = typeof value === "string" ? parse(value) : null;
      if (parsed !== null) return parsed;
      context.issues.push({ code: "custom", message: `expected ${expected}`, input: value });
      return z.NEVER;
    }),
  );

export const text = parameter("one text", (value) => (value === "" ? null : value));

export const flag = parameter("true or false", (value) => (/^(true|1)$/.test(value) ? true : /^(false|0)$/.test(value) ? false : null));

export const wholeNumber = (least: number, most: number) =>
  parameter(`a whole number from ${least} to ${most}`, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= least && number <= most ? number : null;
  });

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
export const time = parameter("a time such as 2026-01-18T09:30:00Z", (value): EpochMs | null => {
  const at = rfc3339.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
});

export const oneOf = <T>(values: ReadonlyMap<string, T>) =>
  parameter(`one of ${[...values.keys()].join(", ")}`, (word) => values.get(word) ?? null);

/** One or several, with commas between them. */
export const someOf = <const T extends string>(names: readonly T[]) =>
  parameter(`some of ${names.join(", ")}`, (value) => {
    const chosen = value.split(",").map((word) => names.find((name) => name === word));
    return chosen.includes(undefined) ? null : chosen.filter((name) => name !== undefined);
  });
