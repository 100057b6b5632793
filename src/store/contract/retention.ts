import { expect, test } from "vitest";
import type { RunKey, Store } from "../store.ts";
import { approval } from "./approvals.ts";
import { ledgerEntry } from "./ledger.ts";
import { batch, change, committed, creation, entry, everythingOf, item, loaded, runKey, task, visibility } from "./material.ts";
import { filledShelf } from "./shelf.ts";

export function retentionContract(fresh: () => Promise<Store>): void {
  test("closed runs are read oldest first, open ones never", async () => {
    const store = await fresh();
    await filledShelf(store);
    const closed = async (until: number, limit = 10) =>
      (await store.readClosedRuns("namespace", until, limit)).map(({ workflowId }) => workflowId).join("");
    expect(await closed(7_999)).toBe("");
    expect((await closed(8_000)).split("").toSorted().join("")).toBe("de");
    expect((await closed(Number.MAX_SAFE_INTEGER)).at(-1)).toBe("c");
    expect(await closed(Number.MAX_SAFE_INTEGER)).toHaveLength(3);
    expect(await closed(9_000, 2)).toHaveLength(2);
  });

  test("a deleted run leaves nothing behind, and its neighbours alone", async () => {
    const store = await fresh();
    const runs = [runKey(1), runKey(2), runKey(3)];
    for (const run of runs) {
      await committed(store, {
        runs: [
          creation(run, {
            putItems: [item(1, "a")],
            history: [batch(1, 2)],
            wakeAt: 1,
            visibility: visibility({}),
            becomeCurrent: { expectedRunId: null },
          }),
        ],
        putTasks: [task(run, {})],
        putOutbox: [entry(run, { order: 1 + runs.indexOf(run) })],
        putApprovals: [approval(run, run.workflowId)],
        ledger: [ledgerEntry(1, { runId: run.runId })],
      });
    }
    const before = await everythingOf(store);
    const deleted = runKey(2);
    await store.deleteRuns([deleted, runKey(99)]);
    const isKept = (key: RunKey): boolean => key.runId !== deleted.runId;
    expect(await everythingOf(store)).toEqual({
      ...before,
      runs: before.runs.filter(({ key }) => isKept(key)),
      tasks: before.tasks.filter(({ run }) => isKept(run)),
      wakes: before.wakes.filter(({ key }) => isKept(key)),
      outbox: before.outbox.filter(({ run }) => isKept(run)),
      approvals: before.approvals.filter(({ run }) => isKept(run)),
      listed: before.listed.filter((workflowId) => workflowId !== deleted.workflowId),
    });
    expect(await store.loadRun(deleted)).toBeNull();
    expect(await store.currentRunId(deleted)).toBeNull();
    // The place is free again.
    expect(
      await store.commit([change({ runs: [creation(deleted, { history: [batch(1, 1)], becomeCurrent: { expectedRunId: null } })] })]),
    ).toEqual(["committed"]);
    expect(await loaded(store, deleted)).toEqual({ version: 1, core: "core", items: [] });
  });

  test("the current run stays when an older one is deleted", async () => {
    const store = await fresh();
    const [older, newer] = [runKey(1, "w"), runKey(2, "w")];
    await committed(store, { runs: [creation(older, { becomeCurrent: { expectedRunId: null } })] });
    await committed(store, { runs: [creation(newer, { becomeCurrent: { expectedRunId: older.runId } })] });
    await store.deleteRuns([older]);
    expect(await store.currentRunId(older)).toBe(newer.runId);
  });

  test("the size is that of what is stored", async () => {
    const store = await fresh();
    await committed(store, { runs: [creation(runKey(1), { core: new Uint8Array(1_000_000) })] });
    expect(await store.sizeBytes()).toBeGreaterThan(1_000_000);
  });
}
