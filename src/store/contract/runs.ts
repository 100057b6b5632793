import { expect, test } from "vitest";
import { changesPerCommitMax, type RunKey, type Store } from "../store.ts";
import {
  batch,
  bytes,
  change,
  committed,
  creation,
  entry,
  everythingOf,
  item,
  listed,
  loaded,
  runKey,
  task,
  update,
  visibility,
} from "./material.ts";
import { compare } from "./shelf.ts";

export function runsContract(fresh: () => Promise<Store>): void {
  test("a run is read back as it was written, one version up with each write", async () => {
    const store = await fresh();
    const run = runKey(1);
    expect(await store.loadRun(run)).toBeNull();
    await committed(store, { runs: [creation(run, { core: bytes("one"), putItems: [item(2, "b", "x"), item(1, "a", "y")] })] });
    expect(await loaded(store, run)).toEqual({ version: 1, core: "one", items: ["1/a=y", "2/b=x"] });
    await committed(store, {
      runs: [update(run, 1, { core: bytes("two"), putItems: [item(1, "a", "z")], deleteItems: [{ kind: 2, id: "b" }] })],
    });
    expect(await loaded(store, run)).toEqual({ version: 2, core: "two", items: ["1/a=z"] });
  });

  test("a run id that is no UUID is as good", async () => {
    const store = await fresh();
    const run = { ...runKey(1), runId: "a run" };
    await committed(store, {
      runs: [creation(run, { visibility: visibility({ rootRunId: "a run" }), becomeCurrent: { expectedRunId: null } })],
    });
    expect(await store.currentRunId(run)).toBe("a run");
    expect(await store.readRuns("", 10)).toEqual([run]);
    expect(await listed(store, compare("RunId", "=", "a run"))).toEqual([run.workflowId]);
  });

  test.each([
    // stored version, expected by the write → outcome
    [0, 0, "committed"],
    [0, 1, "conflict"],
    [1, 0, "conflict"],
    [1, 1, "committed"],
    [1, 2, "conflict"],
    [2, 1, "conflict"],
    [2, 2, "committed"],
  ] as const)("at version %i, a write decided on %i → %s", async (stored, expectedVersion, outcome) => {
    const store = await fresh();
    const run = runKey(1);
    for (let version = 0; version < stored; version++) await committed(store, { runs: [update(run, version)] });
    expect(await store.commit([change({ runs: [update(run, expectedVersion)] })])).toEqual([outcome]);
    expect((await store.loadRun(run))?.version ?? 0).toBe(outcome === "committed" ? stored + 1 : stored);
  });

  test("a run is found only under its own workflow id and namespace", async () => {
    const store = await fresh();
    const run = runKey(1);
    await committed(store, { runs: [creation(run, { history: [batch(1, 1)] })] });
    for (const other of [
      { ...run, namespaceId: "other" },
      { ...run, workflowId: "other" },
    ]) {
      expect(await store.loadRun(other)).toBeNull();
      expect(await store.readHistory(other, { fromEventId: 1, toEventId: 9, eventsMax: 9 })).toEqual([]);
      expect(await store.commit([change({ runs: [update(other, 1)] })])).toEqual(["conflict"]);
      expect(await store.commit([change({ runs: [update(other, 0)] })])).toEqual(["conflict"]);
    }
  });

  test("a change that conflicts in one part leaves nothing behind, and the others of the call stand", async () => {
    const store = await fresh();
    const [stale, fine, before, after] = [runKey(1), runKey(2), runKey(3), runKey(4)];
    await committed(store, { runs: [creation(stale)] });
    const outcomes = await store.commit([
      change({ runs: [creation(before)] }),
      change({
        runs: [
          creation(fine, {
            putItems: [item(1, "a")],
            history: [batch(1, 1)],
            wakeAt: 1,
            visibility: visibility({}),
            becomeCurrent: { expectedRunId: null },
          }),
          update(stale, 7),
        ],
        putTasks: [task(stale, {})],
        putOutbox: [entry(stale, {})],
      }),
      change({ runs: [creation(after)] }),
    ]);
    expect(outcomes).toEqual(["committed", "conflict", "committed"]);
    expect(await store.loadRun(fine)).toBeNull();
    expect(await store.currentRunId(fine)).toBeNull();
    expect((await everythingOf(store)).runs.map(({ key }) => key)).toEqual([stale, before, after]);
    expect([await store.readQueues(), await store.readOutbox(0, 9), await store.readWakes(9, null, 9)]).toEqual([[], [], []]);
    expect(await listed(store, null)).toEqual([]);
  });

  test("later changes of one call see the earlier ones", async () => {
    const store = await fresh();
    const run = runKey(1);
    expect(
      await store.commit([change({ runs: [creation(run)] }), change({ runs: [update(run, 1)] }), change({ runs: [update(run, 1)] })]),
    ).toEqual(["committed", "committed", "conflict"]);
  });

  test("an empty call and a call of the largest size are carried out, a larger one is not", async () => {
    const store = await fresh();
    expect(await store.commit([])).toEqual([]);
    const changes = Array.from({ length: changesPerCommitMax }, (_, index) => change({ runs: [creation(runKey(index))] }));
    expect(new Set(await store.commit(changes))).toEqual(new Set(["committed"]));
    await expect(store.commit([...changes, change({})])).rejects.toThrow();
  });

  test("the current run changes hands only from the one that was expected", async () => {
    const store = await fresh();
    const [first, second, third] = [runKey(1, "w"), runKey(2, "w"), runKey(3, "w")];
    expect(await store.currentRunId(first)).toBeNull();
    const become = (run: RunKey, expectedRunId: string | null) =>
      store.commit([change({ runs: [creation(run, { becomeCurrent: { expectedRunId } })] })]);
    expect(await become(first, second.runId)).toEqual(["conflict"]);
    expect(await become(first, null)).toEqual(["committed"]);
    expect(await become(second, null)).toEqual(["conflict"]);
    expect(await become(second, third.runId)).toEqual(["conflict"]);
    expect(await store.currentRunId(first)).toBe(first.runId);
    expect(await become(second, first.runId)).toEqual(["committed"]);
    expect(await store.currentRunId(first)).toBe(second.runId);
    expect(await store.currentRunId({ namespaceId: "other", workflowId: "w" })).toBeNull();
    await committed(store, { runs: [update(first, 1, { becomeCurrent: { expectedRunId: second.runId } })] });
    expect(await store.currentRunId(first)).toBe(first.runId);
  });

  test("all runs are read by run id, in pages", async () => {
    const store = await fresh();
    const runs = [runKey(3), runKey(1), runKey(2)];
    await committed(store, { runs: runs.map((run) => creation(run)) });
    expect(await store.readRuns("", 2)).toEqual([runKey(1), runKey(2)]);
    expect(await store.readRuns(runKey(2).runId, 2)).toEqual([runKey(3)]);
  });
}
