import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { approval, approvalsContract } from "./contract/approvals.ts";
import { document, documentsContract } from "./contract/documents.ts";
import { dueWorkContract } from "./contract/due-work.ts";
import { historyContract } from "./contract/history.ts";
import { ledgerContract, ledgerEntry } from "./contract/ledger.ts";
import { holding, limits, limitsContract } from "./contract/limits.ts";
import {
  batch,
  bytes,
  change,
  committed,
  creation,
  entry,
  everythingOf,
  item,
  runKey,
  task,
  update,
  visibility,
} from "./contract/material.ts";
import { anySteps, checkAgainstModel } from "./contract/model.ts";
import { namespacesContract } from "./contract/namespaces.ts";
import { retentionContract } from "./contract/retention.ts";
import { runsContract } from "./contract/runs.ts";
import { visibilityContract } from "./contract/visibility.ts";
import type { Store } from "./store.ts";

/**
 * The promises of the store port, as tests that every adapter passes.
 * `open` gives an empty store. `reopen` closes it and opens the same data again; absent for a store that keeps none.
 */
export function storeContract(name: string, open: () => Promise<Store>, reopen?: (store: Store) => Promise<Store>): void {
  describe(`store contract: ${name}`, () => {
    let opened: Store[] = [];
    afterEach(async () => {
      await Promise.all(opened.map((store) => store.close()));
      opened = [];
    });
    const fresh = async (): Promise<Store> => {
      const store = await open();
      opened.push(store);
      return store;
    };

    describe("runs", () => runsContract(fresh));
    describe("history", () => historyContract(fresh));
    describe("tasks, wakes and outbox", () => dueWorkContract(fresh));
    describe("visibility", () => visibilityContract(fresh));
    describe("namespaces", () => namespacesContract(fresh));
    describe("approvals", () => approvalsContract(fresh));
    describe("documents", () => documentsContract(fresh));
    describe("ledger", () => ledgerContract(fresh));
    describe("limits", () => limitsContract(fresh));
    describe("retention", () => retentionContract(fresh));

    test("any sequence of commits leaves what a model of it holds", async () => {
      await fc.assert(
        fc.asyncProperty(anySteps, async (steps) => {
          const store = await open();
          try {
            await checkAgainstModel(store, steps);
          } finally {
            await store.close();
          }
        }),
        { numRuns: 40 },
      );
    });

    // A store that lives in memory keeps nothing past its end.
    if (reopen === undefined) return;
    test("opened again, it holds what it held", async () => {
      const before = await open();
      const run = runKey(1);
      await committed(before, {
        runs: [
          creation(run, { putItems: [item(1, "a", "kept")], history: [batch(1, 2, "events")], wakeAt: 5_000, visibility: visibility({}) }),
        ],
        putTasks: [task(run, {})],
        putOutbox: [entry(run, {})],
        putApprovals: [approval(run, "approval")],
        putDocuments: [document("document")],
        ledger: [ledgerEntry(1), ledgerEntry(2, { namespaceId: "other", runId: run.runId })],
        ...limits({ putHoldings: [holding(run)], spend: [{ id: "budget", windowStart: 0, spent: 1.5 }] }),
      });
      await before.putNamespace({ id: "n", name: "default", version: 1, body: bytes("n") }, []);
      const held = await everythingOf(before);
      const after = await reopen(before);
      opened.push(after);
      expect(await everythingOf(after)).toEqual(held);
      expect(await after.commit([change({ runs: [update(run, 1)] })])).toEqual(["committed"]);
    });
  });
}
