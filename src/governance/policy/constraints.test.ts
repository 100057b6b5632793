import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Constraints, mergeConstraints } from "./constraints.ts";
import { parsePolicy } from "./policy.ts";

describe("merged constraints allow what both allow", () => {
  test.each<[string, Constraints, Constraints, Constraints]>([
    [
      "numbers: the smaller",
      { budgets: { maxAttempts: 3, maxRuntimeMs: 5 } },
      { budgets: { maxAttempts: 2 } },
      { budgets: { maxAttempts: 2, maxRuntimeMs: 5 } },
    ],
    ["one side only: that side", { diff: { maxFiles: 3 } }, {}, { diff: { maxFiles: 3 } }],
    [
      "allow lists: what both have",
      { sandbox: { networkAllowlist: ["a", "b"] } },
      { sandbox: { networkAllowlist: ["b", "c"] } },
      { sandbox: { networkAllowlist: ["b"] } },
    ],
    [
      "nothing in common: nothing",
      { toolchain: { allowedTools: ["a"] } },
      { toolchain: { allowedTools: ["b"] } },
      { toolchain: { allowedTools: [] } },
    ],
    [
      "a pattern and what lies within it",
      { sandbox: { networkAllowlist: ["*.example"] } },
      { sandbox: { networkAllowlist: ["api.example", "x.org"] } },
      { sandbox: { networkAllowlist: ["api.example"] } },
    ],
    [
      "forbidden paths: both lists",
      { diff: { denyPathGlobs: ["b"] } },
      { diff: { denyPathGlobs: ["a", "b"] } },
      { diff: { denyPathGlobs: ["a", "b"] } },
    ],
    ["isolated if either says so", { sandbox: { isolated: true } }, { sandbox: { isolated: false } }, { sandbox: { isolated: true } }],
    ["the stricter redaction", { redactionLevel: "low" }, { redactionLevel: "high" }, { redactionLevel: "high" }],
    [
      "an unknown redaction is stricter than known ones",
      { redactionLevel: "full" },
      { redactionLevel: "paranoid" },
      { redactionLevel: "paranoid" },
    ],
    [
      "rates: all of them",
      { rates: [{ max: 1, per: 1, by: "run" }] },
      { rates: [{ max: 2, per: 1, by: "run" }] },
      {
        rates: [
          { max: 1, per: 1, by: "run" },
          { max: 2, per: 1, by: "run" },
        ],
      },
    ],
  ])("%s", (_what, a, b, expected) => {
    expect(mergeConstraints(a, b)).toEqual(expected);
    expect(mergeConstraints(b, a)).toEqual(expected);
    expect(mergeConstraints(expected, expected)).toEqual(expected);
  });

  test("no merge is wider than either side", () => {
    const hosts = fc.subarray(["*", "*.example", "api.example", "a*", "x.org"]);
    const side = fc.record({ max: fc.integer({ min: 1, max: 9 }), hosts });
    fc.assert(
      fc.property(side, side, (a, b) => {
        const of = ({ max, hosts: networkAllowlist }: typeof a): Constraints => ({
          budgets: { maxAttempts: max },
          sandbox: { networkAllowlist },
        });
        const merged = mergeConstraints(of(a), of(b));
        expect(merged.budgets?.maxAttempts).toBe(Math.min(a.max, b.max));
        expect(mergeConstraints(merged, of(a))).toEqual(merged);
        expect(mergeConstraints(of(b), of(a))).toEqual(merged);
      }),
    );
  });
});

test.each([
  // a spending limit                                       what is said about it
  ["{ unit: tokens, max: 10, reserve: 20 }", "error: nothing could ever happen: `reserve` is more than `max`, 10"],
  ["{ unit: actions, max: 0.5 }", "error: nothing could ever happen: `max` is less than one action"],
  ["{ unit: actions, max: 5, reserve: 1 }", "error: an action reserves one action: `reserve` is for tokens and money"],
  ["{ unit: tokens }", "error: a spending limit needs `unit` and `max`"],
  [
    "{ unit: money, max: 5 }",
    "warning: without `reserve`, an attempt reserves all that is left: one happens at a time, and one that reports nothing spends it all",
  ],
])("spend: [%s]", (spend, said) => {
  const { problems } = parsePolicy(`rules: [{ id: r, decision: allow, constraints: { spend: [${spend}] } }]`);
  expect(problems.map(({ severity, message }) => `${severity}: ${message}`)).toEqual([said]);
});
