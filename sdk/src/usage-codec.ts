import { CompleteAsyncError } from "@temporalio/activity";
import {
  ApplicationFailure,
  CancelledFailure,
  ensureApplicationFailure,
  type Payload,
  type PayloadCodec,
  TemporalFailure,
} from "@temporalio/common";
import { currentState, type Usage } from "./activity-state.ts";

/** Key of the metadata in which the server finds what an attempt has used. */
export const usageKey = "holdfast-usage";

/**
 * Marks the result of an activity, or the details of its failure, with its usage. A codec, since that is where they are bytes: behind all
 * others, so that encryption does not hide it, and still within the activity's context. Everything else passes as it is.
 */
export const usageCodec: PayloadCodec = {
  encode: async (payloads) => {
    const state = currentState();
    if (state === undefined || !state.over || state.usage === null) return payloads;
    const usage = Buffer.from(JSON.stringify(state.usage));
    return payloads.map(
      (payload, index): Payload => (index === 0 ? { ...payload, metadata: { ...payload.metadata, [usageKey]: usage } } : payload),
    );
  },
  decode: async (payloads) => payloads,
};

/** The error with a detail that can be marked, where it has none. */
export function markable(error: unknown, usage: Usage): unknown {
  if (error instanceof CompleteAsyncError || isAbortError(error)) return error;
  const failure = error instanceof TemporalFailure ? error : ensureApplicationFailure(error);
  const takesDetails = failure instanceof ApplicationFailure || failure instanceof CancelledFailure;
  return takesDetails && !failure.details?.length ? Object.assign(failure, { details: [{ usage }] }) : failure;
}

const isAbortError = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";
