import { InvalidArgumentError } from "commander";

/** Of a `--limit` flag. */
export function limitFrom(text: string): number {
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit === 0) throw new InvalidArgumentError("expected a whole number above 0");
  return limit;
}
