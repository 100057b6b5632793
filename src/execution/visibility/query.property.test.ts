import fc from "fast-check";
import { expect, test } from "vitest";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { searchAttributeTypes } from "../search-attributes.ts";
import type { Comparison, VisibilityField, VisibilityFilter, VisibilityValue } from "./filter.ts";
import { parseVisibilityQuery } from "./query.ts";

const { TEXT, KEYWORD, INT, DOUBLE, BOOL, DATETIME, KEYWORD_LIST } = IndexedValueType;
const custom = new Map<string, IndexedValueType>([
  ["Region", KEYWORD],
  ["Note", TEXT],
  ["Count", INT],
  ["Price", DOUBLE],
  ["Urgent", BOOL],
  ["Due", DATETIME],
  ["Tags", KEYWORD_LIST],
  ["not in a name", KEYWORD],
]);
const types = searchAttributeTypes(custom);

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

function printValue(field: VisibilityField, value: VisibilityValue): string {
  if (typeof value === "string") return quoted(value);
  return field.type === DATETIME && typeof value === "number" ? quoted(new Date(value).toISOString()) : String(value);
}

function print(filter: VisibilityFilter): string {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.of.map((of) => `(${print(of)})`).join(` ${filter.op} `);
    case "not":
      return `NOT (${print(filter.of)})`;
    case "compare":
      return `\`${filter.field.name}\`${filter.comparison}${printValue(filter.field, filter.value)}`;
    case "in":
      return `\`${filter.field.name}\` IN (${filter.values.map((value) => printValue(filter.field, value)).join(",")})`;
    case "between":
      return `\`${filter.field.name}\` BETWEEN ${printValue(filter.field, filter.low)} AND ${printValue(filter.field, filter.high)}`;
    case "starts-with":
      return `\`${filter.field.name}\` STARTS_WITH ${quoted(filter.prefix)}`;
    case "is-null":
      return `\`${filter.field.name}\` IS NULL`;
  }
}

const finite = fc.double({ noDefaultInfinity: true, noNaN: true }).filter((value) => !Object.is(value, -0));
const values = new Map<IndexedValueType, fc.Arbitrary<VisibilityValue>>([
  [TEXT, fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => text.trim() !== "")],
  [KEYWORD, fc.string({ unit: "grapheme" })],
  [KEYWORD_LIST, fc.string({ unit: "grapheme" })],
  [INT, fc.maxSafeInteger()],
  [DOUBLE, finite],
  [BOOL, fc.boolean()],
  [
    DATETIME,
    fc
      .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true })
      .map((date) => date.getTime()),
  ],
]);

const condition: fc.Arbitrary<VisibilityFilter> = fc.constantFrom(...custom).chain(([name, type]): fc.Arbitrary<VisibilityFilter> => {
  const field: VisibilityField = { name, system: false, type };
  const value = values.get(type) ?? fc.constant("");
  const equality = fc.constantFrom<Comparison>("=", "!=");
  const order = fc.constantFrom<Comparison>("=", "!=", "<", "<=", ">", ">=");
  const isNull = fc.constant<VisibilityFilter>({ op: "is-null", field });
  const compare = (comparison: fc.Arbitrary<Comparison>) =>
    fc.record({ op: fc.constant("compare" as const), field: fc.constant(field), comparison, value });
  const oneOf = fc.record({
    op: fc.constant("in" as const),
    field: fc.constant(field),
    values: fc.array(value, { minLength: 1, maxLength: 4 }),
  });
  const between = fc.record({ op: fc.constant("between" as const), field: fc.constant(field), low: value, high: value });
  const startsWith = fc.record({ op: fc.constant("starts-with" as const), field: fc.constant(field), prefix: fc.string() });
  if (type === TEXT || type === BOOL) return fc.oneof(isNull, compare(equality));
  if (type === KEYWORD_LIST) return fc.oneof(isNull, compare(equality), oneOf);
  return type === KEYWORD ? fc.oneof(isNull, compare(order), oneOf, between, startsWith) : fc.oneof(isNull, compare(order), oneOf, between);
});

const { filter } = fc.letrec<{ filter: VisibilityFilter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    condition,
    fc.record({ op: fc.constantFrom("and" as const, "or" as const), of: fc.array(tie("filter"), { minLength: 2, maxLength: 4 }) }),
    fc.record({ op: fc.constant("not" as const), of: tie("filter") }),
  ),
}));

test("what is printed parses to the same filter", () => {
  fc.assert(
    fc.property(filter, (written) => {
      const query = parseVisibilityQuery(print(written), types);
      const read = query.ok && query.value.filter?.op === "and" ? query.value.filter.of[1] : query;
      expect(read).toEqual(written);
    }),
    { numRuns: 300 },
  );
});

test("anything at all is parsed or refused as invalid, never thrown", () => {
  const words = fc.constantFrom(
    ..."WorkflowId Count Region Note = != < ( ) , ' \" ` \\ 'a' 1 -1.5 AND OR NOT IN BETWEEN STARTS_WITH IS NULL ORDER GROUP BY LIMIT true".split(
      " ",
    ),
  );
  const soup = fc.array(words, { maxLength: 20 }).map((parts) => parts.join(" "));
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: "binary" }), fc.string()), (text) => {
      const query = parseVisibilityQuery(text, types);
      if (!query.ok) expect(query.error).toEqual({ kind: "invalid-argument", message: expect.stringMatching(/^invalid query: ./) });
    }),
    { numRuns: 1000 },
  );
});
