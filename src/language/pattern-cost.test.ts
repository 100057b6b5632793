import { expect, test } from "vitest";
import { patternCost } from "./pattern-cost.ts";

test.each([
  // pattern             power of the text's length
  ["^prod$", 0],
  ["prod", 1],
  ["^[a-z]+$", 1],
  ["^[^@]+@[a-z.]+$", 2],
  [".*x", 2],
  ["^(eu|us)-[0-9]{1,3}$", 1],
  ["^(?:ab)*c", 1],
  ["^\\(a\\)[*+]$", 0],
  ["^a?b?$", 0],
] as const)("%s takes n^%d steps", (pattern, power) => {
  expect(patternCost(pattern)).toMatchObject({ ok: true, value: { power } });
});

test.each([
  ["(a+)+", "a repeated group"],
  ["(a|aa)*", "a repeated group"],
  ["((a*))*", "a repeated group"],
  ["(a?){50}", "a repeated group"],
  ["(a)\\1", "refer back"],
  ["(?=a)", "look ahead"],
  ["(?<!a)b", "look ahead"],
  ["(", "no regular expression"],
  [null, "must be a text"],
] as const)("%s is refused", (pattern, sentence) => {
  expect(patternCost(pattern)).toMatchObject({ ok: false, error: expect.stringContaining(sentence) });
});
