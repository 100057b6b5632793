import { beforeEach, expect, test } from "vitest";
import type { Room } from "../../governance/limits/tally.ts";
import { type ManualClock, manualClock, turn } from "../service.test-kit.ts";
import { type Asker, createLines, type Lines, waitersMax } from "./lines.ts";

const asker = (name: string): Asker => ({ run: { namespaceId: "n", workflowId: name, runId: name }, scheduledEventId: 5, stamp: 1 });
const roomFor = (count: number, moreAt: number | null = null): Room => ({ count, moreAt, exhausted: false });

let clock: ManualClock;
let lines: Lines;
let room: Room;
let woken: string[];
/** Attempts that no longer wait when they are woken. */
let gone: Set<string>;

beforeEach(() => {
  clock = manualClock(1_000);
  room = roomFor(0);
  woken = [];
  gone = new Set();
  lines = createLines({
    clock,
    roomOf: () => room,
    wake: async ({ run }) => {
      woken.push(run.workflowId);
      return !gone.has(run.workflowId);
    },
  });
});

const mayGo = (name: string) => lines.mayGo("k", asker(name), room);
const join = (...names: readonly string[]) => names.map((name) => lines.join("k", asker(name)));
const advance = async (next: Room) => {
  room = next;
  lines.advance("k");
  await turn();
};

test("whoever waits longest is woken first, and the room is kept for it", async () => {
  expect(mayGo("a")).toBe(false);
  join("a", "b", "c");
  await advance(roomFor(1));
  expect(woken).toEqual(["a"]);
  expect([mayGo("a"), mayGo("b"), mayGo("newcomer")]).toEqual([true, false, false]);
  // It takes the room, and is out of line.
  room = roomFor(0);
  lines.leave(asker("a"));
  await advance(roomFor(2));
  expect(woken).toEqual(["a", "b", "c"]);
});

test("nobody overtakes those who wait, even where there is room", () => {
  join("a");
  room = roomFor(1);
  expect([mayGo("newcomer"), mayGo("a")]).toEqual([false, true]);
});

test("asked again, an attempt keeps its place", async () => {
  expect(join("a", "b", "a")).toEqual(["joined", "joined", "waits already"]);
  await advance(roomFor(1));
  expect(woken).toEqual(["a"]);
});

test("room that no worker comes for in time goes to the next", async () => {
  join("a", "b");
  await advance(roomFor(1));
  clock.advance(5_000);
  await turn();
  expect(woken).toEqual(["a", "b"]);
  expect([mayGo("a"), mayGo("b")]).toEqual([false, true]);
});

test("an attempt that is gone when it is woken leaves its room to the next", async () => {
  gone.add("a");
  join("a", "b");
  await advance(roomFor(1));
  await turn();
  expect(woken).toEqual(["a", "b"]);
});

test("where time makes room, somebody looks when it has come", async () => {
  room = roomFor(0, 3_000);
  join("a", "b");
  clock.advance(1_999);
  await turn();
  expect(woken).toEqual([]);
  room = roomFor(1, 4_000);
  clock.advance(1);
  await turn();
  expect(woken).toEqual(["a"]);
  room = roomFor(2, null);
  clock.advance(1_000);
  await turn();
  expect(woken).toEqual(["a", "b"]);
});

test.each([
  ["there is room for all", roomFor(Number.POSITIVE_INFINITY)],
  ["waiting is in vain", { count: 0, moreAt: null, exhausted: true }],
] as const)("where %s, all are woken", async (_what, next) => {
  join("a", "b", "c");
  await advance(next);
  await turn();
  expect(woken).toEqual(["a", "b", "c"]);
  expect(lines.waiting("k")).toBe(0);
});

test("an attempt waits in one line at a time", async () => {
  join("a", "b");
  lines.join("other", asker("a"));
  expect([lines.waiting("k"), lines.waiting("other")]).toEqual([1, 1]);
  await advance(roomFor(1));
  expect(woken).toEqual(["b"]);
});

test("under another policy everybody is decided again, once", async () => {
  join("a", "b");
  lines.dissolve();
  await turn();
  expect(woken).toEqual(["a", "b"]);
  clock.advance(60_000);
  await turn();
  expect(woken).toHaveLength(2);
});

test("a line is bounded: who finds no place asks again by itself", () => {
  for (let number = 0; number < waitersMax; number++) join(`w${number}`);
  expect(join("one too many", "w0")).toEqual(["full", "waits already"]);
  lines.leave(asker("w7"));
  expect(join("one too many")).toEqual(["joined"]);
});

test("stopped, it wakes nobody", async () => {
  room = roomFor(0, 2_000);
  join("a");
  lines.stop();
  room = roomFor(5);
  clock.advance(10_000);
  await turn();
  expect(woken).toEqual([]);
});
