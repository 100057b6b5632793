import type { EpochMs } from "../../base/time.ts";
import type { RunStart } from "../../dag/decider/event.ts";
import { isList, isObject, type Json, type JsonObject } from "../../dag/json.ts";
import { fromPayloads, toPayload } from "../../dag/payload.ts";
import { make } from "../../protocol/codec.ts";
import { Memo, Payloads, SearchAttributes } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { traceAttribute } from "../traces/trace-id.ts";

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
  /** Whose run it is; empty when nobody said. */
  readonly orgId: string;
  readonly teamId: string;
  /** Names all that one request has brought about. */
  readonly traceId: string;
};

const memoField = "holdfast";
/** What a run that is open does, or how one that has failed did so: what the status of an execution does not tell. */
export const statusAttribute = "HoldfastRunStatus";
/** Of a run that waits until fewer of its workflow are open. */
export const queuedStatus = "pending";
/** What else lists look for, as search attributes. */
export const recordAttributes = { orgId: "HoldfastOrgId", teamId: "HoldfastTeamId", traceId: traceAttribute } as const;
const costAttribute = "HoldfastTotalCost";
export const updatedAttribute = "HoldfastUpdatedAt";

export const runInput = (start: RunStart): Payloads => make(Payloads, { payloads: [toPayload(start as unknown as Json)] });
export const runMemo = (record: RunRecord): Memo => make(Memo, { fields: { [memoField]: toPayload(record) } });

/** Of a run that starts: it waits for its turn when the workflow says how many may be open. */
export function firstAttributes(record: RunRecord, { queues, now }: { readonly queues: boolean; readonly now: EpochMs }): SearchAttributes {
  const { indexedFields } = runStatusAttributes({ status: queues ? queuedStatus : "running", cost: 0, now });
  for (const [field, attribute] of Object.entries(recordAttributes)) {
    const value = record[field as keyof typeof recordAttributes];
    if (value !== "") indexedFields[attribute] = toPayload(value);
  }
  return make(SearchAttributes, { indexedFields });
}

export const runStatusAttributes = (shown: { readonly status: string; readonly cost: number; readonly now: EpochMs }): SearchAttributes =>
  make(SearchAttributes, {
    indexedFields: {
      [statusAttribute]: toPayload(shown.status),
      [updatedAttribute]: toPayload(new Date(shown.now).toISOString()),
      ...(shown.cost === 0 ? {} : { [costAttribute]: toPayload(shown.cost) }),
    },
  });

const unsaid = { orgId: "", teamId: "", traceId: "" };
/** Null when the execution is none of ours: somebody has started it as any other workflow. */
export function readRunRecord(memo: Memo | undefined): RunRecord | null {
  const record = fieldOf(memo?.fields, memoField);
  if (!isObject(record) || typeof record.definition !== "string" || !isObject(record.labels)) return null;
  // What a server of an earlier version wrote does not say all.
  return { ...unsaid, ...(record as Omit<RunRecord, keyof typeof unsaid> & JsonObject) };
}

/** What we start runs with; null for what is none: an execution that somebody else started may have anything. */
export function readRunInput(input: Payloads | undefined, of: { readonly runId: string; readonly workflowId: string }): RunStart | null {
  const start = fromPayloads(input);
  if (!isObject(start)) return null;
  const { runId, workflowId, context = null, labels = null, callStack = null, kept = null } = start;
  const isOurs = runId === of.runId && workflowId === of.workflowId;
  const isStart = isOurs && [context, labels, kept].every(isObject) && Object.values(kept ?? {}).every(isObject) && isList(callStack);
  // INVARIANT: what has these fields was written by `runInput`.
  return isStart ? (start as unknown as RunStart) : null;
}

/** What lists show: the cost, and when the status last changed; null where it is not said. */
export function readShown(attributes: SearchAttributes | undefined): { readonly cost: number; readonly updatedAt: EpochMs | null } {
  const cost = fieldOf(attributes?.indexedFields, costAttribute);
  const updatedAt = fieldOf(attributes?.indexedFields, updatedAttribute);
  return { cost: typeof cost === "number" ? cost : 0, updatedAt: typeof updatedAt === "string" ? Date.parse(updatedAt) : null };
}

export function readStatus(attributes: SearchAttributes | undefined): string | null {
  const status = fieldOf(attributes?.indexedFields, statusAttribute);
  return typeof status === "string" ? status : null;
}

function fieldOf(fields: Memo["fields"] = {}, name: string): Json {
  const payload = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return payload === undefined ? null : fromPayloads({ payloads: [payload] });
}
