import type { Payload, PayloadCodec } from "@temporalio/common";
import { currentState } from "./activity-state.ts";

/** Key of the metadata of an activity's result in which the server finds what the attempt has used. */
export const usageKey = "holdfast-usage";

/**
 * Marks the result of an activity with its usage. A codec, since that is where the result is bytes: behind all others, so that encryption
 * does not hide it, and still within the activity's context. Everything else passes as it is.
 */
export const usageCodec: PayloadCodec = {
  encode: async (payloads) => {
    const state = currentState();
    if (state === undefined || !state.succeeded || state.usage === null) return payloads;
    const usage = Buffer.from(JSON.stringify(state.usage));
    state.usage = null;
    return payloads.map(
      (payload, index): Payload => (index === 0 ? { ...payload, metadata: { ...payload.metadata, [usageKey]: usage } } : payload),
    );
  },
  decode: async (payloads) => payloads,
};
