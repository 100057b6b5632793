import { expect, test } from "vitest";
import { parseGoDuration } from "./go-duration.ts";

test.each([
  ["0", 0],
  ["5s", 5e9],
  ["1h30m", 5400e9],
  ["-1.5h", -5400e9],
  ["+10ms", 10e6],
  ["1us2ns", 1002],
  ["3µs", 3000],
  [".5s", 0.5e9],
  ["2.s", 2e9],
  ["", null],
  ["5", null],
  ["-", null],
  ["s", null],
  ["1x", null],
  ["1d", null],
  ["1H", null],
  ["1h 30m", null],
  ["9999999999h", null],
] as const)("%j is %s ns", (text, ns) => {
  expect(parseGoDuration(text)).toBe(ns);
});

test("days count only where asked for", () => {
  expect(parseGoDuration("1d12h", { days: true })).toBe(36 * 3600e9);
});
