import { describe, expect, test } from "vitest";
import { ok, type Result } from "../../base/result.ts";
import { readDocument } from "../../language/reader.ts";
import type { Json } from "../json.ts";
import { evaluate, readExpression } from "./expression.ts";
import type { Scope } from "./scope.ts";
import { readTemplate, render } from "./template.ts";

const scope: Scope = {
  input: { n: 3, text: "abc", number: "7", list: [4, 5], empty: [], map: { a: 1 }, yes: true, "a-b": 1 },
  ctx: {},
  steps: { "fetch-1": { output: { ok: true } } },
  run: { id: "r1" },
  config: {},
};

function valueAt(source: string): Result<Json, string> {
  const { value, problems } = readDocument(JSON.stringify(source), readExpression);
  return value === null ? { ok: false, error: problems[0]?.message ?? "" } : evaluate(value, scope);
}

describe("the simple language", () => {
  test.each([
    // expression                      value
    ["input.n", 3],
    ["input.missing", null],
    ["input.missing.deeper", null],
    ["steps.fetch-1.output.ok", true],
    ["'text'", "text"],
    ['"text"', "text"],
    ["1.5", 1.5],
    ["true", true],
    ["length(input.list)", 2],
    ["length(input.text)", 3],
    ["length(input.map)", 1],
    ["length(input.missing)", 0],
    ["first(input.list)", 4],
    ["first(input.empty)", null],
    ["first(input.text)", null],
    ["input.n == 3", true],
    ["input.number >= 7", true],
    ["input.text > 5", false],
    ["input.text < 5", true],
    ["input.text == 'abc'", true],
    ["input.text < 'abd'", true],
    ["input.yes == true", true],
    ["input.yes > false", false],
    ["input.missing == input.other", true],
    ["input.missing == 0", true],
    ["input.n != 3", false],
    ["!input.missing", true],
    // The empty list is true; `!` negates all that follows.
    ["!input.empty", false],
    ["!input.n == 3", false],
    // The first operator of the list splits, wherever it stands.
    ["input.n > 2 == true", true],
    ["input.text == 'a==b'", false],
    ["length(input.list) > 1", true],
  ])("%s → %j", (source, value) => {
    expect(valueAt(source)).toEqual(ok(value));
  });
});

describe("CEL, for what the simple language does not have", () => {
  test.each([
    ["input.n > 2 && input.yes", true],
    ["(input.n + 1.0) * 2.0", 8],
    ["input.list[1]", 5],
    ["size(input.list)", 2],
    ["input.list.exists(x, x == 5)", true],
    ["input.list.map(x, x * 2.0)", [8, 10]],
    ["has(input.missing) ? 1 : 2", 2],
    ["{'a': input.n, 'b': input.list}", { a: 3, b: [4, 5] }],
    ["steps['fetch-1'].output.ok", true],
    ["input.text.matches('^a.c$')", true],
    ["duration('90s') == duration('1m30s')", true],
  ])("%s → %j", (source, value) => {
    expect(valueAt(source)).toEqual(ok(value));
  });

  test.each([
    ["input.missing + 1", "No such key: missing"],
    ["input.text.matches('(a+)+')", "must not hold repetitions"],
    ["input.n &&", "the expression is refused"],
    ["cel.bind(x, input, x)", "not allowed"],
    ["nothing.n && true", "Unknown variable"],
    ["nothing.n", "`nothing` is not known here"],
    ["", "the expression is empty"],
  ])("%s is refused", (source, message) => {
    const value = valueAt(source);
    expect(value.ok ? "" : value.error.toLowerCase()).toContain(message.toLowerCase());
  });

  test("what could take too long is not tried", () => {
    const list = Array.from({ length: 5_000 }, (_, index) => index);
    const { value } = readDocument("input.list.all(a, input.list.all(b, a >= b || b > a))", readExpression);
    expect(value === null ? null : evaluate(value, { ...scope, input: { list } })).toMatchObject({ ok: false });
  });
});

describe("templates", () => {
  test.each([
    ["plain", "plain"],
    ["${input.n}", 3],
    ["${input.list}", [4, 5]],
    ["${input.missing}", null],
    ["n is ${input.n}", "n is 3"],
    ["${input.n}${input.text}", "3abc"],
    ["<${input.missing}>", "<>"],
    ["map: ${input.map}", 'map: {"a":1}'],
    ["${ {'n': input.n} }", { n: 3 }],
    ["${'}'}", "}"],
    ["${'${'}x", "${x"],
    ["costs $5", "costs $5"],
  ])("%s → %j", (text, value) => {
    const template = readDocument(JSON.stringify({ deep: [text, 1, null] }), readTemplate).value;
    expect(template === null ? null : render(template, scope)).toEqual(ok({ deep: [value, 1, null] }));
  });

  test("a key of any name is a key", () => {
    const template = readDocument('{"__proto__": "${input.n}", "a": 1}', readTemplate).value;
    const value = template === null ? null : render(template, scope);
    expect(value?.ok ? Object.keys(value.value as object) : []).toEqual(["__proto__", "a"]);
  });
});
