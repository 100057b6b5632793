import type { EpochMs } from "../base/time.ts";
import { make } from "../protocol/codec.ts";
import { type RunCore, StartGate } from "../protocol/generated/holdfast/state/v1/state.ts";
import { holdDue } from "./hold.ts";

/* The gate before the first workflow task, where the policy keeps runs that may not begin yet. */

type Core = Readonly<RunCore>;

/** Whether the policy has not let the run begin yet. */
export const waitsToBegin = ({ startGate }: Core): boolean =>
  startGate !== undefined && (startGate.hold !== undefined || startGate.decideAt > 0);

/** When the policy or its approvers are next looked at, 0 for never. */
export const gateDue = ({ startGate }: Core): EpochMs =>
  startGate?.hold === undefined ? (startGate?.decideAt ?? 0) : holdDue(startGate.hold);

/** When the run times out, 0 for never. Time before the gate does not count. */
export function runExpiresAt(core: Core): EpochMs {
  if (waitsToBegin(core)) return 0;
  const { heldFor = 0, runtimeCap = 0 } = core.startGate ?? {};
  const asked = later(core.runExpirationTime, heldFor);
  const capped = runtimeCap > 0 ? core.executionTime + heldFor + runtimeCap : 0;
  return asked > 0 && capped > 0 ? Math.min(asked, capped) : asked || capped;
}

/** When the whole chain of runs times out, 0 for never. Time before the gate does not count. */
export const executionExpiresAt = (core: Core): EpochMs =>
  waitsToBegin(core) ? 0 : later(core.executionExpirationTime, core.startGate?.heldFor ?? 0);

/** What the next run of the chain has of it: as long as the decision lets a run take, whatever time-out the run gives itself. */
export const gateOfNext = ({ startGate }: Core): StartGate | undefined =>
  startGate === undefined || startGate.runtimeCap === 0
    ? undefined
    : make(StartGate, { policySnapshot: startGate.policySnapshot, runtimeCap: startGate.runtimeCap });

const later = (at: EpochMs, by: number): EpochMs => (at > 0 ? at + by : 0);
