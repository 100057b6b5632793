import fc from "fast-check";
import { expect, test } from "vitest";
import { takeGroup } from "./group.ts";
import { changesMax } from "./share.ts";

type Waiting = { readonly owners: readonly string[]; readonly arrival: number };

const max = 16;
const owner = fc.constantFrom("a", "b", "c", "d", "e");
const ofOne = fc.array(
  owner.map((one) => [one]),
  { maxLength: 200 },
);
const ofSome = fc.array(fc.uniqueArray(owner, { minLength: 1, maxLength: 2 }), { maxLength: 200 });
const arriving = (owners: readonly (readonly string[])[]): Waiting[] => owners.map((of, arrival) => ({ owners: of, arrival }));

function groupsOf(waiting: Waiting[]): Waiting[][] {
  const groups: Waiting[][] = [];
  while (waiting.length > 0) groups.push(takeGroup(waiting, max));
  return groups;
}

test("the first that waits of each owner is in the next group, whatever the others have in line", () => {
  fc.assert(
    fc.property(ofOne, (owners) => {
      const waiting = arriving(owners);
      while (waiting.length > 0) {
        const firsts = new Map(waiting.toReversed().map((one) => [one.owners[0], one]));
        const group = takeGroup(waiting, max);
        for (const first of firsts.values()) expect(group).toContain(first);
      }
    }),
  );
});

test("a group is bounded, in all and for each owner, and never empty", () => {
  fc.assert(
    fc.property(ofSome, (owners) => {
      for (const group of groupsOf(arriving(owners))) {
        expect(group.length).toBeGreaterThan(0);
        expect(group.length).toBeLessThanOrEqual(max);
        for (const one of "abcde") expect(group.filter((taken) => taken.owners.includes(one)).length).toBeLessThanOrEqual(changesMax);
      }
    }),
  );
});

test("everything goes once, and what shares an owner goes in order of arrival", () => {
  fc.assert(
    fc.property(ofSome, (owners) => {
      const taken = groupsOf(arriving(owners)).flat();
      expect(taken.map(({ arrival }) => arrival).sort((a, b) => a - b)).toEqual(owners.map((_, arrival) => arrival));
      for (const one of "abcde") {
        const own = taken.filter((given) => given.owners.includes(one)).map(({ arrival }) => arrival);
        expect(own).toEqual(own.toSorted((a, b) => a - b));
      }
    }),
  );
});

test("who is alone fills groups with their share alone", () => {
  const waiting = arriving(Array.from({ length: 20 }, () => ["a"]));
  expect(groupsOf(waiting).map((group) => group.length)).toEqual([changesMax, changesMax, changesMax, changesMax, 20 - 4 * changesMax]);
});
