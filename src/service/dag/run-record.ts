import type { RunStart } from "../../dag/decider/event.ts";
import { isList, isObject, type Json, type JsonObject } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import { Memo, Payloads, SearchAttributes } from "../../protocol/generated/temporal/api/common/v1/message.ts";

/* What a run of ours keeps as a workflow execution: its start as the input, what is said about it as the memo, its status as an attribute. */

/** What lists of runs show and the decider does not look at. */
export type RunRecord = {
  /** The version of the definition, as the SHA-256 of its text. */
  readonly definition: string;
  readonly labels: { readonly [name: string]: string };
  readonly triggeredBy: string;
  readonly idempotencyKey: string | null;
  /** The run, and the step, of which this one is another try. */
  readonly rerunOf: string | null;
  readonly rerunStep: string | null;
  readonly parentRunId: string | null;
};

const memoField = "holdfast";
/** What a run that is open does, or how one that has failed did so: what the status of an execution does not tell. */
export const statusAttribute = "HoldfastRunStatus";

export const runInput = (start: RunStart): Payloads => make(Payloads, { payloads: [toPayload(start as unknown as Json)] });
export const runMemo = (record: RunRecord): Memo => make(Memo, { fields: { [memoField]: toPayload(record) } });
export const runStatusAttributes = (status: string): SearchAttributes =>
  make(SearchAttributes, { indexedFields: { [statusAttribute]: toPayload(status) } });

/** Null when the execution is none of ours: somebody has started it as any other workflow. */
export function readRunRecord(memo: Memo | undefined): RunRecord | null {
  const record = fieldOf(memo?.fields, memoField);
  return isObject(record) && typeof record.definition === "string" && isObject(record.labels) ? (record as RunRecord & JsonObject) : null;
}

/** Whether an input is what we start runs with: an execution that somebody else started may have anything. */
export function isRunInput(input: Payloads | undefined, of: { readonly runId: string; readonly workflowId: string }): boolean {
  const start = fromPayloads(input);
  if (!isObject(start)) return false;
  const { runId, workflowId, context = null, labels = null, callStack = null, kept = null } = start;
  const isOurs = runId === of.runId && workflowId === of.workflowId;
  return isOurs && [context, labels, kept].every(isObject) && Object.values(kept ?? {}).every(isObject) && isList(callStack);
}

export function readStatus(attributes: SearchAttributes | undefined): string | null {
  const status = fieldOf(attributes?.indexedFields, statusAttribute);
  return typeof status === "string" ? status : null;
}

function fieldOf(fields: Memo["fields"] = {}, name: string): Json {
  const payload = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return payload === undefined ? null : fromPayloads({ payloads: [payload] });
}
