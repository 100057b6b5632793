import { assertNever, present } from "../../base/assert.ts";
import type { Comparison, VisibilityField, VisibilityFilter, VisibilityValue } from "../../execution/visibility/filter.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { encodeRunId } from "./run-id.ts";
import { closeOrderOfOpenRuns } from "./schema.ts";

/** A piece of SQL whose values all travel as parameters, in order. */
export type Sql = { readonly text: string; readonly parameters: readonly SqlValue[] };
export type SqlValue = string | number | null | Uint8Array;

const sql = (text: string, ...parameters: readonly SqlValue[]): Sql => ({ text, parameters });
const joined = (parts: readonly Sql[], separator: string): Sql =>
  sql(`(${parts.map(({ text }) => text).join(separator)})`, ...parts.flatMap(({ parameters }) => parameters));

/** A filter as a condition over `visibility v JOIN runs r`. Three-valued like SQL: an absent value neither matches a comparison nor its negation. */
export function conditionOf(filter: VisibilityFilter): Sql {
  switch (filter.op) {
    case "and":
    case "or":
      return filter.of.length === 0
        ? sql(filter.op === "and" ? "1" : "0")
        : joined(filter.of.map(conditionOf), filter.op === "and" ? " AND " : " OR ");
    case "not":
      return joined([sql("NOT "), conditionOf(filter.of)], "");
    case "compare":
      return compare(filter.field, filter.comparison, filter.value);
    case "in":
      return filter.values.length === 0
        ? sql("0")
        : joined(
            filter.values.map((value) => compare(filter.field, "=", value)),
            " OR ",
          );
    case "between":
      return joined([compare(filter.field, ">=", filter.low), compare(filter.field, "<=", filter.high)], " AND ");
    case "starts-with":
      return startsWith(filter.field, filter.prefix);
    case "is-null":
      return joined([fieldValue(filter.field), sql("IS NULL")], " ");
    default:
      return assertNever(filter);
  }
}

function compare(field: VisibilityField, comparison: Comparison, value: VisibilityValue): Sql {
  const stored = columnOf(field)?.runId === true && (comparison === "=" || comparison === "!=");
  if (stored) return sql(`${present(columnOf(field), field.name).text} ${comparison} ?`, encodeRunId(String(value)));
  if (field.type === IndexedValueType.KEYWORD_LIST) return anyElement(field, comparison, value);
  if (field.type === IndexedValueType.TEXT) return anyToken(field, comparison, value);
  return joined([fieldValue(field), sql(`${comparison} ?`, encodeValue(value))], " ");
}

/** Of a list, `!=` means that no element is equal; any other comparison, that some element is so. */
function anyElement(field: VisibilityField, comparison: Comparison, value: VisibilityValue): Sql {
  const operator = comparison === "!=" ? "=" : comparison;
  const some = element(field, sql(`value ${operator} ?`, encodeValue(value)));
  return comparison === "!=" ? joined([sql("NOT"), some], " ") : some;
}

const element = (field: VisibilityField, condition: Sql): Sql =>
  joined(
    [
      sql("CASE WHEN"),
      fieldValue(field),
      sql("IS NOT NULL THEN EXISTS (SELECT 1 FROM json_each(v.attributes, ?) WHERE", pathOf(field)),
      condition,
      sql(") END"),
    ],
    " ",
  );

/** Of a text, `=` means that it has one of the words, `!=` none; order compares the whole text. */
function anyToken(field: VisibilityField, comparison: Comparison, value: VisibilityValue): Sql {
  if (comparison !== "=" && comparison !== "!=") return joined([fieldValue(field), sql(`${comparison} ?`, encodeValue(value))], " ");
  const some = joined([sql("has_token("), fieldValue(field), sql(", ?)", JSON.stringify(tokensOf(String(value))))], "");
  return comparison === "=" ? some : joined([sql("NOT"), some], " ");
}

function startsWith(field: VisibilityField, prefix: string): Sql {
  const begins = (value: Sql): Sql => {
    const end = firstAfter(prefix);
    const from = joined([value, sql(">= ?", prefix)], " ");
    return end === null ? from : joined([from, joined([value, sql("< ?", end)], " ")], " AND ");
  };
  return field.type === IndexedValueType.KEYWORD_LIST ? element(field, begins(sql("value"))) : begins(fieldValue(field));
}

/** The least text that is greater than all with this prefix, so that an index can be searched; null if there is none. */
function firstAfter(prefix: string): string | null {
  const characters = [...prefix];
  for (let last = characters.pop(); last !== undefined; last = characters.pop()) {
    const code = present(last.codePointAt(0), "character");
    if (code === 0x10ffff) continue;
    return characters.join("") + String.fromCodePoint(code === 0xd7ff ? 0xe000 : code + 1); // between the two lie the surrogates
  }
  return null;
}

/** The lower-case words of a text. */
export const tokensOf = (text: string): readonly string[] => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];

export const encodeValue = (value: VisibilityValue): string | number => (typeof value === "boolean" ? Number(value) : value);

/** What a field's value is in SQL: a column for a system field, else its place in the attributes; null when absent. */
export function fieldValue(field: VisibilityField): Sql {
  const column = columnOf(field);
  if (column === null) return sql("json_extract(v.attributes, ?)", pathOf(field));
  return sql(column.runId ? `run_id_text(${column.text})` : column.text);
}

/** The same for sorting: a run that is not closed counts as closed last of all. */
export const sortValue = (field: VisibilityField): Sql =>
  field.system && field.name === "CloseTime" ? sql("v.close_order") : fieldValue(field);

const pathOf = ({ name }: VisibilityField): string => `$.${JSON.stringify(name)}`;

type Column = { readonly text: string; readonly runId: boolean };
const plain = (text: string): Column => ({ text, runId: false });
const runId = (text: string): Column => ({ text, runId: true });

const columns: ReadonlyMap<string, Column> = new Map([
  ["WorkflowId", plain("r.workflow_id")],
  ["RunId", runId("r.run_id")],
  ["WorkflowType", plain("v.workflow_type")],
  ["TaskQueue", plain("v.task_queue")],
  ["ExecutionStatus", plain("v.status")],
  ["StartTime", plain("v.start_time")],
  ["ExecutionTime", plain("v.execution_time")],
  ["CloseTime", plain("v.close_time")],
  ["HistoryLength", plain("v.history_length")],
  ["HistorySizeBytes", plain("v.history_size_bytes")],
  ["StateTransitionCount", plain("v.state_transition_count")],
  ["ExecutionDuration", plain("v.execution_duration_ns")],
  ["ParentWorkflowId", plain("v.parent_workflow_id")],
  ["ParentRunId", runId("v.parent_run_id")],
  ["RootWorkflowId", plain("ifnull(v.root_workflow_id, r.workflow_id)")],
  ["RootRunId", runId("ifnull(v.root_run_id, r.run_id)")],
]);

function columnOf({ name, system }: VisibilityField): Column | null {
  return system ? present(columns.get(name), `column of system field \`${name}\``) : null;
}

/**
 * What the filter's own terms on the close time say about `close_order`: the same, and that the run is closed. This follows from them and
 * so changes no result, but it lets the index on that order find where to begin and end.
 */
export function closeOrderBounds(filter: VisibilityFilter): readonly Sql[] {
  if (filter.op === "and") return filter.of.flatMap(closeOrderBounds);
  if ((filter.op !== "compare" && filter.op !== "between") || !filter.field.system || filter.field.name !== "CloseTime") return [];
  if (filter.op === "between") return [sql("v.close_order BETWEEN ? AND ?", encodeValue(filter.low), encodeValue(filter.high))];
  const isClosed = sql("v.close_order < ?", closeOrderOfOpenRuns);
  if (filter.comparison === "!=") return [isClosed];
  const bound = sql(`v.close_order ${filter.comparison} ?`, encodeValue(filter.value));
  return filter.comparison.startsWith(">") ? [bound, isClosed] : [bound];
}
