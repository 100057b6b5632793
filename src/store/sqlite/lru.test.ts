import { expect, test } from "vitest";
import { Lru } from "./lru.ts";

const filled = (entriesMax: number, keys: readonly string[]): Lru<string> => {
  const lru = new Lru<string>(entriesMax);
  for (const key of keys) lru.set(key, key);
  return lru;
};

test.each([
  // set in this order, with room for 4     found
  [
    ["a", "b"],
    ["a", "b"],
  ],
  [
    ["a", "b", "c", "d"],
    ["a", "b", "c", "d"],
  ],
  [
    ["a", "b", "c", "d", "e"],
    ["c", "d", "e"],
  ],
  [
    ["a", "b", "c", "d", "e", "f"],
    ["c", "d", "e", "f"],
  ],
] as const)("of %j it keeps %j", (set, expected) => {
  // Asking keeps an entry, so each is asked for in a map of its own.
  expect(set.filter((key) => filled(4, set).get(key) !== undefined)).toEqual(expected);
});

test("what is asked for stays", () => {
  const lru = filled(4, ["a"]);
  for (const key of ["b", "c", "d", "e", "f", "g", "h"]) {
    expect(lru.get("a")).toBe("a");
    lru.set(key, key);
  }
  expect(lru.get("a")).toBe("a");
});

test("the newest value is the one found, in whichever generation the old one was", () => {
  const lru = filled(4, ["a", "b", "c"]);
  lru.set("a", "newer");
  expect(lru.get("a")).toBe("newer");
});

test("a deleted entry is gone from both generations, and clear leaves nothing", () => {
  const lru = filled(4, ["a", "b", "c"]);
  lru.get("a");
  lru.delete("a");
  expect(lru.get("a")).toBeUndefined();
  lru.clear();
  for (const key of ["a", "b", "c"]) expect(lru.get(key)).toBeUndefined();
});
