import fc from "fast-check";
import { expect, test } from "vitest";
import { createCrowd, rememberedFor } from "./crowd.ts";
import { aloneMax, pollsPerRequest, requestsMax } from "./share.ts";
import { createTurns, lineMax } from "./turns.ts";

/** Turns that end when a test says so. */
function open() {
  let now = 0;
  let ended: (() => void) | null = null;
  const crowd = createCrowd({ now: () => now });
  const turns = createTurns({
    crowd,
    endOfTurn: (callback) => {
      ended = callback;
    },
  });
  const begun: string[] = [];
  return {
    crowd,
    turns,
    begun,
    pass: (ms: number) => {
      now += ms;
    },
    /** Asks `times` times; whatever begins is noted. */
    ask: (who: string, times: number, kind: "request" | "poll" = "request") => {
      for (let time = 0; time < times; time++) {
        const turn = turns.enter(who, kind);
        if (turn === null) begun.push(who);
        else if (turn !== false) void turn.then(() => begun.push(who));
      }
    },
    endTurn: async () => {
      const callback = ended;
      ended = null;
      callback?.();
      await Promise.resolve();
    },
    take: () => begun.splice(0),
    isOver: () => ended === null,
  };
}
const times = (count: number, who: string): readonly string[] => Array.from({ length: count }, () => who);

test("who is alone begins at once, a great many in one turn", async () => {
  const { ask, take, endTurn } = open();
  ask("a", aloneMax + 1);
  expect(take()).toEqual(times(aloneMax, "a"));
  await endTurn();
  expect(take()).toEqual(["a"]);
});

test("as soon as another one has come, each has a share of every turn, however long the line of one is", async () => {
  const { ask, take, endTurn } = open();
  ask("a", 3 * aloneMax);
  ask("b", 1);
  expect(take().filter((who) => who === "b")).toEqual(["b"]);
  await endTurn();
  expect(take()).toEqual(times(requestsMax, "a"));
  ask("b", 2);
  expect(take()).toEqual(["b", "b"]);
});

test("after a while without the others, one is alone again", async () => {
  const { ask, take, endTurn, pass } = open();
  ask("b", 1);
  ask("a", 1);
  pass(rememberedFor);
  await endTurn();
  take();
  ask("a", aloneMax);
  expect(take()).toHaveLength(aloneMax);
});

test.each([
  // polls in one turn    whether the others have to make room
  [1, false],
  [pollsPerRequest * requestsMax, false],
  [pollsPerRequest * requestsMax + 1, true],
])("%i polls of a worker: others make room: %s", (polls, isShared) => {
  const { ask, crowd } = open();
  ask("a", 1);
  ask("b", polls, "poll");
  expect(crowd.isShared).toBe(isShared);
});

test("those who prove nothing have one share together, and others need not make room for them", () => {
  const { turns, crowd } = open();
  const answers = Array.from({ length: requestsMax + 1 }, () => turns.enterStranger());
  expect(answers.slice(0, -1)).toEqual(times(requestsMax, "").map(() => null));
  expect(answers.at(-1)).toBeInstanceOf(Promise);
  expect(crowd.isShared).toBe(false);
});

test("a line is bounded", () => {
  const { turns } = open();
  turns.enter("b", "request");
  for (let asked = 0; asked < requestsMax + lineMax; asked++) expect(turns.enter("a", "request")).not.toBe(false);
  expect(turns.enter("a", "request")).toBe(false);
  expect(turns.enter("b", "request")).toBeNull();
});

test("whatever comes in whatever order: in each turn everybody who waits begins something, nobody more than their share, and each in order", async () => {
  const arrivals = fc.array(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 40 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(arrivals, async (turnsOfArrivals) => {
      const { turns, endTurn, isOver } = open();
      turns.enter("x", "request");
      turns.enter("y", "request");
      const line = new Map<string, number[]>([..."abc"].map((who) => [who, []]));
      const done: (readonly [string, number])[] = [];
      let arrival = 0;
      const check = (waitedBefore: ReadonlySet<string>) => {
        const now = done.splice(0);
        for (const who of "abc") {
          const own = now.filter(([begun]) => begun === who).map(([, number]) => number);
          expect(own.length).toBeLessThanOrEqual(2 * requestsMax);
          if (waitedBefore.has(who)) expect(own.length).toBeGreaterThan(0);
          expect(line.get(who)?.splice(0, own.length)).toEqual(own);
        }
      };
      const waiting = () => new Set([...line].flatMap(([who, numbers]) => (numbers.length > 0 ? [who] : [])));
      for (const names of turnsOfArrivals) {
        const before = waiting();
        await endTurn();
        await Promise.resolve();
        for (const who of names) {
          const number = arrival++;
          line.get(who)?.push(number);
          const turn = turns.enter(who, "request");
          if (turn === null) done.push([who, number]);
          else if (turn !== false) void turn.then(() => done.push([who, number]));
        }
        await Promise.resolve();
        check(before);
      }
      while (!isOver()) {
        await endTurn();
        await Promise.resolve();
        check(new Set());
      }
      expect(waiting().size).toBe(0);
    }),
  );
});
