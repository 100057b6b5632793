import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { minuteMs } from "../../base/time.ts";
import { parsePolicy } from "../../governance/policy/policy.ts";
import { snapshotOf } from "../../governance/policy/snapshot.ts";
import { openCore, openTestStore, type TestStore, turn } from "../service.test-kit.ts";
import { complete, define, shown, shows, startRun, take } from "./dag.test-kit.ts";

// What waits or may not happen costs nothing but its rows.

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
/** What the process holds but for the database, which is native memory. */
async function heldBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await turn();
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const waitingCount = 2_000;
const startedAtOnce = 100;
/** Opens runs that wait for an approval, with a server that is gone when they do. The id of one of them. */
async function waitingRuns(store: TestStore, count: number): Promise<string> {
  const core = await openCore({ store });
  const asks = await define(core, "id: asks\nsteps:\n  a: { type: approval }\n");
  const ids: string[] = [];
  while (ids.length < count) ids.push(...(await Promise.all(Array.from({ length: startedAtOnce }, () => startRun(core, asks)))));
  for (const id of ids) await shows(core, id, ({ status }) => status === "waiting");
  await core.stop();
  return ids[0] ?? "";
}

/** What a server holds that has just begun, and has looked once at all that may come due. */
async function costOfCore(store: TestStore): Promise<number> {
  const before = await heldBytes();
  const core = await openCore({ store });
  core.clock.advance(3 * minuteMs);
  const bytes = (await heldBytes()) - before;
  await core.stop();
  return bytes;
}

test("a run that waits for an approval holds no memory beyond its row", async () => {
  const store = await openTestStore();
  // The first time, what is loaded once counts as well.
  await costOfCore(store);
  const empty = await costOfCore(store);
  const first = await waitingRuns(store, waitingCount);
  const bytesEach = ((await costOfCore(store)) - empty) / waitingCount;
  process.stdout.write(`a run that waits for an approval holds ${bytesEach.toFixed(0)} bytes\n`);
  expect(bytesEach).toBeLessThan(256);

  const again = await openCore({ store });
  expect((await shown(again, first)).view.status).toBe("waiting");
  const page = await again.approvals.list({ namespace: "default", all: false, workflowId: first, after: null, limit: 10 });
  const [approval] = page.ok ? page.value.approvals : [];
  const vote = {
    voter: { id: "ann", kind: "human", roles: [] },
    verdict: "grant",
    reason: "",
    jobHash: null,
    policySnapshot: null,
  } as const;
  expect(await again.approvals.vote({ namespace: "default", id: approval?.id ?? "" }, vote)).toMatchObject({ ok: true });
  await shows(again, first, ({ status }) => status === "succeeded");
  await again.stop();
  await store.close();
});

test("a denied step costs no worker: who polls for it waits on, and nothing is in line", async () => {
  const core = await openCore();
  const { policy } = parsePolicy(
    "default_decision: allow\nrules:\n  - { id: never, match: { risk_tags: [forbidden] }, decision: deny, reason: no }\n",
  );
  if (policy === null) throw new Error("the policy is wrong");
  core.kernel.enforce(snapshotOf([{ id: "test", policy }]));
  const polled = take(core, "job.work");
  const forbidden = await define(
    core,
    "id: forbidden\nsteps:\n  a: { topic: job.work, risk_tags: [forbidden], retries: { max_attempts: 5, backoff_ms: 0 } }\n",
  );
  for (let count = 0; count < 20; count++) {
    const runId = await startRun(core, forbidden);
    const { steps } = await shows(core, runId, ({ status }) => status === "denied");
    expect(steps.a).toMatchObject({ status: "denied", attempts: 1 });
  }
  expect(await core.store.readQueues()).toEqual([]);

  const allowed = await startRun(core, await define(core, "id: allowed\nsteps:\n  a: { topic: job.work }\n"));
  const job = await polled;
  expect(job.task.workflowExecution?.workflowId).toBe(allowed);
  await complete(core, job);
  await shows(core, allowed, ({ status }) => status === "succeeded");
  await core.stop();
  await core.store.close();
});
