import { afterEach, describe, expect, test, vi } from "vitest";
import { command, completeRun, startChild, startTestRun } from "../execution/execution.test-kit.ts";
import type { Effect } from "../execution/execution.ts";
import { ParentClosePolicy } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { change, creation, runKey } from "../store/contract/material.ts";
import type { OutboxEntry, OutboxKey } from "../store/store.ts";
import { silentLog } from "../telemetry/log.ts";
import { eventually, openTestStore, turn } from "./service.test-kit.ts";
import { createTransfer } from "./transfer.ts";

/** Transfer over a store in memory; what it carries out is noted, and then up to the test. */
async function open(carryOut: (key: OutboxKey, effect: Effect) => Promise<void> = async () => {}) {
  const store = await openTestStore();
  const carried: Effect[] = [];
  const make = () =>
    createTransfer({
      store,
      log: silentLog,
      carryOut: async (key, effect) => {
        carried.push(effect);
        await carryOut(key, effect);
      },
    });
  return { store, carried, transfer: make(), restart: make };
}
const signalOther = command("signalExternalWorkflowExecution", { execution: { workflowId: "other", runId: "" }, signalName: "go" });

/** A transition with effects on other runs. */
function draftWith(...commands: Parameters<ReturnType<typeof startTestRun>["step"]>[0] & object) {
  const run = startTestRun();
  run.step(commands);
  return run.last;
}
const kindsOf = (effects: readonly Effect[]) => effects.map(({ kind }) => kind);

afterEach(() => {
  vi.useRealTimers();
});

test("effects are stored with their transition and read back as they were", async () => {
  const { transfer, carried } = await open();
  const draft = draftWith(
    startChild("child-1"),
    signalOther,
    command("requestCancelExternalWorkflowExecution", { workflowId: "other" }),
    completeRun,
  );
  const entries = transfer.encode(draft);
  expect(entries.map(({ kind, id }) => [kind, id])).toEqual([
    [1, 5],
    [2, 6],
    [3, 7],
    [5, 5],
  ]);
  expect(carried).toEqual([]);
  transfer.added(entries);
  await turn();
  expect(carried).toEqual(draft.effects);
});

test("an abandoned child is left alone when its parent closes", async () => {
  const { transfer } = await open();
  const draft = draftWith(startChild("child-1", { parentClosePolicy: ParentClosePolicy.ABANDON }), completeRun);
  expect(kindsOf(draft.effects)).toEqual(["start-child", "close-child"]);
  expect(transfer.encode(draft).map(({ kind }) => kind)).toEqual([1]);
});

test("they keep their order, also between transitions", async () => {
  const { transfer } = await open();
  const orders = [1, 2].flatMap(() => transfer.encode(draftWith(signalOther, signalOther))).map(({ order }) => order);
  expect(orders).toEqual([...orders].sort((a, b) => a - b));
  expect(new Set(orders).size).toBe(4);
});

describe("an effect that fails", () => {
  test("is tried again a second later, until it is carried out", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let failures = 2;
    const { transfer, carried } = await open(async () => {
      if (failures-- > 0) throw new Error("disk full");
    });
    transfer.added(transfer.encode(draftWith(signalOther)));
    for (const times of [1, 2, 3]) {
      await turn();
      expect(carried).toHaveLength(times);
      vi.advanceTimersByTime(1_000);
    }
    await turn();
    expect(carried).toHaveLength(3);
    expect(transfer.idle).toBe(true);
  });

  test("is still to be done until then", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { transfer } = await open(() => Promise.reject(new Error("disk full")));
    expect(transfer.idle).toBe(true);
    transfer.added(transfer.encode(draftWith(signalOther)));
    expect(transfer.idle).toBe(false);
    await turn();
    expect(transfer.idle).toBe(false);
  });
});

test("so many are carried out at one time; the others wait", async () => {
  const done: (() => void)[] = [];
  const { transfer, carried } = await open(() => new Promise((resolve) => done.push(resolve)));
  transfer.added(transfer.encode(draftWith(...Array.from({ length: 65 }, () => signalOther))));
  expect(carried).toHaveLength(64);
  done[0]?.();
  await turn();
  expect(carried).toHaveLength(65);
});

test("what a process that died left is carried out by the next", async () => {
  const { store, transfer, carried, restart } = await open();
  const key = runKey(1);
  const entries = transfer
    .encode(draftWith(...Array.from({ length: 1_100 }, () => signalOther)))
    .map((entry): OutboxEntry => ({ ...entry, run: key }));
  await store.commit([change({ runs: [creation(key)], putOutbox: entries })]);
  await restart().recover();
  await eventually(() => carried.length === 1_100);
});

test("stopped, nothing more is begun", async () => {
  const { transfer, carried } = await open();
  transfer.stop();
  transfer.added(transfer.encode(draftWith(signalOther)));
  await turn();
  expect(carried).toEqual([]);
});
