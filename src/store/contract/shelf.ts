import type { Comparison, VisibilityField, VisibilityFilter, VisibilityValue } from "../../execution/visibility/filter.ts";
import { IndexedValueType } from "../../protocol/generated/temporal/api/enums/v1/common.ts";
import { WorkflowExecutionStatus } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import type { RunKey, Store, VisibilityRecord } from "../store.ts";
import { bytes, committed, creation, runKey, visibility } from "./material.ts";

const field = (name: string, type: IndexedValueType): VisibilityField => ({ name, system: false, type });
const systemTypes: { readonly [name: string]: IndexedValueType } = {
  StartTime: IndexedValueType.DATETIME,
  ExecutionTime: IndexedValueType.DATETIME,
  CloseTime: IndexedValueType.DATETIME,
  HistoryLength: IndexedValueType.INT,
  HistorySizeBytes: IndexedValueType.INT,
  StateTransitionCount: IndexedValueType.INT,
  ExecutionDuration: IndexedValueType.INT,
};
export const system = (name: string): VisibilityField => ({ name, system: true, type: systemTypes[name] ?? IndexedValueType.KEYWORD });
export const compare = (name: string | VisibilityField, comparison: Comparison, value: VisibilityValue): VisibilityFilter => ({
  op: "compare",
  field: typeof name === "string" ? system(name) : name,
  comparison,
  value,
});

export const city = field("City", IndexedValueType.KEYWORD);
export const tags = field("Tags", IndexedValueType.KEYWORD_LIST);
export const note = field("Note", IndexedValueType.TEXT);
export const amount = field("Amount", IndexedValueType.DOUBLE);
export const urgent = field("Urgent", IndexedValueType.BOOL);
export const due = field("Due.At [UTC]", IndexedValueType.DATETIME);
export const not = (of: VisibilityFilter): VisibilityFilter => ({ op: "not", of });
export const { RUNNING: running, COMPLETED: completed, FAILED: failed } = WorkflowExecutionStatus;

/** Executions named by a letter each, so that a test can say in one word which it expects. */
export const shelf: { readonly [workflowId: string]: Partial<VisibilityRecord> } = {
  a: {
    workflowType: "Order",
    startTime: 1_000,
    attributes: { City: "Berlin", Tags: ["red", "blue"], Note: "Ship it, quickly!", Amount: 1.5, Urgent: true },
  },
  b: {
    workflowType: "Order",
    startTime: 2_000,
    attributes: { City: "Bern", Tags: ["blue"], Note: "do not ship", Amount: -3, Urgent: false, "Due.At [UTC]": 77 },
  },
  c: {
    workflowType: "Bill",
    taskQueue: "slow",
    startTime: 3_000,
    status: completed,
    closeTime: 9_000,
    historyLength: 11,
    historySizeBytes: 5_000_000_000,
    stateTransitionCount: 4,
    executionDurationNs: 6e12,
  },
  d: {
    workflowType: "Bill",
    startTime: 4_000,
    executionTime: 4_500,
    status: failed,
    closeTime: 8_000,
    historyLength: 7,
    attributes: { City: "Ulm", Note: "ÜBER ships" },
  },
  e: {
    workflowType: "Order",
    startTime: 2_000,
    status: completed,
    closeTime: 8_000,
    parentWorkflowId: "a",
    parentRunId: "00000000-0000-4000-8000-000000000000",
    rootWorkflowId: "a",
    rootRunId: "00000000-0000-4000-8000-000000000000",
  },
};
export const shelfRun = (letter: string): RunKey => runKey(letter.charCodeAt(0) - 97, letter);

export async function filledShelf(store: Store): Promise<void> {
  const records = Object.entries(shelf).map(([letter, given]) => {
    const key = shelfRun(letter);
    return creation(key, { visibility: visibility({ rootWorkflowId: letter, rootRunId: key.runId, info: bytes(letter), ...given }) });
  });
  await committed(store, { runs: records });
  const stranger = { ...runKey(50, "stranger"), namespaceId: "other" };
  await committed(store, { runs: [creation(stranger, { visibility: visibility({}) })] });
}
