import { type ActionInput, inputOfPayloads } from "../governance/action-input.ts";
import type { Payloads } from "../protocol/generated/temporal/api/common/v1/message.ts";
import { History, type HistoryEvent } from "../protocol/generated/temporal/api/history/v1/message.ts";
import type { RunKey, Store } from "../store/store.ts";

/** Finds inputs that a run handed out, by their digest. */
export type RunInputs = {
  /** Null when the run's history is gone, or never had it. */
  find(run: RunKey, digest: string): Promise<ActionInput | null>;
};

const eventsPerRead = 256;
/** Inputs held in memory at one time: decisions of one run stand near each other. */
const bytesMax = 16 * 2 ** 20;

export function createRunInputs(store: Pick<Store, "readHistory">): RunInputs {
  /** By run, the one used longest ago first. */
  const known = new Map<string, { readonly inputs: ReadonlyMap<string, ActionInput>; readonly bytes: number }>();
  let held = 0;

  async function read(key: RunKey): Promise<{ readonly inputs: ReadonlyMap<string, ActionInput>; readonly bytes: number }> {
    const inputs = new Map<string, ActionInput>();
    let bytes = 0;
    for (let from = 1; ; ) {
      const batches = await store.readHistory(key, { fromEventId: from, toEventId: Number.MAX_SAFE_INTEGER, eventsMax: eventsPerRead });
      const last = batches.at(-1);
      if (last === undefined) return { inputs, bytes };
      for (const payloads of batches.flatMap((batch) => History.decode(batch.bytes).events).flatMap(inputsOf)) {
        const input = inputOfPayloads(payloads);
        if (inputs.has(input.digest())) continue;
        inputs.set(input.digest(), input);
        bytes += payloads.payloads.reduce((sum, { data }) => sum + data.length, 0);
      }
      from = last.firstEventId + last.eventCount;
    }
  }

  return {
    find: async (key, digest) => {
      const found = known.get(key.runId) ?? (await read(key));
      if (known.delete(key.runId)) held -= found.bytes;
      if (found.bytes <= bytesMax) {
        known.set(key.runId, found);
        held += found.bytes;
      }
      for (const [runId, { bytes }] of known) {
        if (held <= bytesMax && known.size <= runsMax) break;
        known.delete(runId);
        held -= bytes;
      }
      return found.inputs.get(digest) ?? null;
    },
  };
}

const runsMax = 1_000;

function inputsOf({ attributes }: HistoryEvent): readonly Payloads[] {
  if (attributes === undefined || !("input" in attributes.value)) return [];
  const { input } = attributes.value;
  return input !== undefined && "payloads" in input ? [input] : [];
}
