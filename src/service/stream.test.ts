import { afterEach, beforeEach, expect, test } from "vitest";
import { minuteMs } from "../base/time.ts";
import { holdActivity } from "./approvals/approvals.test-kit.ts";
import { openCore, type TestCore, turn } from "./service.test-kit.ts";
import type { StreamEvent } from "./stream.ts";

let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(async () => {
  await core.stop();
  await core.store.close();
});

/** Subscribes, and reads nothing by itself. */
function subscribe(given: { after?: string; tooSlow?: () => void; namespace?: string } = {}) {
  const { after = null, tooSlow = () => {}, namespace = "default" } = given;
  const subscribed = core.stream.subscribe({ namespace, after, filter: () => true, tooSlow });
  if (!subscribed.ok) throw new Error(subscribed.error);
  return { ...subscribed.value, events: subscribed.value[Symbol.asyncIterator]() };
}
const next = async ({ events }: ReturnType<typeof subscribe>): Promise<StreamEvent | undefined> => {
  const { value, done } = await events.next();
  return done === true ? undefined : value;
};
/** Two events: a run is started, and schedules an activity. */
const happen = () => holdActivity(core).catch(() => {});

test("whoever reads too slowly is cut off, and the others are not", async () => {
  let cut = 0;
  const slow = subscribe({ tooSlow: () => cut++ });
  const quick = subscribe();
  for (let count = 0; count < 501; count++) {
    await happen();
    expect([(await next(quick))?.type, (await next(quick))?.type]).toEqual(["run.started", "activity.scheduled"]);
  }
  expect(cut).toBe(1);
  expect(await next(slow)).toBeUndefined();
});

test("what happened is kept for a while after the last one has left", async () => {
  const first = subscribe();
  await happen();
  const seen = await next(first);
  first.stop();
  await happen();
  core.clock.advance(5 * minuteMs - 1);
  const second = subscribe({ after: seen?.id ?? "" });
  expect([(await next(second))?.type, (await next(second))?.type]).toEqual(["activity.scheduled", "run.started"]);
  second.stop();
  core.clock.advance(5 * minuteMs);
  await turn();
  expect((await next(subscribe({ after: seen?.id ?? "" })))?.type).toBe("reset");
});

test.each(["", "x", "-", "epoch-1", "0-0"])("after %j, nobody knows what was missed", async (after) => {
  await happen();
  expect((await next(subscribe({ after })))?.type).toBe("reset");
});

test("an id from the future is none", async () => {
  const { id = "" } = (await next(subscribe({ after: "none" }))) ?? {};
  expect((await next(subscribe({ after: id.replace(/-\d+$/, "-7") })))?.type).toBe("reset");
});

test("a commit that fails did not happen", async () => {
  const watching = subscribe();
  const heal = core.store.fail();
  await happen();
  heal();
  await happen();
  expect((await next(watching))?.type).toBe("run.started");
  expect((await next(watching))?.type).toBe("activity.scheduled");
});

test("so many may watch, and each must name a namespace", () => {
  expect(core.stream.subscribe({ namespace: "nowhere", after: null, filter: () => true, tooSlow: () => {} })).toMatchObject({
    error: "no-such-namespace",
  });
  for (let count = 0; count < 256; count++) subscribe();
  expect(() => subscribe()).toThrow("too-many-streams");
});
