import { expect, test } from "vitest";
import type { LimitsChange, RunKey, Store, StoredHolding } from "../store.ts";
import { bytes, change, committed, creation, runKey, text } from "./material.ts";

export const holding = (run: RunKey, scheduledEventId = 5, body = "held"): StoredHolding => ({ run, scheduledEventId, body: bytes(body) });

export const limits = (given: Partial<LimitsChange>): { readonly limits: LimitsChange } => ({
  limits: { putHoldings: [], deleteHoldings: [], spend: [], forgetBudgets: [], ...given },
});

export function limitsContract(fresh: () => Promise<Store>): void {
  const held = async (store: Store, after: StoredHolding | null = null, limit = 10): Promise<readonly string[]> =>
    (await store.readHoldings(after, limit)).map(
      ({ run, scheduledEventId, body }) => `${run.workflowId} ${scheduledEventId} ${text(body)}`,
    );
  const spent = async (store: Store, afterId = "", limit = 10): Promise<readonly string[]> =>
    (await store.readBudgets(afterId, limit)).map(({ id, windowStart, spent: amount }) => `${id} ${windowStart} ${amount}`);
  const spend = (id: string, windowStart: number, amount: number) => limits({ spend: [{ id, windowStart, spent: amount }] });

  test("holdings are read by run and event, in pages; putting replaces, deleting twice does no harm", async () => {
    const store = await fresh();
    const [one, two] = [runKey(1), runKey(2)];
    await committed(store, {
      runs: [creation(one), creation(two)],
      ...limits({ putHoldings: [holding(two), holding(one, 9), holding(one, 5)] }),
    });
    await committed(store, limits({ putHoldings: [holding(one, 9, "again")] }));
    expect(await held(store)).toEqual(["workflow-1 5 held", "workflow-1 9 again", "workflow-2 5 held"]);
    expect(await held(store, null, 1)).toEqual(["workflow-1 5 held"]);
    expect(await held(store, holding(one, 5), 1)).toEqual(["workflow-1 9 again"]);
    expect(await held(store, holding(one, 9))).toEqual(["workflow-2 5 held"]);
    for (let times = 0; times < 2; times++) await committed(store, limits({ deleteHoldings: [holding(one, 9), holding(runKey(99))] }));
    expect(await held(store)).toEqual(["workflow-1 5 held", "workflow-2 5 held"]);
  });

  test("a holding of a run that is not there is a conflict; one of a deleted run is gone", async () => {
    const store = await fresh();
    const run = runKey(1);
    expect(await store.commit([change({ ...spend("b", 0, 1), ...limits({ putHoldings: [holding(run)] }) })])).toEqual(["conflict"]);
    await committed(store, { runs: [creation(run)], ...limits({ putHoldings: [holding(run)] }) });
    await store.deleteRuns([run]);
    expect(await held(store)).toEqual([]);
    expect(await spent(store)).toEqual([]);
  });

  test("spending adds up in its window; a later window begins anew, an earlier one is over", async () => {
    const store = await fresh();
    for (const [windowStart, amount] of [
      [1_000, 2.5],
      [1_000, 1.25],
      [0, 100],
    ] as const)
      await committed(store, spend("daily", windowStart, amount));
    expect(await spent(store)).toEqual(["daily 1000 3.75"]);
    await committed(store, spend("daily", 2_000, 1));
    expect(await spent(store)).toEqual(["daily 2000 1"]);
  });

  test("budgets are read by id, in pages; one that is forgotten begins anew", async () => {
    const store = await fresh();
    for (const id of ["c", "a", "b"]) await committed(store, spend(id, 0, 1));
    expect(await spent(store, "", 2)).toEqual(["a 0 1", "b 0 1"]);
    expect(await spent(store, "b")).toEqual(["c 0 1"]);
    await committed(store, limits({ forgetBudgets: ["a", "unknown"] }));
    await committed(store, spend("a", 0, 7));
    expect(await spent(store, "", 1)).toEqual(["a 0 7"]);
  });

  test("what a change in conflict would have spent is not spent", async () => {
    const store = await fresh();
    const run = runKey(1);
    await committed(store, { runs: [creation(run)] });
    expect(await store.commit([change({ runs: [creation(run)], ...spend("b", 0, 5) })])).toEqual(["conflict"]);
    expect(await spent(store)).toEqual([]);
  });
}
