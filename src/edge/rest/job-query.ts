import type { EpochMs } from "../../base/time.ts";
import { parameter } from "./query.ts";

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** A time as Cordum's clients give it: seconds, or a thousandth, a millionth or a billionth of them; or RFC 3339. */
export const anyTime = parameter(
  "a time such as 2026-01-18T09:30:00Z, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970",
  { type: "string" },
  (value): EpochMs | null => {
    if (rfc3339.test(value)) return Number.isNaN(Date.parse(value)) ? null : Date.parse(value);
    if (!/^\d{1,19}$/.test(value)) return null;
    const number = Number(value);
    return Math.floor(number < 1e12 ? number * 1e3 : number < 1e15 ? number : number < 1e18 ? number / 1e3 : number / 1e6);
  },
);
