import { parseDuration } from "../../base/quantity.ts";
import type { DurationMs } from "../../base/time.ts";
import { parameter } from "./query.ts";

/** A text such as `90d`, from `least` to `most`. */
export const durationWithin = ({ least, most }: { readonly least: DurationMs; readonly most: DurationMs }, expected: string) =>
  parameter(expected, { type: "string", minLength: 1 }, (text): DurationMs | null => {
    const duration = text === "0s" ? 0 : (parseDuration(text) ?? -1);
    return duration >= least && duration <= most ? duration : null;
  });
