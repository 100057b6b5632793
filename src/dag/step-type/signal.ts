import { type Place, report } from "../../language/reader.ts";
import type { StepFields } from "../spec/fields.ts";

/** Waits for a signal to the run, at most for its time-out. Its output is what the signal carried. */
export type SignalKind = { readonly kind: "signal"; readonly name: string };

/** Without `signal`, the signal is called as the step is. */
export const linkSignal = ({ signal, forEach }: StepFields, at: Place, id: string): SignalKind | undefined =>
  forEach === undefined ? { kind: "signal", name: signal ?? id } : report(at, "a signal step waits for one signal: it has no `for_each`");
