import type { Crowd } from "./crowd.ts";
import { aloneMax, shareMax } from "./share.ts";

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

type Line = { readonly begins: (() => void)[]; next: number };

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
  /** Requests of this turn. */
  const begun = new Map<string, number>();
  const lines = new Map<string, Line>();
  let isEnding = false;

  const maxOf = (who: string): number => (who === strangers || crowd.isShared ? shareMax : aloneMax);

  function begin(who: string, count: number): void {
    begun.set(who, count);
    if (isEnding) return;
    isEnding = true;
    endOfTurn(ended);
  }

  function ended(): void {
    isEnding = false;
    begun.clear();
    for (const [who, line] of lines) {
      const until = Math.min(line.begins.length, line.next + maxOf(who));
      begin(who, until - line.next);
      while (line.next < until) line.begins[line.next++]?.();
      if (line.next === line.begins.length) lines.delete(who);
      else if (line.next > lineMax) {
        line.begins.splice(0, line.next);
        line.next = 0;
      }
    }
  }

  function enter(who: string): Promise<void> | null | false {
    const line = lines.get(who);
    const count = begun.get(who) ?? 0;
    if (line === undefined && count < maxOf(who)) {
      begin(who, count + 1);
      return null;
    }
    if (line !== undefined && line.begins.length - line.next >= lineMax) return false;
    return new Promise((resolve) => {
      if (line === undefined) lines.set(who, { begins: [resolve], next: 0 });
      else line.begins.push(resolve);
    });
  }

  return {
    enter: (namespaceId, kind) => {
      if (kind === "request" || (begun.get(namespaceId) ?? 0) >= shareMax) crowd.note(namespaceId);
      return enter(namespaceId);
    },
    enterStranger: () => enter(strangers),
  };
}
