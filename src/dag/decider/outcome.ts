import type { Json } from "../json.ts";
import type { StepError } from "./effect.ts";
import type { Failure } from "./event.ts";

/** How an action, or a step, ended. */
export type Outcome =
  | { readonly status: "succeeded"; readonly output: Json }
  /** Retryable: another attempt may go better. Otherwise it is fatal. */
  | { readonly status: "failed" | "timed_out"; readonly retryable: boolean; readonly error: StepError }
  /** Denied by policy or by people: never tried again. */
  | { readonly status: "denied" | "cancelled"; readonly error: StepError };
export type BadOutcome = Exclude<Outcome, { readonly status: "succeeded" }>;

export const succeeded = (output: Json): Outcome => ({ status: "succeeded", output });
export const fatal = (message: string, type: string | null = null): BadOutcome => ({
  status: "failed",
  retryable: false,
  error: { message, type },
});
export const timedOut = (message: string, retryable: boolean): BadOutcome => ({
  status: "timed_out",
  retryable,
  error: { message, type: null },
});
export const cancelled = (message: string): BadOutcome => ({ status: "cancelled", error: { message, type: null } });

/** How a run that did not succeed says so to its parent, and to whoever reads its history: the type of its failure. */
export const runFailureTypes = { failed: "DagRunFailed", denied: "DagRunDenied", timed_out: "DagRunTimedOut" } as const;

/** A policy has denied the action, or an action of the child; people have rejected it. */
const denials: readonly string[] = ["PolicyDenied", "ApprovalRejected", runFailureTypes.denied];
/** Nobody has decided in time. */
const expiries: readonly string[] = ["ApprovalExpired"];

export function outcomeOf({ type, message, retryable }: Failure): BadOutcome {
  const error = { message, type };
  if (denials.includes(type)) return { status: "denied", error };
  if (expiries.includes(type)) return { status: "timed_out", retryable: false, error };
  return { status: type === runFailureTypes.timed_out ? "timed_out" : "failed", retryable, error };
}
