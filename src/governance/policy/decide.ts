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
    return afterTheFact(firstMatch(snapshot, action, way));
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
    const outcome = withCaps(snapshot, matched === true ? rule.outcome : unclearOutcome(rule, matched), view);
    if (isEnforced(rule.rollout, action)) return decisionOf(snapshot, action, outcome, observed);
    observed ??= outcome;
  }
  return byDefault(snapshot, action, view, observed);
}

const neededBefore = {
  REQUIRE_APPROVAL: "wait for an approval",
  THROTTLE: "be slowed down",
  ALLOW_WITH_CONSTRAINTS: "be held to limits",
} as const;

/** A local activity has run when the server hears of it: what would have to be seen to before is a denial. */
function afterTheFact(decision: Decision): Decision {
  const { effect, reason } = decision;
  if (decision.action.kind !== "local-activity" || effect === "ALLOW" || effect === "DENY") return decision;
  return {
    ...decision,
    effect: "DENY",
    reason: `a local activity cannot ${neededBefore[effect]}: ${reason}`,
    constraints: {},
    approval: null,
    delay: null,
  };
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
const startsUngoverned = plainOutcome("ALLOW", "no rule matched, and none is about the start of workflows");
const onlyObserved = plainOutcome("ALLOW", "no rule that is enforced matched, and nothing else is enforced");

/** Nothing enforced matched: the bundles that are enforced for this action say what happens then. */
function byDefault(snapshot: Snapshot, action: Action, view: ActionView, observed: Outcome | null): Decision {
  const { defaults } = snapshot;
  const enforced = defaults.filter(({ rollout }) => isEnforced(rollout, action));
  // Whatever a workflow does is decided when it does it: only a policy that speaks of starts denies them without saying so.
  const spoken = action.kind === "workflow-start" ? snapshot.startRollouts : null;
  const spokenEnforced = spoken?.filter((rollout) => isEnforced(rollout, action));
  const unsaid = spokenEnforced?.length === 0 ? startsUngoverned : denied;
  const outcome = enforced.length === 0 && defaults.length > 0 ? onlyObserved : defaultOf(enforced, unsaid);
  const allEnforced = enforced.length === defaults.length && spokenEnforced?.length === spoken?.length;
  const all = allEnforced ? null : defaultOf(defaults, spoken?.length === 0 ? startsUngoverned : denied);
  return decisionOf(snapshot, action, withCaps(snapshot, outcome, view), observed ?? all);
}

/** A tenant's caps are on what is given to workers at one time; nobody gives them their local activities. */
const withCaps = (snapshot: Snapshot, outcome: Outcome, { action, tenant }: ActionView): Outcome =>
  action.kind === "local-activity" ? outcome : outcomeFor(snapshot, outcome, tenant);

function defaultOf(defaults: Snapshot["defaults"], unsaid: Outcome): Outcome {
  const says = (effect: string): boolean => defaults.some((one) => one.effect === effect);
  if (says("DENY")) return denied;
  return says("ALLOW") ? allowed : unsaid;
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
