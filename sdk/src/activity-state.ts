import { asyncLocalStorage, type Context } from "@temporalio/activity";
import type { ActionFields } from "./action.ts";
import type { Decision } from "./decision.ts";

/** What an attempt has used up so far. `usd` is what policies call money. */
export type Usage = { readonly tokens: number; readonly usd: number };

/** What an attempt knows of itself beside its context. */
export type ActivityState = {
  readonly fields: ActionFields;
  readonly decision: Decision | null;
  usage: Usage | null;
  /** The attempt is over, and its result or failure is about to be encoded. */
  over: boolean;
};

const states = new WeakMap<Context, ActivityState>();

export function begin(context: Context, known: Pick<ActivityState, "fields" | "decision">): ActivityState {
  const state: ActivityState = { ...known, usage: null, over: false };
  states.set(context, state);
  return state;
}

/** Of the attempt in which the caller runs; undefined outside of one, and without our interceptor. */
export function currentState(): ActivityState | undefined {
  const context = asyncLocalStorage.getStore();
  return context === undefined ? undefined : states.get(context);
}
