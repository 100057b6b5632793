// Rules that policy engines are compared on, and the actions that they decide.

/**
 * "topics": each rule names a topic of its own and a label, as policies of packs do, and questions ask for all of them in turn.
 * "labels": no rule names a topic, so that no index helps, and every tenth question runs through all of them.
 * "conditions": as "topics", with an expression over the input.
 */
export type RuleSet = { readonly kind: "topics" | "labels" | "conditions"; readonly size: number };

/** The action of a question as plain data; its capability and its input are always the same. */
export type Question = { readonly topic: string; readonly env: string; readonly n: string };

/** Something that decides the questions of one set. */
export type Engine = {
  readonly name: string;
  /** Whether the question, counted on from the last one to the first, is allowed. */
  decide(index: number): boolean;
};

/** A set in an engine's own language, read and compiled. Throws when it cannot be. */
export type Load = (set: RuleSet) => Engine | Promise<Engine>;

const questionsMax = 1_000;

/** At most 1,000, spread evenly over the rules. Nine of ten are allowed, in "labels"; otherwise all are. */
export function questionsOf({ kind, size }: RuleSet): readonly Question[] {
  const count = kind === "labels" ? Math.min(10 * size, questionsMax) : Math.min(size, questionsMax);
  return Array.from({ length: count }, (_, index) => {
    const rule = Math.floor((index * size) / count);
    return kind === "labels"
      ? { topic: "job.deploy", env: "prod", n: index % 10 === 9 ? "none" : String(rule) }
      : { topic: topicOf(rule), env: "prod", n: String(rule) };
  });
}

export const topicOf = (rule: number): string => `job.t${rule}`;

/** The set in Holdfast's language. */
export const policyOf = ({ kind, size }: RuleSet): string =>
  JSON.stringify({ rules: Array.from({ length: size }, (_, at) => rule(kind, at)) });

function rule(kind: RuleSet["kind"], at: number): object {
  const id = `r${at}`;
  if (kind === "labels") return { id, decision: "allow", match: { labels: { n: String(at), env: "prod" } } };
  const match = { topics: [topicOf(at)], labels: { env: "prod" } };
  return {
    id,
    decision: "allow",
    match,
    ...(kind === "conditions" ? { when: 'input.amount > 1000 && input.country in ["DE", "FR"]' } : {}),
  };
}

/**
 * A policy of so many rules of which the last allows the activities of the bench and no other applies to them. Every tenth of the others
 * names no topic, so that it is tried each time.
 */
export const policyAround = (activityType: string, size: number): string =>
  JSON.stringify({
    rules: [
      ...Array.from({ length: size - 1 }, (_, at) => rule(at % 10 === 0 ? "labels" : "topics", at)),
      { id: "bench", decision: "allow", match: { topics: [`activity.${activityType}`] } },
    ],
  });
