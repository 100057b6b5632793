import { describe, expect, test } from "vitest";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { searchAttributeTypes, systemSearchAttributes } from "../search-attributes.ts";
import type { VisibilityField, VisibilityFilter, VisibilityQuery } from "./filter.ts";
import { parseVisibilityQuery, queryBytesMax, queryDepthMax, queryTermsMax } from "./query.ts";

const types = searchAttributeTypes(
  new Map<string, IndexedValueType>([
    ["Region", IndexedValueType.KEYWORD],
    ["Note", IndexedValueType.TEXT],
    ["Count", IndexedValueType.INT],
    ["Price", IndexedValueType.DOUBLE],
    ["Urgent", IndexedValueType.BOOL],
    ["Due", IndexedValueType.DATETIME],
    ["Tags", IndexedValueType.KEYWORD_LIST],
    ["order.no 1", IndexedValueType.INT],
    ["a.b", IndexedValueType.INT],
    ["SchedulePaused", IndexedValueType.KEYWORD],
  ]),
);
const field = (name: string): VisibilityField => ({
  name,
  system: systemSearchAttributes.has(name),
  type: types.get(name) ?? IndexedValueType.UNSPECIFIED,
});
const isNull = (name: string): VisibilityFilter => ({ op: "is-null", field: field(name) });
const is = (name: string, value: string | number | boolean): VisibilityFilter => ({
  op: "compare",
  field: field(name),
  comparison: "=",
  value,
});
const not = (of: VisibilityFilter): VisibilityFilter => ({ op: "not", of });
const all = (...of: VisibilityFilter[]): VisibilityFilter => ({ op: "and", of });
const any = (...of: VisibilityFilter[]): VisibilityFilter => ({ op: "or", of });

function parsed(text: string): VisibilityQuery {
  const query = parseVisibilityQuery(text, types);
  if (!query.ok) throw new Error(JSON.stringify(query.error));
  return query.value;
}

/** The query's own filter, without the one that hides other divisions. */
function filterOf(text: string): VisibilityFilter | null {
  const { filter } = parsed(text);
  if (filter?.op !== "and") return null;
  expect(filter.of[0]).toEqual(isNull("TemporalNamespaceDivision"));
  return filter.of[1] ?? null;
}

function refusalOf(text: string): string {
  const query = parseVisibilityQuery(text, types);
  if (query.ok) throw new Error(`accepted: ${JSON.stringify(query.value)}`);
  expect(query.error.kind).toBe("invalid-argument");
  return query.error.kind === "invalid-argument" ? query.error.message : "";
}

describe("conditions", () => {
  const compare = (name: string, comparison: "!=" | "<" | "<=" | ">" | ">=", value: string | number): VisibilityFilter => ({
    op: "compare",
    field: field(name),
    comparison,
    value,
  });
  test.each<[string, VisibilityFilter]>([
    ["WorkflowId = 'a'", is("WorkflowId", "a")],
    ["WorkflowId='a'", is("WorkflowId", "a")],
    ['WorkflowType = "Order"', is("WorkflowType", "Order")],
    ["`WorkflowId` = 'a'", is("WorkflowId", "a")],
    ["`order.no 1` = 7", is("order.no 1", 7)],
    ["a.b = 7", is("a.b", 7)],
    ["WorkflowId != 'a'", compare("WorkflowId", "!=", "a")],
    ["WorkflowId <> 'a'", compare("WorkflowId", "!=", "a")],
    ["Count < 5", compare("Count", "<", 5)],
    ["Count <= +5", compare("Count", "<=", 5)],
    ["Count > -5", compare("Count", ">", -5)],
    ["Price >= 1.5e2", compare("Price", ">=", 150)],
    ["Urgent = TRUE", is("Urgent", true)],
    ["Urgent = false", is("Urgent", false)],
    ["Tags = 'x'", is("Tags", "x")],
    ["Note = 'two words'", is("Note", "two words")],
    ["Region IN ('eu', \"us\")", { op: "in", field: field("Region"), values: ["eu", "us"] }],
    ["Tags NOT IN ('x')", not({ op: "in", field: field("Tags"), values: ["x"] })],
    ["Count BETWEEN 1 AND 3", { op: "between", field: field("Count"), low: 1, high: 3 }],
    ["Region not between 'a' and 'c'", not({ op: "between", field: field("Region"), low: "a", high: "c" })],
    ["WorkflowId STARTS_WITH 'order-'", { op: "starts-with", field: field("WorkflowId"), prefix: "order-" }],
    ["WorkflowId NOT STARTS_WITH ''", not({ op: "starts-with", field: field("WorkflowId"), prefix: "" })],
    ["CloseTime IS NULL", isNull("CloseTime")],
    ["CloseTime is not null", not(isNull("CloseTime"))],
    // Names: short forms of predefined attributes, own ones first, and the alias of schedules.
    ["ScheduledById = 's'", is("TemporalScheduledById", "s")],
    ["TemporalBuildIds = 'v1'", is("BuildIds", "v1")],
    ["SchedulePaused = 'yes'", is("SchedulePaused", "yes")],
    ["ScheduleId = 's'", is("WorkflowId", "s")],
  ])("%s", (text, filter) => {
    expect(filterOf(text)).toEqual(filter);
  });
});

describe("values", () => {
  test.each<[string, VisibilityFilter]>([
    // strings
    ["Region = 'it''s'", is("Region", "it's")],
    ['Region = "it\'s"', is("Region", "it's")],
    ["Region = 'say \"\"'", is("Region", 'say ""')],
    ['Region = "say ""hi"""', is("Region", 'say "hi"')],
    ["Region = 'a\\'b\\\\c\\nd\\q'", is("Region", "a'b\\c\ndq")],
    ["Region = 'é☃'", is("Region", "é☃")],
    ["Region = ''", is("Region", "")],
    // datetimes: RFC 3339 or nanoseconds, to milliseconds
    ["StartTime = '2026-01-02T03:04:05Z'", is("StartTime", Date.UTC(2026, 0, 2, 3, 4, 5))],
    ["StartTime = '2026-01-02T03:04:05.123456789Z'", is("StartTime", Date.UTC(2026, 0, 2, 3, 4, 5, 123) + 0.456)],
    ["StartTime = '2026-01-02T03:04:05.5+02:00'", is("StartTime", Date.UTC(2026, 0, 2, 1, 4, 5, 500))],
    ["StartTime = '2026-01-02T03:04:05-05:30'", is("StartTime", Date.UTC(2026, 0, 2, 8, 34, 5))],
    ["Due = 1767323045123456789", is("Due", Date.UTC(2026, 0, 2, 3, 4, 5, 123) + 0.456)],
    ["Due = -1500000", is("Due", -1.5)],
    ["Due = '1969-12-31T23:59:59.9985Z'", is("Due", -1.5)],
    ["Due = '9999-12-31T23:59:59.999Z'", is("Due", 253402300799999)],
    ["Due = '0001-01-01T00:00:00Z'", is("Due", -62135596800000)],
    // durations, to nanoseconds
    ["ExecutionDuration = '1h30m'", is("ExecutionDuration", 5400e9)],
    ["ExecutionDuration = '2d'", is("ExecutionDuration", 172800e9)],
    ["ExecutionDuration = '01:02:03'", is("ExecutionDuration", 3723e9)],
    ["ExecutionDuration = 1000", is("ExecutionDuration", 1000)],
    ["ExecutionDuration = '1000'", is("ExecutionDuration", 1000)],
    // statuses, to their numbers
    ["ExecutionStatus = 'Running'", is("ExecutionStatus", 1)],
    ["ExecutionStatus = 'ContinuedAsNew'", is("ExecutionStatus", 6)],
    ["ExecutionStatus = 'TimedOut'", is("ExecutionStatus", 7)],
    ["ExecutionStatus = 'WORKFLOW_EXECUTION_STATUS_PAUSED'", is("ExecutionStatus", 8)],
    ["ExecutionStatus = 2", is("ExecutionStatus", 2)],
    ["ExecutionStatus IN ('Completed', 3)", { op: "in", field: field("ExecutionStatus"), values: [2, 3] }],
  ])("%s", (text, filter) => {
    expect(filterOf(text)).toEqual(filter);
  });
});

describe("logic", () => {
  const [a, b, c] = [is("Count", 1), is("Count", 2), is("Count", 3)];
  test.each<[string, VisibilityFilter]>([
    ["Count=1 AND Count=2 AND Count=3", all(a, b, c)],
    ["Count=1 and Count=2 Or Count=3", any(all(a, b), c)],
    ["Count=1 OR Count=2 AND Count=3", any(a, all(b, c))],
    ["Count=1 || Count=2 && Count=3", any(a, all(b, c))],
    ["(Count=1 OR Count=2) AND Count=3", all(any(a, b), c)],
    ["(Count=1 AND Count=2) AND Count=3", all(all(a, b), c)],
    ["NOT Count=1 AND Count=2", all(not(a), b)],
    ["NOT (Count=1 AND Count=2)", not(all(a, b))],
    ["NOT NOT ((Count=1))", not(not(a))],
    ["Count BETWEEN 1 AND 2 AND Count=3", all({ op: "between", field: field("Count"), low: 1, high: 2 }, c)],
  ])("%s", (text, filter) => {
    expect(filterOf(text)).toEqual(filter);
  });
});

describe("whole queries", () => {
  const outside = isNull("TemporalNamespaceDivision");
  test.each<[string, VisibilityQuery]>([
    ["", { filter: outside, orderBy: [], groupBy: null }],
    ["  \n", { filter: outside, orderBy: [], groupBy: null }],
    ["TemporalNamespaceDivision = 'd'", { filter: is("TemporalNamespaceDivision", "d"), orderBy: [], groupBy: null }],
    ["NamespaceDivision IS NULL OR Count = 1", { filter: any(outside, is("Count", 1)), orderBy: [], groupBy: null }],
    ["GROUP BY ExecutionStatus", { filter: outside, orderBy: [], groupBy: field("ExecutionStatus") }],
    ["Count = 1 group by `ExecutionStatus`", { filter: all(outside, is("Count", 1)), orderBy: [], groupBy: field("ExecutionStatus") }],
    ["GROUP BY TemporalNamespaceDivision", { filter: null, orderBy: [], groupBy: field("TemporalNamespaceDivision") }],
    [
      "Count = 1 ORDER BY StartTime DESC, WorkflowId asc, Count",
      {
        filter: all(outside, is("Count", 1)),
        orderBy: [
          { field: field("StartTime"), descending: true },
          { field: field("WorkflowId"), descending: false },
          { field: field("Count"), descending: false },
        ],
        groupBy: null,
      },
    ],
  ])("%j", (text, query) => {
    expect(parsed(text)).toEqual(query);
  });
});

describe("refusals", () => {
  const invalid = "invalid query: unable to convert filter expression: invalid expression: ";
  const malformed = "invalid query: malformed SQL query: ";
  const unsupported = "invalid query: operation is not supported: ";
  test.each([
    ["Nope = 1", `${invalid}column name 'Nope' is not a valid search attribute`],
    ["workflowid = 'a'", `${invalid}column name 'workflowid' is not a valid search attribute`],
    ["ORDER BY Nope", `${invalid}column name 'Nope' is not a valid search attribute`],
    ["'a' = WorkflowId", `${invalid}must be a column name but was "a"`],
    ["Count = 'x'", `${invalid}invalid value for search attribute Count of type Int: 'x'`],
    ["Count = 1e999", `${invalid}invalid value for search attribute Count of type Int: 1e999`],
    ["Urgent = 1", `${invalid}invalid value for search attribute Urgent of type Bool: 1`],
    ["Region = true", `${invalid}invalid value for search attribute Region of type Keyword: true`],
    ["Region IN ('a', 2)", `${invalid}invalid value for search attribute Region of type Keyword: 2`],
    ["StartTime > 'yesterday'", `${invalid}invalid value for search attribute StartTime of type Datetime: 'yesterday'`],
    [
      "StartTime > '2026-02-30T00:00:00Z'",
      `${invalid}invalid value for search attribute StartTime of type Datetime: '2026-02-30T00:00:00Z'`,
    ],
    ["StartTime > 1.5", `${invalid}invalid value for search attribute StartTime of type Datetime: 1.5`],
    ["ExecutionDuration > 'long'", `${invalid}invalid duration value for search attribute ExecutionDuration: 'long'`],
    ["ExecutionStatus = 'running'", `${invalid}invalid ExecutionStatus value 'running'`],
    ["ExecutionStatus = 9", `${invalid}invalid ExecutionStatus value 9`],
    ["Note = ' '", `${invalid}no tokens found filtering on Text type search attribute Note`],
    ["CloseTime IS 5", `${invalid}'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'`],
    ["Urgent", `${invalid}incomplete expression after Urgent`],
    ["Note < 'a'", `${unsupported}operator '<' not supported for Text type search attribute Note`],
    ["Tags STARTS_WITH 'a'", `${unsupported}operator 'STARTS_WITH' not supported for KeywordList type search attribute Tags`],
    ["Tags BETWEEN 'a' AND 'b'", `${unsupported}operator 'BETWEEN' not supported for KeywordList type search attribute Tags`],
    ["Count STARTS_WITH '1'", `${unsupported}operator 'STARTS_WITH' not supported for Int type search attribute Count`],
    [
      "ExecutionStatus STARTS_WITH 'R'",
      `${unsupported}operator 'STARTS_WITH' not supported for Keyword type search attribute ExecutionStatus`,
    ],
    ["CloseTime = NULL", `${unsupported}comparison with NULL (use IS NULL)`],
    ["WorkflowId = abc", `${unsupported}column name on the right side of comparison expression (did you forget to quote "abc"?)`],
    ["Count(1) = 1", `${unsupported}function expression`],
    ["Count = 1 LIMIT 5", `${unsupported}'LIMIT' clause`],
    ["GROUP BY Region", `${unsupported}'GROUP BY' clause is not supported for search attribute Region`],
    ["GROUP BY ExecutionStatus, Region", `${unsupported}'GROUP BY' clause supports only a single field`],
    ["ORDER BY Note", `${unsupported}unable to sort by search attribute type Text`],
    ["Count = ", `${malformed}unexpected end at position 9`],
    ["Count = 1 Count = 2", `${malformed}syntax error near "Count" at position 11`],
    ["Count = 1 AND", `${malformed}unexpected end at position 14`],
    ["(Count = 1", `${malformed}unexpected end, expected ')', at position 11`],
    ["Count = 1)", `${malformed}syntax error near ")" at position 10`],
    ["Count IN ()", `${malformed}syntax error near ")" at position 11`],
    ["Count + 1 = 2", `${malformed}syntax error near "+ 1 = 2" at position 7`],
    ["Count = 1; DROP", `${malformed}syntax error near "; DROP" at position 10`],
    ["Count = 12abc", `${malformed}syntax error near "12abc" at position 9`],
    ["Region = 'open", `${malformed}string ' has no end at position 10`],
    ["`open = 1", `${malformed}back-ticked name is empty or has no end at position 1`],
    ["Count LIKE 'a'", `${malformed}syntax error near "LIKE" at position 7`],
    ["GROUP ExecutionStatus", `${malformed}syntax error near "ExecutionStatus", expected BY, at position 7`],
  ])("%s", (text, message) => {
    expect(refusalOf(text)).toBe(message);
  });

  test("a query is bounded in bytes, depth and terms", () => {
    const deep = (levels: number) => `${"(".repeat(levels)}Count=1${")".repeat(levels)}`;
    const wide = (terms: number) => Array(terms).fill("Count=1").join(" OR ");
    expect(parseVisibilityQuery(deep(queryDepthMax - 1), types).ok).toBe(true);
    expect(refusalOf(deep(queryDepthMax))).toBe("invalid query: nested deeper than 100");
    expect(refusalOf("NOT ".repeat(queryDepthMax))).toBe("invalid query: nested deeper than 100");
    expect(parseVisibilityQuery(wide(queryTermsMax), types).ok).toBe(true);
    expect(refusalOf(wide(queryTermsMax + 1))).toBe("invalid query: more than 1000 conditions and values");
    expect(refusalOf(`Count IN (${Array(queryTermsMax).fill("1").join(",")})`)).toBe("invalid query: more than 1000 conditions and values");
    expect(refusalOf(`Region = '${"x".repeat(queryBytesMax)}'`)).toBe("invalid query: longer than 65536 bytes");
  });
});
