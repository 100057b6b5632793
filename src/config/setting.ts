import * as z from "zod/mini";
import { parseDuration } from "../base/quantity.ts";

/** A value as people write it: `parse` reads it, or gives undefined for what is not `expected`. */
export const setting = <T>(expected: string, parse: (value: unknown) => T | undefined) => schemaOf(expected, parse, true);

/** One whose value no message shows. */
export const secretSetting = <T>(expected: string, parse: (value: unknown) => T | undefined) => schemaOf(expected, parse, false);

const schemaOf = <T>(expected: string, parse: (value: unknown) => T | undefined, isShown: boolean) =>
  z.pipe(
    z.unknown(),
    z.transform((value, context): T => {
      const parsed = parse(value);
      if (parsed !== undefined) return parsed;
      context.issues.push({ code: "custom", message: `expected ${expected}`, input: isShown ? value : undefined });
      return z.NEVER;
    }),
  );

export const oneOf = <const T extends string>(names: readonly T[]) =>
  setting(`one of ${names.join(", ")}`, (value) =>
    names.find((name) => typeof value === "string" && name.toLowerCase() === value.toLowerCase()),
  );

export const parseBoolean = (value: unknown): boolean | undefined => {
  if (typeof value === "boolean") return value;
  return value === "true" ? true : value === "false" ? false : undefined;
};
export const filledText = (value: unknown): string | undefined => (typeof value === "string" && value.trim() !== "" ? value : undefined);

export const text = (what: string) => setting(what, filledText);
export const duration = setting("a duration such as 30s, 12h or 3d", parseDuration);
export const boolean = setting("true or false", parseBoolean);
export const hosts = setting("true, false or a list of hosts", (value) => {
  const listed = Array.isArray(value) && value.every((host): host is string => filledText(host) !== undefined) ? value : undefined;
  return listed ?? parseBoolean(value);
});
