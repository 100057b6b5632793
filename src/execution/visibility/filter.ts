import type { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";

/** What a visibility query means after parsing and type checking. Store adapters translate it; they never see query text. */
export type VisibilityFilter =
  | { readonly op: "and" | "or"; readonly of: readonly VisibilityFilter[] }
  | { readonly op: "not"; readonly of: VisibilityFilter }
  | { readonly op: "compare"; readonly field: VisibilityField; readonly comparison: Comparison; readonly value: VisibilityValue }
  | { readonly op: "in"; readonly field: VisibilityField; readonly values: readonly VisibilityValue[] }
  | { readonly op: "between"; readonly field: VisibilityField; readonly low: VisibilityValue; readonly high: VisibilityValue }
  | { readonly op: "starts-with"; readonly field: VisibilityField; readonly prefix: string }
  | { readonly op: "is-null"; readonly field: VisibilityField };

export type Comparison = "=" | "!=" | "<" | "<=" | ">" | ">=";

/** Datetimes are milliseconds since the epoch, `ExecutionDuration` nanoseconds, `ExecutionStatus` the enum's number. */
export type VisibilityValue = string | number | boolean;

/** A system field has a column of its own; any other search attribute lives in the record's attribute map. `=` on a keyword list means "contains", on a text "has the token". */
export type VisibilityField = { readonly name: string; readonly system: boolean; readonly type: IndexedValueType };

export type VisibilityOrder = { readonly field: VisibilityField; readonly descending: boolean };

/** A parsed query. `orderBy` empty means the default: close time (open runs first), then start time, both newest first, then run id. */
export type VisibilityQuery = {
  readonly filter: VisibilityFilter | null;
  readonly orderBy: readonly VisibilityOrder[];
  readonly groupBy: VisibilityField | null;
};
