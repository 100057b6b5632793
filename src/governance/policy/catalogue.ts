import { type Action, defaultTopic } from "../action.ts";
import { ActionView } from "./action-view.ts";
import { type Expression, expressionOf } from "./expression.ts";
import { type Condition, conditionsOf, type Unclear } from "./match.ts";
import type { CatalogueEntry } from "./policy.ts";
import type { Bundle } from "./snapshot.ts";

type Entry = {
  readonly name: string;
  readonly entry: CatalogueEntry;
  readonly conditions: readonly Condition[];
  readonly when: Expression | null;
};

const rememberedMax = 4_096;

/** Gives meaning to actions of workers that know nothing of governance. */
export class Catalogue {
  readonly #entries: readonly Entry[];
  /** By everything that an entry's patterns look at. */
  readonly #remembered = new Map<string, readonly Entry[]>();

  constructor(bundles: readonly Bundle[]) {
    this.#entries = bundles.flatMap(({ id, policy }) =>
      policy.actions.map((entry, index) => ({
        name: `actions[${index}] of \`${id}\``,
        entry,
        conditions: conditionsOf(entry.match, null),
        when: entry.when === null ? null : expressionOf(entry.when),
      })),
    );
  }

  /**
   * The action with what the entries that match say of it, each in its turn: the first topic and capability stand, and win over what the
   * worker said; labels are added, and win over the worker's; risk tags are added. An action that has no topic then has its default topic.
   * Expressions see what the worker said.
   */
  describe(action: Action): Action | Unclear {
    const fitting = this.#entries.length === 0 ? this.#entries : this.#fitting(action);
    if (fitting.length === 0) return action.topic === "" ? { ...action, topic: defaultTopic(action) } : action;
    const view = new ActionView(action);
    const told: CatalogueEntry[] = [];
    for (const { name, entry, when } of fitting) {
      const held = when === null ? null : when.holds(view);
      if (held !== null && !held.ok) return { unclear: `${name}: ${held.error}` };
      if (held === null || held.value) told.push(entry);
    }
    return {
      ...action,
      topic: told.find(({ topic }) => topic !== null)?.topic ?? (action.topic || defaultTopic(action)),
      capability: told.find(({ capability }) => capability !== null)?.capability ?? action.capability,
      // The first entry that says a label wins, so it is laid last.
      labels: new Map([action.labels, ...told.map(({ labels }) => labels).reverse()].flatMap((labels) => [...labels])),
      riskTags: [...new Set([...action.riskTags, ...told.flatMap(({ riskTags }) => riskTags)])],
    };
  }

  #fitting(action: Action): readonly Entry[] {
    const key = [action.namespace, action.kind, action.workflowType, action.taskQueue, action.name].join("\n");
    const known = this.#remembered.get(key);
    if (known !== undefined) return known;
    const view = new ActionView(action);
    const fitting = this.#entries.filter(({ conditions }) => conditions.every((condition) => condition.holds(view) === true));
    if (this.#remembered.size >= rememberedMax) this.#remembered.clear();
    this.#remembered.set(key, fitting);
    return fitting;
  }
}
