/** Chance that a seed determines. */
export type Random = {
  /** At least 0, less than 1. */
  fraction(): number;
  /** A whole number, both bounds inclusive. */
  between(least: number, most: number): number;
  /** Whether something happens that does so with this probability. */
  chance(probability: number): boolean;
  pick<T>(of: readonly [T, ...T[]]): T;
  /** An id in the form of a UUID. */
  id(): string;
};

/** Mulberry32: 32 bits of state are plenty for one schedule. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const fraction = () => next() / 2 ** 32;
  const between = (least: number, most: number) => least + Math.floor(fraction() * (most - least + 1));
  return {
    fraction,
    between,
    chance: (probability) => fraction() < probability,
    pick: (of) => of[between(0, of.length - 1)] ?? of[0],
    id: () => {
      const hex = [next(), next(), next(), next()].map((part) => part.toString(16).padStart(8, "0")).join("");
      return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)].join("-");
    },
  };
}
