import type { DagStep } from "./spec.ts";

/** What a step is, for the question who waits for whom. */
export type Waiting = Pick<DagStep, "dependsOn" | "dependants" | "activatedBy" | "onError">;

/**
 * Two points for every step: `2 × index` is its start, `2 × index + 1` its end. A step with branches starts before they start, and ends
 * after they have ended.
 */
export const startOf = (index: number): number => 2 * index;
export const endOf = (index: number): number => 2 * index + 1;

/** For each point, the points that must be passed before. */
export function waitsOf(steps: readonly Waiting[]): readonly (readonly number[])[] {
  const waits: number[][] = steps.flatMap(() => [[], []]);
  const wait = (point: number, before: number): void => {
    waits[point]?.push(before);
  };
  steps.forEach(({ dependsOn, dependants, activatedBy, onError }, index) => {
    wait(endOf(index), startOf(index));
    for (const dependency of dependsOn) {
      wait(startOf(index), endOf(dependency));
      const activation = steps[dependency]?.activatedBy;
      // Turns are not waited for one by one: the body has ended when its loop has.
      if (activation?.as === "body") wait(startOf(index), endOf(activation.by));
    }
    if (activatedBy?.as === "case") wait(startOf(index), endOf(activatedBy.by));
    else if (activatedBy !== null && activatedBy.as !== "handler") {
      wait(startOf(index), startOf(activatedBy.by));
      wait(endOf(activatedBy.by), endOf(index));
    }
    if (onError !== null) {
      wait(startOf(onError), endOf(index));
      // What depends on the step waits for whoever stands in for it, and for whoever stands in for them.
      const handlers = handlersOf(steps, index);
      if (activatedBy?.as === "branch") for (const handler of handlers) wait(endOf(activatedBy.by), endOf(handler));
      for (const dependant of dependants)
        for (const handler of handlers) if (dependant !== onError || handler !== onError) wait(startOf(dependant), endOf(handler));
    }
  });
  return waits;
}

/** Whoever stands in for the step when it fails, and for them when they fail. */
export function handlersOf(steps: readonly Pick<Waiting, "onError">[], index: number): ReadonlySet<number> {
  const handlers = new Set<number>();
  for (let next = steps[index]?.onError ?? null; next !== null && !handlers.has(next); next = steps[next]?.onError ?? null)
    handlers.add(next);
  return handlers;
}

/** The points in an order in which each comes after those that it waits for; or the points of a cycle, in the order of waiting. */
export function inOrder(
  waits: readonly (readonly number[])[],
): { readonly order: readonly number[] } | { readonly cycle: readonly number[] } {
  const order: number[] = [];
  const state = new Uint8Array(waits.length);
  const [unseen, open, passed] = [0, 1, 2];
  for (let root = 0; root < waits.length; root++) {
    if (state[root] !== unseen) continue;
    // The way from the root, each with how many of its waits have been followed. A list, since a chain can be longer than the call stack.
    const way: { readonly point: number; next: number }[] = [{ point: root, next: 0 }];
    state[root] = open;
    for (let top = way.at(-1); top !== undefined; top = way.at(-1)) {
      const before = waits[top.point]?.[top.next++];
      if (before === undefined) {
        state[top.point] = passed;
        order.push(top.point);
        way.pop();
      } else if (state[before] === open) {
        return { cycle: way.slice(way.findIndex(({ point }) => point === before)).map(({ point }) => point) };
      } else if (state[before] === unseen) {
        state[before] = open;
        way.push({ point: before, next: 0 });
      }
    }
  }
  return { order };
}

/** Whether `earlier` must be passed before `later`. `positions` are those of the points in order: the search never goes back too far. */
export function mustPass(
  waits: readonly (readonly number[])[],
  positions: readonly number[],
  { earlier, later }: { readonly earlier: number; readonly later: number },
): boolean {
  const floor = positions[earlier] ?? 0;
  const seen = new Set<number>();
  const open = [later];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === earlier) return true;
    for (const one of waits[next] ?? [])
      if ((positions[one] ?? 0) >= floor && !seen.has(one)) {
        seen.add(one);
        open.push(one);
      }
  }
  return false;
}

/** Every point that must be passed before this one. */
export function before(waits: readonly (readonly number[])[], point: number): ReadonlySet<number> {
  const found = new Set<number>();
  const open = [point];
  for (let next = open.pop(); next !== undefined; next = open.pop())
    for (const one of waits[next] ?? [])
      if (!found.has(one)) {
        found.add(one);
        open.push(one);
      }
  return found;
}
