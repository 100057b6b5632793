import { Client } from "@temporalio/client";
import { expect, test } from "vitest";
import { noQuotas } from "../../src/access/quota.ts";
import { setup, unique } from "./kit.ts";
import { ends, waits } from "./workflows/visibility.ts";

// What the published SDK notices of other namespaces, and of the quotas of its own.

const compat = setup({
  workflows: "visibility",
  server: {
    namespaces: ["default", "noisy", "small", "slow"].map((name) => ({ name, retention: null })),
    quotas: { ...noQuotas, namespaces: { small: { openRuns: 1 }, slow: { requestsPerSecond: 1, requestBurst: 1 } } },
  },
});
const clientOf = (namespace: string) => new Client({ connection: compat.client.connection, namespace });
const startIn = (namespace: string) => clientOf(namespace).workflow.start(waits, { workflowId: unique("waits"), taskQueue: "nobody" });

/** A quiet machine needs some milliseconds for each. */
const boundMs = 10_000;

test("a flood of starts in one namespace leaves another one's workflows their turn", async () => {
  let flooding = true;
  const lane = async (): Promise<number> => {
    let started = 0;
    for (; flooding; started++) await startIn("noisy");
    return started;
  };
  const lanes = Array.from({ length: 50 }, lane);
  const began = performance.now();
  for (let count = 0; count < 10; count++) await (await compat.start(ends, { args: ["well"] })).result();
  const took = performance.now() - began;
  flooding = false;
  const started = (await Promise.all(lanes)).reduce((sum, count) => sum + count, 0);
  expect(started).toBeGreaterThan(0);
  expect(took).toBeLessThan(boundMs);
});

test("a start that finds no room is tried again by the SDK, and goes through once a run has closed", async () => {
  const first = await startIn("small");
  const second = startIn("small");
  await first.terminate();
  expect((await (await second).describe()).status.name).toBe("RUNNING");
});

test("requests beyond the rate are tried again by the SDK, and answered in time", async () => {
  const ask = () => compat.client.workflowService.describeNamespace({ namespace: "slow" });
  const began = performance.now();
  await Promise.all([ask(), ask(), ask()]);
  // One at once, and one a second.
  expect(performance.now() - began).toBeGreaterThan(900);
});
