import { expect, test } from "vitest";
import { isNestedTooDeeply, nestingMax } from "./nesting.ts";

const nested = (times: number, [open, close] = ["[", "]"]) => `${open?.repeat(times)}${close?.repeat(times)}`;

test.each([
  ["as deep as may be", nested(nestingMax), false],
  ["deeper", nested(nestingMax + 1), true],
  ["objects", nested(nestingMax + 1, ['{"a":', "}"]), true],
  ["arrays in objects", nested(nestingMax / 2 + 1, ['{"a":[', "]}"]), true],
  ["beside each other", `[${"[],".repeat(1_000)}1]`, false],
  ["in a text", JSON.stringify(["[".repeat(1_000), '\\"', "{".repeat(1_000)]), false],
] as const)("%s", (_, json, isTooDeep) => {
  expect(isNestedTooDeeply(json)).toBe(isTooDeep);
});
