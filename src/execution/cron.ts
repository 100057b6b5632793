import { parseGoDuration } from "../base/go-duration.ts";
import { err, ok, type Result } from "../base/result.ts";
import { dayMs, type EpochMs, hourMs, minuteMs, secondMs } from "../base/time.ts";

/** A parsed spec: fields of a calendar in a time zone (null: UTC), or a constant delay. */
type CronSchedule =
  | { readonly kind: "every"; readonly delayMs: number }
  | { readonly kind: "calendar"; readonly fields: CronFields; readonly zone: Intl.DateTimeFormat | null };

type CronFields = {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly daysOfWeek: ReadonlySet<number>;
  /** Both day fields are restricted, so a day that matches one of them is enough. */
  readonly eitherDay: boolean;
};

/** Leap days are at most this far apart (1896 and 1904, 2096 and 2104): what does not come by then never comes. */
const searchYearsMax = 8;
const specLengthMax = 1_000;

/**
 * * The first time strictly after `after` at which the spec is due, null when it never is (`0 0 30 2 *`). Refused with the reason when the
 * spec is malformed. A wall-clock time that a change to summer time skips is not made up for; one that comes twice is due twice. Source:
 * robfig/cron v3 `ParseStandard`, which the reference server uses.
 */
export function nextCronTime(spec: string, after: EpochMs): Result<EpochMs | null, string> {
  const parsed = parseCron(spec);
  if (!parsed.ok) return parsed;
  const schedule = parsed.value;
  if (schedule.kind === "every") return ok(Math.floor(after / secondMs) * secondMs + schedule.delayMs);
  return ok(nextInZone(schedule.fields, schedule.zone, Math.floor(after / minuteMs) * minuteMs + minuteMs));
}

/** Why the spec is malformed, or null when it is fine. */
export function validateCron(spec: string): string | null {
  const parsed = parseCron(spec);
  return parsed.ok ? null : parsed.error;
}

function parseCron(spec: string): Result<CronSchedule, string> {
  if (spec === "") return err("empty spec string");
  if (spec.length > specLengthMax) return err(`spec of ${spec.length} characters is longer than ${specLengthMax}`);
  const [, zoneName, rest] = /^(?:CRON_)?TZ=(\S*)(.*)$/s.exec(spec) ?? [undefined, undefined, spec];
  let zone: Intl.DateTimeFormat | null = null;
  if (zoneName !== undefined && !utcNames.has(zoneName)) {
    zone = zoneFormat(zoneName);
    if (zone === null) return err(`provided bad location ${zoneName}: unknown time zone ${zoneName}`);
  }
  const timing = rest.trim();
  if (timing.startsWith("@every ")) return parseEvery(timing.slice("@every ".length));
  const standard = timing.startsWith("@") ? descriptors.get(timing) : timing;
  if (standard === undefined) return err(`unrecognized descriptor: ${timing}`);
  const fields = parseFields(standard);
  return fields.ok ? ok({ kind: "calendar", fields: fields.value, zone }) : fields;
}

const descriptors: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
]);

function parseEvery(duration: string): Result<CronSchedule, string> {
  const ns = parseGoDuration(duration);
  if (ns === null) return err(`failed to parse duration @every ${duration}`);
  return ok({ kind: "every", delayMs: Math.max(1, Math.floor(ns / 1e9)) * secondMs });
}

type Bounds = { readonly min: number; readonly max: number; readonly names: readonly string[] };
const minuteBounds: Bounds = { min: 0, max: 59, names: [] };
const hourBounds: Bounds = { min: 0, max: 23, names: [] };
const dayOfMonthBounds: Bounds = { min: 1, max: 31, names: [] };
const monthBounds: Bounds = {
  min: 1,
  max: 12,
  names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const dayOfWeekBounds: Bounds = { min: 0, max: 6, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

function parseFields(spec: string): Result<CronFields, string> {
  const texts = spec.split(/\s+/);
  const [minute = "", hour = "", dayOfMonth = "", month = "", dayOfWeek = ""] = texts;
  if (texts.length !== 5) return err(`expected exactly 5 fields, found ${texts.length}: ${spec}`);
  const minutes = parseField(minute, minuteBounds);
  if (!minutes.ok) return minutes;
  const hours = parseField(hour, hourBounds);
  if (!hours.ok) return hours;
  const daysOfMonth = parseField(dayOfMonth, dayOfMonthBounds);
  if (!daysOfMonth.ok) return daysOfMonth;
  const months = parseField(month, monthBounds);
  if (!months.ok) return months;
  const daysOfWeek = parseField(dayOfWeek, dayOfWeekBounds);
  if (!daysOfWeek.ok) return daysOfWeek;
  return ok({
    minutes: minutes.value.values,
    hours: hours.value.values,
    daysOfMonth: daysOfMonth.value.values,
    months: months.value.values,
    daysOfWeek: daysOfWeek.value.values,
    eitherDay: !daysOfMonth.value.star && !daysOfWeek.value.star,
  });
}

type Field = { readonly values: ReadonlySet<number>; readonly star: boolean };

/** `star` says that a bare `*` or `?` stands in the list; with a step it restricts, as `2-30/2` does. */
function parseField(text: string, bounds: Bounds): Result<Field, string> {
  const values = new Set<number>();
  let star = false;
  for (const range of text.split(",").filter((part) => part !== "")) {
    const parsed = parseRange(range, bounds);
    if (!parsed.ok) return parsed;
    const { low, high, step } = parsed.value;
    for (let value = low; value <= high; value += step) values.add(value);
    star ||= parsed.value.star;
  }
  return values.size === 0 ? err(`empty field: ${text}`) : ok({ values, star });
}

type Range = { readonly low: number; readonly high: number; readonly step: number; readonly star: boolean };

function parseRange(text: string, bounds: Bounds): Result<Range, string> {
  const [span = "", stepText, ...moreSteps] = text.split("/");
  const [lowText = "", highText, ...moreEnds] = span.split("-");
  if (moreEnds.length > 0) return err(`too many hyphens: ${text}`);
  if (moreSteps.length > 0) return err(`too many slashes: ${text}`);
  const any = lowText === "*" || lowText === "?";
  const low = any ? bounds.min : parseNumber(lowText, bounds.names, bounds.min);
  // `5/15` means from 5 to the end.
  const high =
    any || (highText === undefined && stepText !== undefined) ? bounds.max : parseNumber(highText ?? lowText, bounds.names, bounds.min);
  const step = stepText === undefined ? 1 : parseNumber(stepText, [], 0);
  if (low === null || high === null || step === null) return err(`failed to parse number: ${text}`);
  if (low < bounds.min) return err(`beginning of range (${low}) below minimum (${bounds.min}): ${text}`);
  if (high > bounds.max) return err(`end of range (${high}) above maximum (${bounds.max}): ${text}`);
  if (low > high) return err(`beginning of range (${low}) beyond end of range (${high}): ${text}`);
  if (step === 0) return err(`step of range should be a positive number: ${text}`);
  return ok({ low, high, step, star: any && step === 1 });
}

function parseNumber(text: string, names: readonly string[], firstName: number): number | null {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + firstName;
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

/** The first due minute at or after `from`, by the zone's clock. */
function nextInZone(fields: CronFields, zone: Intl.DateTimeFormat | null, from: EpochMs): EpochMs | null {
  const until = Date.UTC(new Date(from).getUTCFullYear() + searchYearsMax + 1, 0);
  if (zone === null) return nextOnClock(fields, from, until);
  let time = from;
  while (time < until) {
    const offset = zoneOffset(zone, time);
    const due = nextOnClock(fields, time + offset, until + dayMs);
    if (due === null) return null;
    const candidate = due - offset;
    // INVARIANT: nothing is due between `time` and `candidate` unless a change of the clock brings wall-clock times back. Changes are
    // more than a day apart and move the clock by at most a day, so only one within the first or the last day can do that.
    const reach = Math.min(candidate, time + dayMs);
    if (zoneOffset(zone, reach) !== offset) time = nextOffsetChange(zone, time, reach);
    else if (reach === candidate) return candidate;
    else time = Math.max(reach, candidate - dayMs);
  }
  return null;
}

/** The first due minute at or after `from` on a clock that is never changed, where 00:00 on 1 January 1970 is 0. */
function nextOnClock(fields: CronFields, from: number, until: number): number | null {
  let time = from;
  while (time < until) {
    const date = new Date(time);
    if (!fields.months.has(date.getUTCMonth() + 1)) time = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
    else if (!isDueDay(fields, date)) time = startOf(dayMs, time) + dayMs;
    else if (!fields.hours.has(date.getUTCHours())) time = startOf(hourMs, time) + hourMs;
    else if (!fields.minutes.has(date.getUTCMinutes())) time += minuteMs;
    else return time;
  }
  return null;
}

function isDueDay({ daysOfMonth, daysOfWeek, eitherDay }: CronFields, date: Date): boolean {
  const byMonth = daysOfMonth.has(date.getUTCDate());
  const byWeek = daysOfWeek.has(date.getUTCDay());
  return eitherDay ? byMonth || byWeek : byMonth && byWeek;
}

const startOf = (unitMs: number, time: number): number => Math.floor(time / unitMs) * unitMs;

/** The first minute after `low` with another offset than `low` has, given that `high` has another one. */
function nextOffsetChange(zone: Intl.DateTimeFormat, low: EpochMs, high: EpochMs): EpochMs {
  const offset = zoneOffset(zone, low);
  let before = low;
  let after = high;
  while (after - before > minuteMs) {
    const middle = before + startOf(minuteMs, (after - before) / 2);
    if (zoneOffset(zone, middle) === offset) before = middle;
    else after = middle;
  }
  return after;
}

const utcNames: ReadonlySet<string> = new Set(["", "UTC"]);

function zoneFormat(name: string): Intl.DateTimeFormat | null {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** How far the zone's clock is ahead of UTC at this time, in milliseconds. */
function zoneOffset(zone: Intl.DateTimeFormat, time: EpochMs): number {
  const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (zone.format(time).match(/\d+/g) ?? []).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) - startOf(secondMs, time);
}
