import type { Mode } from "./effect.ts";

/** For which workflows something is enforced; for the others it is observed. */
export type Rollout = {
  readonly mode: Mode;
  /** In hundredths of a per cent, of `sharesAll`. */
  readonly share: number;
  readonly seed: number;
};

const sharesAll = 10_000;

/** `canary` is a percentage of workflow ids. Of one name, whoever is within 10 % is within 20 % as well. */
export const rolloutOf = (mode: Mode, canary: number | null, name: string): Rollout => ({
  mode,
  share: canary === null ? sharesAll : Math.max(1, Math.round((canary / 100) * sharesAll)),
  seed: hashOf(name, 0),
});

/** The same for every attempt, activity and server: it depends on the workflow id alone, or on the action id where there is no workflow. */
export function isEnforced({ mode, share, seed }: Rollout, ids: { readonly workflowId: string; readonly actionId: string }): boolean {
  if (mode === "observe") return false;
  return share >= sharesAll || hashOf(ids.workflowId || ids.actionId, seed) % sharesAll < share;
}

/** FNV-1a with the finish of MurmurHash3: spreads ids that differ in a digit. No cryptography is needed to choose a canary. */
function hashOf(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
