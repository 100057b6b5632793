import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalBytes, canonicalJson } from "./canonical-json.ts";

describe("RFC 8785", () => {
  test.each<[string, unknown, string]>([
    ["literals", [null, true, false], "[null,true,false]"],
    ["no spaces", { a: [1, { b: "c d" }] }, '{"a":[1,{"b":"c d"}]}'],
    ["numbers (3.2.2.3)", [333333333.3333333, 1e30, 4.5, 0.002, 1e-27, -0], "[333333333.3333333,1e+30,4.5,0.002,1e-27,0]"],
    ["texts (3.2.2.2)", '€$\u000f\nA\'B"\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\"/"'],
    [
      "keys in the order of UTF-16 code units (3.2.3)",
      { "€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\u0080": 6, ö: 7 },
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
    ],
  ])("%s", (_, value, expected) => {
    expect(canonicalJson(value)).toBe(expected);
  });
});

test.each<[string, unknown, string]>([
  ["an absent field", { a: undefined, b: 1 }, '{"b":1}'],
  ["an absent item", [undefined, 1], "[null,1]"],
  [
    "a Map",
    new Map([
      ["b", 1],
      ["a", 2],
    ]),
    '{"a":2,"b":1}',
  ],
  ["no number", [Number.NaN, Number.POSITIVE_INFINITY], "[null,null]"],
  ["half a surrogate pair", { "\udc00": "\ud800" }, '{"\\udc00":"\\ud800"}'],
])("beyond it: %s", (_, value, expected) => {
  expect(canonicalJson(value)).toBe(expected);
  expect(canonicalJson(JSON.parse(expected))).toBe(expected);
});

test("any value reads back equal, and has one form", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const form = canonicalJson(value);
      expect(canonicalJson(JSON.parse(form))).toBe(form);
      expect(Buffer.from(canonicalBytes(value)).toString()).toBe(form);
    }),
  );
});
