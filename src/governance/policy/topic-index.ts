import type { CompiledRule } from "./snapshot.ts";

/** How many rules the remembered topics may hold together. */
const rememberedMax = 1_000_000;

/**
 * The rules that a topic leaves to be tried, in order. Most rules name their topics in full and are found by a look-up; patterns are tried
 * once per topic, and the answer is remembered.
 */
export class TopicIndex {
  readonly #byTopic = new Map<string, number[]>();
  readonly #byPattern: { readonly at: number; readonly rule: CompiledRule }[] = [];
  readonly #rules: readonly CompiledRule[];
  readonly #remembered = new Map<string, readonly CompiledRule[]>();
  #rememberedRules = 0;

  constructor(rules: readonly CompiledRule[]) {
    this.#rules = rules;
    for (const [at, rule] of rules.entries()) {
      if (rule.topics?.every(({ literal }) => literal) === true)
        for (const topic of new Set(rule.topics.map(({ pattern }) => pattern.replace(/\\(.)/gsu, "$1")))) this.#add(topic, at);
      else this.#byPattern.push({ at, rule });
    }
  }

  candidates(topic: string): readonly CompiledRule[] {
    const known = this.#remembered.get(topic);
    if (known !== undefined) return known;
    const fitting = this.#byPattern.filter(({ rule }) => rule.topics === null || rule.topics.some((glob) => glob.fits(topic)));
    const positions = [...(this.#byTopic.get(topic) ?? []), ...fitting.map(({ at }) => at)].sort((a, b) => a - b);
    const found = positions.map((at) => this.#rules[at]).filter((rule) => rule !== undefined);
    this.#remember(topic, found);
    return found;
  }

  #add(topic: string, at: number): void {
    const positions = this.#byTopic.get(topic);
    if (positions === undefined) this.#byTopic.set(topic, [at]);
    else positions.push(at);
  }

  /** When too much is remembered, all is forgotten: topics are few unless somebody makes them up. */
  #remember(topic: string, found: readonly CompiledRule[]): void {
    const weight = found.length + 1;
    if (this.#rememberedRules + weight > rememberedMax) {
      this.#remembered.clear();
      this.#rememberedRules = 0;
    }
    this.#rememberedRules += weight;
    this.#remembered.set(topic, found);
  }
}
