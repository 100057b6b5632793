import type { Action } from "../action.ts";
import { ActionView } from "./action-view.ts";
import { type Decision, decideByScan, described } from "./decide.ts";
import type { Effect, Mode } from "./effect.ts";
import { isEnforced } from "./rollout.ts";
import type { CompiledRule, Snapshot } from "./snapshot.ts";

/** Why a rule did not match: what it wanted and what the action has. `unclear` is set when that could not be told. */
export type Mismatch = { readonly field: string; readonly wanted: string; readonly found: string; readonly unclear: boolean };

export type TriedRule = {
  readonly bundle: string;
  readonly id: string;
  readonly line: number;
  readonly effect: Effect;
  /** For this action: the canary is taken into account. */
  readonly mode: Mode;
  /** `decided`: matched and enforced, the end of the search. `observed`: matched, and recorded only. `not-reached`: behind the decision. */
  readonly result: "decided" | "observed" | "not-matched" | "not-reached";
  /** Every requirement that does not hold; of a rule that decided because something could not be told, that. */
  readonly mismatches: readonly Mismatch[];
};

export type Explanation = { readonly decision: Decision; readonly rules: readonly TriedRule[] };

/** Decides, and shows every rule in the order in which they are tried. */
export function explain(snapshot: Snapshot, action: Action): Explanation {
  const decision = decideByScan(snapshot, action);
  const known = described(snapshot, action);
  if ("unclear" in known || snapshot.unpublished !== null) return { decision, rules: [] };
  const view = new ActionView(known);
  let decided = false;
  const rules = snapshot.rules.map((rule): TriedRule => {
    const tried = decided ? notReached(rule, view) : tryRule(rule, view);
    if (tried.result === "decided") decided = true;
    return tried;
  });
  return { decision, rules };
}

const about = ({ bundle, id, line, outcome, rollout }: CompiledRule, { action }: ActionView) =>
  ({ bundle, id, line, effect: outcome.effect, mode: isEnforced(rollout, action) ? "enforce" : "observe" }) as const;

const notReached = (rule: CompiledRule, view: ActionView): TriedRule => ({ ...about(rule, view), result: "not-reached", mismatches: [] });

function tryRule(rule: CompiledRule, view: ActionView): TriedRule {
  const mismatches: Mismatch[] = [];
  for (const condition of rule.conditions) {
    const held = condition.holds(view);
    // As when deciding, an expression is not evaluated for an action that fails before it: it may be unable to.
    if (held !== true && (held === false || mismatches.length === 0))
      mismatches.push({ field: condition.field, wanted: condition.wanted, found: condition.found(view), unclear: held !== false });
  }
  const applies = mismatches.every(({ unclear }) => unclear);
  const rest = about(rule, view);
  return { ...rest, result: !applies ? "not-matched" : rest.mode === "enforce" ? "decided" : "observed", mismatches };
}
