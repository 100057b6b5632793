import { expect, test } from "vitest";
import { dayMs, hourMs, minuteMs } from "../base/time.ts";
import type { RunKey } from "../execution/execution.ts";
import { make } from "../protocol/codec.ts";
import { Namespace } from "../protocol/generated/holdfast/state/v1/namespace.ts";
import { WorkflowExecutionStatus } from "../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { change, creation, runKey, visibility } from "../store/contract/material.ts";
import { silentLog } from "../telemetry/log.ts";
import { createNamespaces } from "./namespaces.ts";
import { deleteExpired, startRetention } from "./retention.ts";
import { accepted, eventually, manualClock, openTestStore } from "./service.test-kit.ts";

/** Two namespaces: what closed in `short` stays for an hour, in `long` for a day. */
async function open() {
  const store = await openTestStore();
  const clock = manualClock();
  let ids = 0;
  const namespaces = createNamespaces({ store, clock, newId: () => `id-${++ids}` });
  const short = accepted(await namespaces.create({ name: "short", body: make(Namespace, { retention: hourMs }) }, null)).id;
  const long = accepted(await namespaces.create({ name: "long", body: make(Namespace, { retention: dayMs }) }, null)).id;
  const forgotten: RunKey[] = [];
  const deps = { store, clock, namespaces, runs: { forget: (keys: readonly RunKey[]) => forgotten.push(...keys) } };
  return {
    ...deps,
    deps: { ...deps, runs: { forget: (keys: readonly RunKey[]) => void forgotten.push(...keys) } },
    forgotten,
    short,
    long,
    /** A run that closed now, or is open. */
    put: (namespaceId: string, number: number, closed = true) =>
      store.commit([
        change({
          runs: [
            creation(
              { ...runKey(number), namespaceId },
              { visibility: visibility(closed ? { status: WorkflowExecutionStatus.COMPLETED, closeTime: clock.now() } : {}) },
            ),
          ],
        }),
      ]),
    left: async () => (await store.readRuns("", 1_000)).map(({ workflowId }) => workflowId),
  };
}

test("closed runs are deleted when the retention of their namespace is over; open ones never", async () => {
  const { deps, clock, put, left, short, long, forgotten } = await open();
  await put(short, 1);
  await put(short, 2, false);
  await put(long, 3);
  clock.advance(hourMs - 1);
  expect(await deleteExpired(deps)).toBe(0);
  clock.advance(1);
  expect(await deleteExpired(deps)).toBe(1);
  expect(await left()).toEqual(["workflow-2", "workflow-3"]);
  expect(forgotten.map(({ workflowId }) => workflowId)).toEqual(["workflow-1"]);
  clock.advance(dayMs);
  await deleteExpired(deps);
  expect(await left()).toEqual(["workflow-2"]);
});

test("more than one batch of them in one pass", async () => {
  const { deps, clock, put, left, short } = await open();
  for (let number = 1; number <= 450; number++) await put(short, number);
  clock.advance(hourMs);
  expect(await deleteExpired(deps)).toBe(450);
  expect(await left()).toEqual([]);
});

test("also in a namespace that was deleted", async () => {
  const { deps, clock, namespaces, put, left, short } = await open();
  await put(short, 1);
  await namespaces.retire("short", null);
  clock.advance(hourMs);
  await deleteExpired(deps);
  expect(await left()).toEqual([]);
});

test("a pass runs every minute, until it is stopped", async () => {
  const { deps, clock, put, left, short } = await open();
  const stop = startRetention({
    ...deps,
    idempotency: { deleteExpired: async () => 0 },
    artifacts: { deleteExpired: async () => 0 },
    log: silentLog,
  });
  await put(short, 1);
  clock.advance(hourMs);
  let names: readonly string[] = ["workflow-1"];
  await eventually(() => {
    clock.advance(minuteMs);
    void left().then((found) => {
      names = found;
    });
    return names.length === 0;
  });
  stop();
  await put(short, 2);
  clock.advance(dayMs);
  expect(await left()).toEqual(["workflow-2"]);
});
