import { describe, expect, test } from "vitest";
import { make } from "../protocol/codec.ts";
import { Payload, type SearchAttributes } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { IndexedValueType } from "../protocol/generated/temporal/api/enums/v1/common.ts";
import {
  addSearchAttributes,
  attributeValueBytesMax,
  customAttributesPerTypeMax,
  decodeSearchAttributes,
  mergeMemo,
  mergeSearchAttributes,
  parseRfc3339,
  searchAttributeTypes,
  validateSearchAttributes,
  withTypes,
} from "./search-attributes.ts";

const { TEXT, KEYWORD, INT, DOUBLE, BOOL, DATETIME, KEYWORD_LIST } = IndexedValueType;
const custom = new Map<string, IndexedValueType>([
  ["Region", KEYWORD],
  ["Note", TEXT],
  ["Count", INT],
  ["Price", DOUBLE],
  ["Urgent", BOOL],
  ["Due", DATETIME],
  ["Tags", KEYWORD_LIST],
]);
const types = searchAttributeTypes(custom);

const raw = (data: string | Uint8Array, encoding = "json/plain"): Payload =>
  make(Payload, { metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from(data) });
const json = (value: unknown): Payload => raw(JSON.stringify(value));
const attributes = (fields: { [name: string]: Payload }): SearchAttributes => ({ indexedFields: fields });

describe("decoding", () => {
  test.each([
    ["Region", json("eu"), "eu"],
    ["Region", json(["eu"]), "eu"],
    ["Region", json(""), ""],
    ["Note", json("two words"), "two words"],
    ["Count", json(7), 7],
    ["Count", json([7]), 7],
    ["Price", json(1.5), 1.5],
    ["Urgent", json(false), false],
    ["Due", json("2026-01-02T03:04:05.5Z"), Date.UTC(2026, 0, 2, 3, 4, 5, 500)],
    ["Due", json(["2026-01-02T03:04:05+01:00"]), Date.UTC(2026, 0, 2, 2, 4, 5)],
    ["Tags", json(["a", "b"]), ["a", "b"]],
    ["TemporalChangeVersion", json(["patch-1"]), ["patch-1"]],
    // unset
    ["Region", json(null), undefined],
    ["Count", json([]), undefined],
    ["Tags", json([]), undefined],
    ["Region", raw("", "binary/null"), undefined],
    ["Region", make(Payload), undefined],
  ])("%s %o", (name, payload, value) => {
    expect(decodeSearchAttributes(attributes({ [name]: payload }), types)).toEqual({
      ok: true,
      value: value === undefined ? {} : { [name]: value },
    });
  });

  test.each([
    ["Nope", json("x"), "search attribute Nope is not defined"],
    ["Count", json("7"), 'invalid value for search attribute Count of type Int: "7"'],
    ["Count", json(1.5), "invalid value for search attribute Count of type Int: 1.5"],
    ["Count", json([1, 2]), "invalid value for search attribute Count of type Int: list of 2 values"],
    ["Price", json("1.5"), 'invalid value for search attribute Price of type Double: "1.5"'],
    ["Urgent", json("true"), 'invalid value for search attribute Urgent of type Bool: "true"'],
    ["Due", json("tomorrow"), 'invalid value for search attribute Due of type Datetime: "tomorrow"'],
    ["Region", json(7), "invalid value for search attribute Region of type Keyword: 7"],
    ["Tags", json("a"), 'invalid value for search attribute Tags of type KeywordList: "a" is not a list of strings'],
    ["Tags", json(["a", 1]), 'invalid value for search attribute Tags of type KeywordList: ["a",1] is not a list of strings'],
    ["Region", raw("{"), "invalid value for search attribute Region of type Keyword: not JSON"],
    ["Region", raw(new Uint8Array([0x22, 0xff, 0x22])), "invalid value for search attribute Region of type Keyword: not JSON"],
    [
      "Region",
      raw("eu", "binary/encrypted"),
      'invalid value for search attribute Region of type Keyword: encoding "binary/encrypted" is not json/plain',
    ],
  ])("%s refused: %o", (name, payload, reason) => {
    expect(decodeSearchAttributes(attributes({ [name]: payload }), types)).toEqual({ ok: false, error: reason });
  });

  test("a name that objects inherit is a name like any other", () => {
    const odd = searchAttributeTypes(new Map([["__proto__", KEYWORD]]));
    const decoded = decodeSearchAttributes({ indexedFields: Object.fromEntries([["__proto__", json("x")]]) }, odd);
    expect(decoded.ok && Object.entries(decoded.value)).toEqual([["__proto__", "x"]]);
  });
});

describe("what a caller may set", () => {
  const keyword = (bytes: number): Payload => json("x".repeat(bytes - 2));
  const many = (count: number, payload: Payload): [SearchAttributes, ReadonlyMap<string, IndexedValueType>] => {
    const names = Array.from({ length: count }, (_, index) => `K${index}`);
    return [attributes(Object.fromEntries(names.map((name) => [name, payload]))), new Map(names.map((name) => [name, KEYWORD]))];
  };

  test.each([
    ["Region", json("eu"), null],
    ["Region", json(null), null],
    ["TemporalChangeVersion", json(["p"]), null],
    ["BuildIds", json(["v1"]), null],
    ["BatcherUser", json("me"), null],
    ["TemporalScheduledById", json("s"), null],
    ["Region", keyword(attributeValueBytesMax), null],
    ["WorkflowId", json("w"), "WorkflowId attribute can't be set in SearchAttributes"],
    ["TemporalWorkerDeployment", json("d"), "TemporalWorkerDeployment attribute can't be set in SearchAttributes"],
    ["Nope", json("x"), "search attribute Nope is not defined"],
    ["Count", json("x"), 'invalid value for search attribute Count of type Int: "x"'],
    ["Region", keyword(attributeValueBytesMax + 1), "search attribute Region value size 2049 exceeds size limit 2048"],
  ])("%s", (name, payload, reason) => {
    expect(validateSearchAttributes(attributes({ [name]: payload }), types)).toBe(reason);
  });

  test("at most 100 names and 40 KiB in all", () => {
    expect(validateSearchAttributes(...many(100, keyword(100)))).toBe(null);
    expect(validateSearchAttributes(...many(101, keyword(100)))).toBe("number of search attributes 101 exceeds limit 100");
    expect(validateSearchAttributes(...many(21, keyword(2000)))).toBe("total size of search attributes 42053 exceeds size limit 40960");
  });
});

test("types come from the registry, whatever the caller wrote", () => {
  const wrong = { ...json(["a"]), metadata: { encoding: Buffer.from("json/plain"), type: Buffer.from("Text") } };
  const typed = withTypes(attributes({ Tags: wrong, Region: json("eu"), Nope: json(1) }), types);
  const typeOf = (name: string) => Buffer.from(typed.indexedFields[name]?.metadata.type ?? []).toString();
  expect([typeOf("Tags"), typeOf("Region"), typeOf("Nope")]).toEqual(["KeywordList", "Keyword", ""]);
  expect(typed.indexedFields.Tags?.data).toEqual(wrong.data);
  expect(Buffer.from(wrong.metadata.type).toString()).toBe("Text");
});

describe("upserts", () => {
  const old = { A: json(1), B: json(2) };
  test.each([
    ["sets and adds", { B: json(3), C: json(4) }, { A: json(1), B: json(3), C: json(4) }],
    ["null removes", { A: json(null) }, { B: json(2) }],
    ["an empty list removes", { A: json([]) }, { B: json(2) }],
    ["a null payload removes", { A: raw("", "binary/null"), B: make(Payload) }, {}],
    ["removing what is not there is nothing", { C: json(null) }, old],
    ["empty bytes are a value", { A: raw("", "binary/plain") }, { A: raw("", "binary/plain"), B: json(2) }],
  ])("%s", (_, upsert, merged) => {
    expect(mergeMemo({ fields: old }, { fields: upsert })).toEqual({ fields: merged });
    expect(mergeSearchAttributes(attributes(old), attributes(upsert))).toEqual(attributes(merged));
  });

  test("over nothing", () => {
    expect(mergeMemo(undefined, { fields: { A: json(1), B: json(null) } })).toEqual({ fields: { A: json(1) } });
  });
});

describe("registering", () => {
  test.each([
    ["Region", KEYWORD, null],
    ["with space", INT, null],
    ["Region", INT, "Search attribute Region already exists with type Keyword."],
    ["WorkflowId", KEYWORD, "Search attribute WorkflowId is reserved by system."],
    ["BuildIds", KEYWORD_LIST, "Search attribute BuildIds is reserved by system."],
    ["Memo", KEYWORD, "Search attribute Memo is reserved by system."],
    ["TemporalMine", KEYWORD, "Search attribute TemporalMine is reserved by system."],
    ["", KEYWORD, 'invalid search attribute name "": use 1 to 255 characters, no back-tick, no control character, no space at an end'],
    [
      "a`b",
      KEYWORD,
      'invalid search attribute name "a`b": use 1 to 255 characters, no back-tick, no control character, no space at an end',
    ],
    ["X", IndexedValueType.UNSPECIFIED, "search attribute X has an unknown type: 0"],
  ])("%j %s: %s", (name, type, reason) => {
    const added = addSearchAttributes(custom, { [name]: type });
    if (reason === null) expect(added).toEqual({ ok: true, value: new Map([...custom, [name, type]]) });
    else expect(added).toMatchObject({ ok: false, error: { message: reason } });
  });

  test("a type has a bounded number of attributes", () => {
    const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`I${index}`, INT]));
    expect(addSearchAttributes(new Map(), named(customAttributesPerTypeMax)).ok).toBe(true);
    expect(addSearchAttributes(new Map(), named(customAttributesPerTypeMax + 1))).toMatchObject({
      error: { kind: "invalid-argument", message: "cannot have more than 100 search attributes of type Int" },
    });
  });
});

test.each([
  ["1970-01-01T00:00:00Z", 0],
  ["2024-02-29T23:59:59.999999999Z", Date.UTC(2024, 1, 29, 23, 59, 59, 999) + 0.999],
  ["2026-01-01T00:00:00-00:30", Date.UTC(2026, 0, 1, 0, 30)],
  ["2023-02-29T00:00:00Z", null],
  ["2026-13-01T00:00:00Z", null],
  ["2026-01-01T24:00:00Z", null],
  ["2026-01-01T00:00:60Z", null],
  ["2026-01-01T00:00:00", null],
  ["2026-01-01 00:00:00Z", null],
  ["2026-01-01", null],
] as const)("RFC 3339 %s", (text, ms) => {
  expect(parseRfc3339(text)).toBe(ms);
});
