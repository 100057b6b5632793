import { parseGoDuration } from "../../base/go-duration.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { parseRfc3339, typeName } from "../search-attributes.ts";
import type { VisibilityField, VisibilityValue } from "./filter.ts";

/** A value as it stands in a query; of a number, its digits. */
export type Literal =
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "boolean"; readonly value: boolean };

/** What a literal means when it is compared with a field; refused with the reason. */
export function literalValue(field: VisibilityField, literal: Literal): Result<VisibilityValue, string> {
  if (field.name === "ExecutionStatus") return statusValue(literal);
  if (field.name === "ExecutionDuration") return durationValue(literal);
  const { TEXT, KEYWORD, INT, DOUBLE, BOOL, DATETIME, KEYWORD_LIST } = IndexedValueType;
  switch (field.type) {
    case TEXT:
      if (literal.kind !== "string") break;
      return literal.text.trim() === "" ? err(`no tokens found filtering on Text type search attribute ${field.name}`) : ok(literal.text);
    case KEYWORD:
    case KEYWORD_LIST:
      if (literal.kind === "string") return ok(literal.text);
      break;
    case INT:
    case DOUBLE:
      if (literal.kind === "number" && Number.isFinite(Number(literal.text))) return ok(Number(literal.text));
      break;
    case BOOL:
      if (literal.kind === "boolean") return ok(literal.value);
      break;
    case DATETIME: {
      const time = datetimeValue(literal);
      if (time !== null) return ok(time);
    }
  }
  return err(`invalid value for search attribute ${field.name} of type ${typeName(field.type)}: ${show(literal)}`);
}

/** An RFC 3339 time, or whole nanoseconds since the epoch. */
function datetimeValue(literal: Literal): number | null {
  if (literal.kind === "string") return parseRfc3339(literal.text);
  if (literal.kind === "boolean" || !int64.test(literal.text)) return null;
  // Whole milliseconds and the rest apart, as a time in text is read: one instant is one number, however it is written.
  const ns = BigInt(literal.text.replace("+", ""));
  const restNs = ((ns % msNs) + msNs) % msNs;
  return Number((ns - restNs) / msNs) + Math.floor(Number(restNs) / 1000) / 1000;
}

/** A Go duration with days, hours:minutes:seconds, or whole nanoseconds. */
function durationValue(literal: Literal): Result<number, string> {
  if (literal.kind !== "boolean") {
    if (int64.test(literal.text)) return ok(Number(literal.text));
    const [, hours, minutes, seconds] = clock.exec(literal.text) ?? [];
    if (hours !== undefined) return ok((Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1e9);
    const ns = literal.kind === "string" ? parseGoDuration(literal.text, { days: true }) : null;
    if (ns !== null) return ok(ns);
  }
  return err(`invalid duration value for search attribute ExecutionDuration: ${show(literal)}`);
}

function statusValue(literal: Literal): Result<number, string> {
  if (literal.kind === "string") {
    const named = statusNames.get(literal.text);
    if (named !== undefined) return ok(named);
  }
  if (literal.kind === "number" && statusNumbers.has(literal.text)) return ok(Number(literal.text));
  return err(`invalid ExecutionStatus value ${show(literal)}`);
}

const statuses = Object.entries(WorkflowExecutionStatus).filter(([, number]) => number > 0);
const statusNumbers: ReadonlySet<string> = new Set(statuses.map(([, number]) => String(number)));
/** `ContinuedAsNew`, and in full as the enum has it: `WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW`. */
const statusNames: ReadonlyMap<string, number> = new Map(
  statuses.flatMap(([name, number]) => [
    [name.toLowerCase().replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase()), number],
    [`WORKFLOW_EXECUTION_STATUS_${name}`, number],
  ]),
);

const msNs = 1_000_000n;
const int64 = /^[+-]?\d{1,19}$/;
const clock = /^(\d{1,6}):([0-5]?\d):([0-5]?\d)$/;
const shownLengthMax = 100;

const show = (literal: Literal): string => {
  if (literal.kind === "boolean") return String(literal.value);
  const text = literal.text.slice(0, shownLengthMax);
  return literal.kind === "string" ? `'${text}'` : text;
};
