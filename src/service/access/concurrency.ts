import { networkOf } from "../../base/network.ts";
import type { Session } from "./session.ts";

/** How much each caller has under way at one time, so that none of them can take all there is. */
export type Concurrency = {
  /** Takes room for one more; returns how to give it back, which may be called twice. Null when the caller has `max` under way. */
  enter(caller: string): (() => void) | null;
};

/** `max` null is without limit. */
export function createConcurrency(max: number | null): Concurrency {
  if (max === null) return { enter: () => () => {} };
  const underWay = new Map<string, number>();
  return {
    enter: (caller) => {
      const before = underWay.get(caller) ?? 0;
      if (before >= max) return null;
      underWay.set(caller, before + 1);
      let isInside = true;
      return () => {
        if (!isInside) return;
        isInside = false;
        const left = (underWay.get(caller) ?? 1) - 1;
        if (left === 0) underWay.delete(caller);
        else underWay.set(caller, left);
      };
    },
  };
}

/** Whose room it is: the principal's, and where nobody has to say who they are, that of the address. */
export const callerOf = ({ principal }: Pick<Session, "principal">, address: string): string =>
  principal === null ? `address ${networkOf(address)}` : `principal ${principal.id}`;
