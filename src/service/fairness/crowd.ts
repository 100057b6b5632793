import { type DurationMs, secondMs } from "../../base/time.ts";

/** Whether a namespace has the server to itself: only then may what it does take as long at a stretch as it likes. */
export type Crowd = {
  /** A namespace wants something done. */
  note(namespaceId: string): void;
  /** Whether another one than the last has wanted something lately. */
  readonly isShared: boolean;
};

/** A namespace that asks at least this often finds short turns whenever it asks. */
export const rememberedFor: DurationMs = 10 * secondMs;

export function createCrowd({ now }: { readonly now: () => number }): Crowd {
  let latest: string | null = null;
  let latestAt = Number.NEGATIVE_INFINITY;
  /** When any other one than `latest` was last noted: it was so until `latest` took its place. */
  let othersAt = Number.NEGATIVE_INFINITY;
  return {
    note: (namespaceId) => {
      if (namespaceId !== latest) {
        othersAt = latestAt;
        latest = namespaceId;
      }
      latestAt = now();
    },
    get isShared() {
      return latestAt - othersAt < rememberedFor;
    },
  };
}
