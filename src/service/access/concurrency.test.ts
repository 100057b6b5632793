import { expect, test } from "vitest";
import { callerOf, createConcurrency } from "./concurrency.ts";

test("each caller has room of its own", () => {
  const { enter } = createConcurrency(2);
  const leave = enter("ada");
  expect([enter("ada"), enter("ada"), enter("bob")].map((room) => room !== null)).toEqual([true, false, true]);
  leave?.();
  // Leaving twice gives back once.
  leave?.();
  expect([enter("ada"), enter("ada")].map((room) => room !== null)).toEqual([true, false]);
});

test("null is without limit", () => {
  const { enter } = createConcurrency(null);
  expect(Array.from({ length: 10 }, () => enter("ada")).every((room) => room !== null)).toBe(true);
});

test.each([
  [{ id: "ada" }, "10.0.0.1", "principal ada"],
  [null, "10.0.0.1", "address 10.0.0.1"],
  [null, "2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2"],
] as const)("%j from %s is %s", (given, address, expected) => {
  const principal = given && {
    ...given,
    kind: "service",
    grants: [],
    taskQueues: null,
    expiresAt: null,
    credential: { kind: "api-key", id: "k" },
  };
  expect(callerOf({ principal } as Parameters<typeof callerOf>[0], address)).toBe(expected);
});
