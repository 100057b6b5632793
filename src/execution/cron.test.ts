import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { minuteMs } from "../base/time.ts";
import { nextCronTime, validateCron } from "./cron.ts";

const next = (spec: string, after: string): string | null => {
  const due = nextCronTime(spec, Date.parse(after));
  if (!due.ok) throw new Error(due.error);
  return due.value === null
    ? null
    : new Date(due.value)
        .toISOString()
        .replace(/:00\.000Z$/, "Z")
        .replace(/\.000Z$/, "Z");
};

describe("the next time, UTC", () => {
  test.each([
    // spec               after                       next
    ["* * * * *", "2026-01-01T10:00:00Z", "2026-01-01T10:01Z"],
    ["* * * * *", "2026-01-01T10:00:59.999Z", "2026-01-01T10:01Z"],
    ["0/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:00Z"],
    ["20-35/15 * * * *", "2012-07-09T15:45:00Z", "2012-07-09T16:20Z"],
    ["*/15 * * * *", "2012-07-09T23:46:00Z", "2012-07-10T00:00Z"],
    ["5,1 12 * * *", "2026-01-01T12:01:00Z", "2026-01-01T12:05Z"],
    ["30 08 15 Jul ?", "2012-07-01T00:00:00Z", "2012-07-15T08:30Z"],
    ["0 0 9 Apr-Oct ?", "2012-07-09T23:35:00Z", "2012-08-09T00:00Z"],
    ["0 0 * FEB mon", "2012-07-09T23:35:00Z", "2013-02-04T00:00Z"],
    ["0 0 * Feb Mon/2", "2012-07-09T23:35:00Z", "2013-02-01T00:00Z"],
    ["* * * * *", "2012-12-31T23:59:45Z", "2013-01-01T00:00Z"],
    ["0 0 31 * *", "2026-04-01T00:00:00Z", "2026-05-31T00:00Z"],
    ["0 0 29 2 *", "2025-03-01T00:00:00Z", "2028-02-29T00:00Z"],
    ["0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00Z"],
    ["0 0 30 2 *", "2026-01-01T00:00:00Z", null],
    ["0 0 31 4,6,9,11 ?", "2026-01-01T00:00:00Z", null],
    // Both day fields restricted: either is enough. A star in one of them: both must match.
    ["0 0 1,15 * Sun", "2012-07-15T00:00:00Z", "2012-07-22T00:00Z"],
    ["0 0 1,15 * Sun", "2012-07-29T00:00:00Z", "2012-08-01T00:00Z"],
    ["0 0 * * Mon", "2012-07-14T00:00:00Z", "2012-07-16T00:00Z"],
    ["0 0 1,15 * *", "2012-07-02T00:00:00Z", "2012-07-15T00:00Z"],
    ["0 0 */10 * Sun", "2012-07-09T00:00:00Z", "2012-07-11T00:00Z"],
    ["@hourly", "2026-01-01T10:00:00Z", "2026-01-01T11:00Z"],
    ["@daily", "2026-01-01T10:00:00Z", "2026-01-02T00:00Z"],
    ["@midnight", "2026-01-01T10:00:00Z", "2026-01-02T00:00Z"],
    ["@weekly", "2026-01-01T10:00:00Z", "2026-01-04T00:00Z"],
    ["@monthly", "2026-01-01T10:00:00Z", "2026-02-01T00:00Z"],
    ["@yearly", "2026-01-01T10:00:00Z", "2027-01-01T00:00Z"],
    ["@annually", "2026-01-01T10:00:00Z", "2027-01-01T00:00Z"],
    ["@every 5s", "2026-01-01T10:00:00Z", "2026-01-01T10:00:05Z"],
    ["@every 5s", "2026-01-01T10:00:00.900Z", "2026-01-01T10:00:05Z"],
    ["@every 1h30m", "2026-01-01T10:00:07Z", "2026-01-01T11:30:07Z"],
    ["@every 1500ms", "2026-01-01T10:00:00Z", "2026-01-01T10:00:01Z"],
    ["@every 10ms", "2026-01-01T10:00:00Z", "2026-01-01T10:00:01Z"],
  ] as const)("%s after %s is %s", (spec, after, expected) => {
    expect(next(spec, after)).toBe(expected);
  });
});

describe("the next time in a zone", () => {
  test.each([
    // spec                                       after                   next
    ["CRON_TZ=America/New_York 30 9 * * *", "2026-01-15T00:00:00Z", "2026-01-15T14:30Z"],
    ["TZ=America/New_York 30 9 * * *", "2026-07-15T00:00:00Z", "2026-07-15T13:30Z"],
    ["CRON_TZ=Asia/Kolkata 0 0 * * *", "2026-01-01T00:00:00Z", "2026-01-01T18:30Z"],
    ["CRON_TZ=UTC @daily", "2026-01-01T10:00:00Z", "2026-01-02T00:00Z"],
    ["CRON_TZ=Asia/Tokyo @daily", "2026-01-01T10:00:00Z", "2026-01-01T15:00Z"],
    ["CRON_TZ=Asia/Tokyo @every 1m", "2026-01-01T10:00:00Z", "2026-01-01T10:01Z"],
    // 2026-03-08 in New York goes from 01:59 EST to 03:00 EDT: 02:30 does not come.
    ["CRON_TZ=America/New_York 30 2 * * *", "2026-03-08T05:00:00Z", "2026-03-09T06:30Z"],
    ["CRON_TZ=America/New_York 30 2 8 3 *", "2026-01-01T00:00:00Z", "2027-03-08T07:30Z"],
    ["CRON_TZ=America/New_York 0 * * * *", "2026-03-08T06:00:00Z", "2026-03-08T07:00Z"],
    ["CRON_TZ=America/New_York 0 3 * * *", "2026-03-08T06:30:00Z", "2026-03-08T07:00Z"],
    // 2026-11-01 there goes from 01:59 EDT to 01:00 EST: 01:30 comes twice.
    ["CRON_TZ=America/New_York 30 1 1 11 *", "2026-01-15T00:00:00Z", "2026-11-01T05:30Z"],
    ["CRON_TZ=America/New_York 30 1 1 11 *", "2026-11-01T05:30:00Z", "2026-11-01T06:30Z"],
    ["CRON_TZ=America/New_York 30 1 1 11 *", "2026-11-01T06:30:00Z", "2027-11-01T05:30Z"],
    ["CRON_TZ=Europe/Berlin 0 0 29 3 *", "2026-01-01T00:00:00Z", "2026-03-28T23:00Z"],
    ["CRON_TZ=Australia/Lord_Howe 15 2 4 10 *", "2026-01-01T00:00:00Z", "2027-10-03T15:15Z"], // half an hour of summer time
    // Samoa had no 30 December 2011.
    ["CRON_TZ=Pacific/Apia 0 12 30 * *", "2011-12-01T00:00:00Z", "2012-01-29T22:00Z"],
    ["CRON_TZ=Europe/Berlin 0 0 30 2 *", "2026-01-01T00:00:00Z", null],
  ] as const)("%s after %s is %s", (spec, after, expected) => {
    expect(next(spec, after)).toBe(expected);
  });
});

test.each([
  ["", "empty spec string"],
  ["* * * *", "expected exactly 5 fields, found 4: * * * *"],
  ["0 * * * * *", "expected exactly 5 fields, found 6: 0 * * * * *"],
  ["   ", "expected exactly 5 fields, found 1: "],
  ["60 * * * *", "end of range (60) above maximum (59): 60"],
  ["* 24 * * *", "end of range (24) above maximum (23): 24"],
  ["* * 0 * *", "beginning of range (0) below minimum (1): 0"],
  ["* * * * 7", "end of range (7) above maximum (6): 7"],
  ["5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"],
  ["1-2-3 * * * *", "too many hyphens: 1-2-3"],
  ["*/2/3 * * * *", "too many slashes: */2/3"],
  ["*/0 * * * *", "step of range should be a positive number: */0"],
  ["x * * * *", "failed to parse number: x"],
  ["-1 * * * *", "failed to parse number: -1"],
  ["* * L * *", "failed to parse number: L"],
  [", * * * *", "empty field: ,"],
  ["@fortnightly", "unrecognized descriptor: @fortnightly"],
  ["@every 5", "failed to parse duration @every 5"],
  ["CRON_TZ=Mars/Base * * * * *", "provided bad location Mars/Base: unknown time zone Mars/Base"],
  ["TZ=UTC", "expected exactly 5 fields, found 1: "],
  ["CRON_TZ=Europe/Paris 5 4 * * *", null],
  ["0 0 30 2 *", null],
] as const)("validate %j: %s", (spec, reason) => {
  expect(validateCron(spec)).toBe(reason);
});

test("what is due next is the first minute whose clock fits, whatever the zone does", () => {
  const start = Date.parse("2026-01-01T00:00:00Z");
  fc.assert(
    fc.property(
      fc.constantFrom("America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca"),
      fc.integer({ min: 0, max: 59 }),
      fc.integer({ min: 0, max: 23 }),
      fc.integer({ min: 0, max: 365 * 24 * 60 }),
      (zone, minute, hour, minutesLater) => {
        const after = start + minutesLater * minuteMs;
        const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
        const wanted = `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
        let expected = after + minuteMs;
        while (clock.format(expected) !== wanted) expected += minuteMs;
        expect(nextCronTime(`CRON_TZ=${zone} ${minute} ${hour} * * *`, after)).toEqual({ ok: true, value: expected });
      },
    ),
    { numRuns: 60 },
  );
});

test("garbage is refused, never thrown", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."0123456789*/,-? @TZ=every", "é"), maxLength: 40 }), (spec) => {
      const due = nextCronTime(spec, 0);
      expect(due.ok).toBe(validateCron(spec) === null);
    }),
  );
});
