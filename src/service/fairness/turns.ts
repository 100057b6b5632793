import type { Crowd } from "./crowd.ts";
import { aloneMax, pollsPerRequest, requestsMax } from "./share.ts";

/** Requests of namespaces take turns: in each turn of the event loop every namespace begins its share, in the order in which they came. */
export type Turns = {
  /**
   * Null: at once, which is how it is for a namespace that is alone. Otherwise resolves when the request may begin; false at once when more than
   * `lineMax` (10,000) of the namespace wait already.
   */
  enter(namespaceId: string, kind: TurnKind): Promise<void> | null | false;
  /** For the refusal of somebody who did not prove who they are. All of them together have one share. */
  enterStranger(): Promise<void> | null | false;
};

/**
 * A worker that waits for work polls now and then, and does not need the others to make room for that; only many polls at once count as a
 * namespace that wants something.
 */
export type TurnKind = "request" | "poll";

export const lineMax = 10_000;

type Line = { readonly waiting: { readonly weight: number; readonly begin: () => void }[]; next: number };

/** In polls. */
const weights: { readonly [K in TurnKind]: number } = { request: pollsPerRequest, poll: 1 };

/** No namespace has this id. */
const strangers = "";

export function createTurns({
  crowd,
  endOfTurn = (ended) => void setImmediate(ended),
}: {
  readonly crowd: Crowd;
  /** Calls back when what is ready now has been done. */
  readonly endOfTurn?: (ended: () => void) => void;
}): Turns {
  /** What has begun in this turn, by weight. */
  const begun = new Map<string, number>();
  const lines = new Map<string, Line>();
  let isEnding = false;

  const maxOf = (who: string): number => pollsPerRequest * (who === strangers || crowd.isShared ? requestsMax : aloneMax);

  function begin(who: string, weight: number): void {
    begun.set(who, weight);
    if (isEnding) return;
    isEnding = true;
    endOfTurn(ended);
  }

  function ended(): void {
    isEnding = false;
    begun.clear();
    for (const [who, line] of lines) {
      const max = maxOf(who);
      let weight = 0;
      for (let first = line.waiting[line.next]; first !== undefined && weight + first.weight <= max; first = line.waiting[line.next]) {
        weight += first.weight;
        line.next++;
        first.begin();
      }
      begin(who, weight);
      if (line.next === line.waiting.length) lines.delete(who);
      else if (line.next > lineMax) {
        line.waiting.splice(0, line.next);
        line.next = 0;
      }
    }
  }

  function enter(who: string, weight: number): Promise<void> | null | false {
    const line = lines.get(who);
    const before = begun.get(who) ?? 0;
    if (line === undefined && before + weight <= maxOf(who)) {
      begin(who, before + weight);
      return null;
    }
    if (line !== undefined && line.waiting.length - line.next >= lineMax) return false;
    return new Promise((begin) => {
      if (line === undefined) lines.set(who, { waiting: [{ weight, begin }], next: 0 });
      else line.waiting.push({ weight, begin });
    });
  }

  return {
    enter: (namespaceId, kind) => {
      if (kind === "request" || (begun.get(namespaceId) ?? 0) >= pollsPerRequest * requestsMax) crowd.note(namespaceId);
      return enter(namespaceId, weights[kind]);
    },
    enterStranger: () => enter(strangers, weights.request),
  };
}
