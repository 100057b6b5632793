import { describe, expect, test } from "vitest";
import { change, creation, runKey } from "../store/contract/material.ts";
import type { Change, ChangeOutcome } from "../store/store.ts";
import { changesPerCommitMax } from "../store/store.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { createCommitter } from "./committer.ts";
import { openTestStore, turn } from "./service.test-kit.ts";

/** A committer over a store that notes how many changes each transaction held. */
async function open() {
  const store = await openTestStore();
  const groups: number[] = [];
  const commit = async (changes: readonly Change[]): Promise<readonly ChangeOutcome[]> => {
    groups.push(changes.length);
    return store.commit(changes);
  };
  return { store, groups, committer: createCommitter({ store: { commit }, metrics: createMetrics() }) };
}
const start = (number: number) => change({ runs: [creation(runKey(number))] });

test("changes of one turn share one transaction", async () => {
  const { committer, groups } = await open();
  await Promise.all([1, 2, 3].map((number) => committer.commit(start(number))));
  expect(groups).toEqual([3]);
});

test("those that come while it is written share the next", async () => {
  const { store, committer, groups } = await open();
  const release = store.hold();
  const first = committer.commit(start(1));
  await turn();
  const later = [2, 3].map((number) => committer.commit(start(number)));
  await turn();
  expect(groups).toEqual([1]);
  release();
  await Promise.all([first, ...later]);
  expect(groups).toEqual([1, 2]);
});

test("a group is bounded", async () => {
  const { committer, groups } = await open();
  await Promise.all(Array.from({ length: changesPerCommitMax + 1 }, (_, number) => committer.commit(start(number))));
  expect(groups).toEqual([changesPerCommitMax, 1]);
});

describe("each change has its own outcome", () => {
  test("one that lost a race leaves the others of its group alone", async () => {
    const { committer } = await open();
    expect(await Promise.all([start(1), start(1), start(2)].map(committer.commit))).toEqual(["committed", "conflict", "committed"]);
  });

  test("when the store fails nothing of the group is written, and all hear of it; the next group is tried", async () => {
    const { store, committer } = await open();
    const repair = store.fail();
    const failed = await Promise.allSettled([start(1), start(2)].map(committer.commit));
    expect(failed).toMatchObject([
      { status: "rejected", reason: { message: "disk full" } },
      { status: "rejected", reason: { message: "disk full" } },
    ]);
    repair();
    expect(await committer.commit(start(1))).toBe("committed");
  });
});

test("idle: everything handed in is settled", async () => {
  const { store, committer } = await open();
  await committer.idle();
  const release = store.hold();
  let settled = false;
  void committer.commit(start(1)).then(() => {
    settled = true;
  });
  const idle = committer.idle();
  release();
  await idle;
  expect(settled).toBe(true);
});
