import { shareOf } from "./share.ts";

/** Whose a change is; several for one that concerns several namespaces. */
export type Owned = { readonly owners: readonly string[] };

/**
 * Takes the next group out of what waits, in order of arrival: at most `max`, and of each owner no more than their share. So the first that
 * waits of each owner is in the group, whatever the others have in line, as long as there are no more than `max` owners; and what concerns
 * one owner keeps its order.
 *
 * INVARIANT: what is left behind holds back all that comes later of any of its owners, so that a change which concerns several never
 * overtakes, and is never overtaken by, what it rests on.
 */
export function takeGroup<T extends Owned>(waiting: T[], max: number): T[] {
  const taken = new Map<string, number>();
  for (const { owners } of waiting) for (const owner of owners) taken.set(owner, 0);
  const share = shareOf(taken.size, max);
  const group: T[] = [];
  let left = 0;
  for (const [index, one] of waiting.entries()) {
    const goes = group.length < max && one.owners.every((owner) => (taken.get(owner) ?? 0) < share);
    for (const owner of one.owners) taken.set(owner, goes ? (taken.get(owner) ?? 0) + 1 : share);
    if (goes) group.push(one);
    else waiting[left++] = waiting[index] as T;
  }
  waiting.length = left;
  return group;
}
