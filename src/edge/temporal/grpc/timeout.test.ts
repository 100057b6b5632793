import { expect, test } from "vitest";
import { parseTimeout } from "./timeout.ts";

test.each([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["30S", 30_000],
  ["70000m", 70_000],
  ["30000000u", 30_000],
  ["99999999n", 99.999_999],
  ["0m", 0],
  ["", null],
  ["10", null],
  ["-1S", null],
  ["1.5S", null],
  ["123456789S", null], // more than 8 digits
  ["5s", null],
])("%j is %j ms", (header, timeoutMs) => {
  if (timeoutMs === null) expect(parseTimeout(header)).toBeNull();
  else expect(parseTimeout(header)).toBeCloseTo(timeoutMs);
});
