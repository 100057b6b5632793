import { type DurationMs, secondMs } from "../../base/time.ts";
import { type Place, report } from "../../language/reader.ts";
import type { Template } from "../expression/template.ts";
import type { StepFields } from "../spec/fields.ts";
import { timeoutOf } from "./activity.ts";

/** Waits for some time, or until a time. */
export type DelayKind =
  | { readonly kind: "delay"; readonly forMs: DurationMs; readonly until: null }
  | { readonly kind: "delay"; readonly forMs: null; readonly until: Template };

/** The first that is given of `delay`, `delay_sec`, `delay_until` and the time-out. */
export function linkDelay(fields: StepFields, at: Place): DelayKind | undefined {
  const { delay, delaySec, delayUntil } = fields;
  const forMs = delay ?? (delaySec === undefined ? null : Math.ceil(delaySec * secondMs));
  if (forMs !== null) return { kind: "delay", forMs, until: null };
  if (delayUntil !== undefined) {
    const until = delayUntil.value;
    if (until.kind === "value" && parseTime(until.value) === null) return report(delayUntil.at, `expected ${timeForm}`);
    return { kind: "delay", forMs: null, until };
  }
  const timeoutMs = timeoutOf(fields);
  return timeoutMs === null
    ? report(at, "a delay needs `delay`, `delay_sec` or `delay_until`")
    : { kind: "delay", forMs: timeoutMs, until: null };
}

export const timeForm = "a time such as `2027-03-01T08:00:00Z`";

/** Milliseconds since the epoch, of a time as RFC 3339 has it. */
export function parseTime(value: unknown): number | null {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i.test(value)) return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}
