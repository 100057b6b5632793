import type { Action } from "../action.ts";
import { ActionView } from "./action-view.ts";
import type { Condition, Unclear } from "./match.ts";
import { isEnforced } from "./rollout.ts";
import { type CompiledRule, type Outcome, outcomeFor, plainOutcome, type Snapshot } from "./snapshot.ts";

export type Decision = Outcome & {
  /** The hash of the snapshot that decided. */
  readonly snapshot: string;
  /** The action as the catalogue describes it: what `jobHash` and records are about. */
  readonly action: Action;
  /** What would have been decided if everything in observe mode were enforced; null when nothing observed had a say. */
  readonly observed: Outcome | null;
};

/**
 * Decides an action: rules in order, the first that matches and is enforced. Depends on nothing but its arguments. What cannot be told
 * denies, and says so.
 */
export const decide = (snapshot: Snapshot, action: Action): Decision => search(snapshot, action, indexed);

/** `decide` without the index: every rule in turn. For explaining, and for holding the index to account. */
export const decideByScan = (snapshot: Snapshot, action: Action): Decision => search(snapshot, action, scanned);

/** Which rules are tried, and what of them is still to be asked. */
type Way = {
  candidates(snapshot: Snapshot, topic: string): readonly CompiledRule[];
  conditions(rule: CompiledRule): readonly Condition[];
};
const indexed: Way = { candidates: ({ index }, topic) => index.candidates(topic), conditions: (rule) => rule.furtherConditions };
const scanned: Way = { candidates: ({ rules }) => rules, conditions: (rule) => rule.conditions };

function search(snapshot: Snapshot, action: Action, way: Way): Decision {
  try {
    return firstMatch(snapshot, action, way);
  } catch (error) {
    const outcome = plainOutcome("DENY", `deciding failed: ${error instanceof Error ? error.message : String(error)}`);
    return decisionOf(snapshot, action, outcome, null);
  }
}

function firstMatch(snapshot: Snapshot, given: Action, { candidates, conditions }: Way): Decision {
  const action = described(snapshot, given);
  if ("unclear" in action) return decisionOf(snapshot, given, plainOutcome("DENY", `deciding failed: ${action.unclear}`), null);
  if (snapshot.unpublished !== null) return decisionOf(snapshot, action, snapshot.unpublished, null);
  const view = new ActionView(action);
  let observed: Outcome | null = null;
  for (const rule of candidates(snapshot, action.topic)) {
    const matched = matches(conditions(rule), view);
    if (matched === false) continue;
    const outcome = outcomeFor(snapshot, matched === true ? rule.outcome : unclearOutcome(rule, matched), view.tenant);
    if (isEnforced(rule.rollout, action)) return decisionOf(snapshot, action, outcome, observed);
    observed ??= outcome;
  }
  return byDefault(snapshot, action, view, observed);
}

/** The action with a namespace, and with what the catalogue says of it. */
export function described(snapshot: Snapshot, action: Action): Action | Unclear {
  if (action.unreadable !== null) return { unclear: action.unreadable };
  return snapshot.catalogue.describe(action.namespace === "" ? { ...action, namespace: snapshot.defaultTenant } : action);
}

export function matches(conditions: readonly Condition[], view: ActionView): boolean | Unclear {
  for (const condition of conditions) {
    const held = condition.holds(view);
    if (held !== true) return held;
  }
  return true;
}

export const unclearOutcome = ({ id, bundle }: CompiledRule, { unclear }: Unclear): Outcome => ({
  ...plainOutcome("DENY", `rule \`${id}\` cannot be told: ${unclear}`),
  ruleId: id,
  bundle,
});

const denied = plainOutcome("DENY", "no rule matched, and the default is to deny");
const allowed = plainOutcome("ALLOW", "no rule matched, and the default is to allow");
const onlyObserved = plainOutcome("ALLOW", "no rule that is enforced matched, and nothing else is enforced");

/** Nothing enforced matched: the bundles that are enforced for this action say what happens then. */
function byDefault(snapshot: Snapshot, action: Action, view: ActionView, observed: Outcome | null): Decision {
  const { defaults } = snapshot;
  const enforced = defaults.filter(({ rollout }) => isEnforced(rollout, action));
  const outcome = enforced.length === 0 && defaults.length > 0 ? onlyObserved : defaultOf(enforced);
  const all = enforced.length === defaults.length ? null : defaultOf(defaults);
  return decisionOf(snapshot, action, outcomeFor(snapshot, outcome, view.tenant), observed ?? all);
}

function defaultOf(defaults: Snapshot["defaults"]): Outcome {
  const says = (effect: string): boolean => defaults.some((one) => one.effect === effect);
  return says("ALLOW") && !says("DENY") ? allowed : denied;
}

const decisionOf = (snapshot: Snapshot, action: Action, outcome: Outcome, observed: Outcome | null): Decision => ({
  effect: outcome.effect,
  ruleId: outcome.ruleId,
  bundle: outcome.bundle,
  reason: outcome.reason,
  constraints: outcome.constraints,
  remediations: outcome.remediations,
  approval: outcome.approval,
  delay: outcome.delay,
  snapshot: snapshot.hash,
  action,
  observed,
});
