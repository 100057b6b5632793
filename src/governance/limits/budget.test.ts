import { describe, expect, test } from "vitest";
import { type Budget, inWindow, reserve, roomIn, type SpendLimit, settle } from "./budget.ts";

const limit = (given: Partial<SpendLimit>): SpendLimit => ({ unit: "tokens", max: 100, by: "run", per: null, ...given });

test.each<[what: string, limit: SpendLimit, spent: number, reserved: number, room: number, exhausted: boolean]>([
  // what                                                 limit                                spent reserved room exhausted
  ["as many as fit", limit({ reserve: 30 }), 0, 0, 3, false],
  ["what is under way takes room, but may cost less", limit({ reserve: 30 }), 0, 90, 0, false],
  ["what is spent is gone", limit({ reserve: 30 }), 71, 0, 0, true],
  ["exactly what is left", limit({ reserve: 30 }), 70, 0, 1, false],
  ["without a size, one at a time", limit({}), 99, 0, 1, false],
  ["without a size, nobody beside it", limit({}), 0, 100, 0, false],
  ["overspent", limit({ reserve: 1 }), 130, 0, 0, true],
  ["actions are spent by happening", limit({ unit: "actions", max: 3 }), 1, 2, 0, true],
  ["actions that are left", limit({ unit: "actions", max: 3 }), 1, 1, 1, false],
  ["cents add up", limit({ unit: "money", max: 0.3, reserve: 0.1 }), 0.1, 0.1, 1, false],
])("%s", (_what, given, spent, reserved, room, exhausted) => {
  expect(roomIn({ start: 0, spent, reserved }, given)).toEqual({ count: room, exhausted });
});

describe("a reservation", () => {
  test("is settled by what was really spent, less or more", () => {
    const { budget, reservation } = reserve({ start: 0, spent: 10, reserved: 0 }, limit({ reserve: 30 }));
    expect(budget).toEqual({ start: 0, spent: 10, reserved: 30 });
    expect(settle(budget, reservation, 7.5)).toEqual({ start: 0, spent: 17.5, reserved: 0 });
    expect(settle(budget, reservation, 500)).toEqual({ start: 0, spent: 510, reserved: 0 });
  });

  test("without a size is all that is left", () => {
    expect(reserve({ start: 0, spent: 40, reserved: 0 }, limit({})).reservation.amount).toBe(60);
  });

  test("of a former window is settled there: the new one is full", () => {
    const daily = limit({ per: 1_000, reserve: 30 });
    const { budget, reservation } = reserve(inWindow({ start: 0, spent: 0, reserved: 0 }, daily, 5_500), daily);
    const next = inWindow(budget, daily, 6_000);
    expect(next).toEqual({ start: 6_000, spent: 0, reserved: 0 });
    expect(settle(next, reservation, 30)).toEqual(next);
  });
});

test("a clock that is set back gives nothing anew", () => {
  const budget: Budget = { start: 5_000, spent: 90, reserved: 0 };
  expect(inWindow(budget, limit({ per: 1_000 }), 4_000)).toBe(budget);
});
