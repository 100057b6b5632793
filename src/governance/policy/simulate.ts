import { canonicalJson } from "../../base/canonical-json.ts";
import type { Action } from "../action.ts";
import { type Decision, decide } from "./decide.ts";
import type { Snapshot } from "./snapshot.ts";

export type Simulation = {
  readonly current: Decision;
  readonly candidate: Decision;
  /** In what the action would notice: effect, constraints, approval terms or delay. A new reason alone changes nothing. */
  readonly changed: boolean;
};

/** What a candidate would decide, beside what is decided now. Records nothing. */
export function simulate(current: Snapshot, candidate: Snapshot, action: Action): Simulation {
  const now = decide(current, action);
  const then = decide(candidate, action);
  return { current: now, candidate: then, changed: noticed(now) !== noticed(then) };
}

/** What an action notices of a decision; equal for two that it cannot tell apart. */
export const noticed = ({ effect, constraints, approval, delay }: Decision): string =>
  canonicalJson({ effect, constraints, approval, delay });
