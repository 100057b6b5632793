import { afterEach, describe, expect, test } from "vitest";
import { openCore, openTestStore, type TestCore, turn } from "../service.test-kit.ts";
import { ada, agreed, complete, define, type Job, shown, shows, startRun, take } from "./dag.test-kit.ts";

const limited = (max: number): string => `id: few\nmax_concurrent_runs: ${max}\nsteps:\n  work: { topic: job.work }\n`;

let core: TestCore;
afterEach(() => core.stop());

const statuses = async (runs: readonly string[]): Promise<readonly string[]> =>
  Promise.all(runs.map(async (runId) => (await shown(core, runId)).view.status));

/** Lets everything happen that needs nobody. */
async function quiet(): Promise<void> {
  for (let turns = 0; turns < 200; turns++) await turn();
}

/** The run that a job belongs to. */
const runOf = ({ task }: Job): string => task.workflowExecution?.workflowId ?? "";

describe("a workflow with `max_concurrent_runs`", () => {
  test("has so many open, and the others wait in their order", async () => {
    core = await openCore();
    await define(core, limited(2));
    const runs: string[] = [];
    for (const order of [1, 2, 3, 4]) runs.push(await startRun(core, "few", { order }));
    await quiet();
    expect(await statuses(runs)).toEqual(["running", "running", "pending", "pending"]);
    expect((await shown(core, runs[2] ?? "")).view).toMatchObject({ id: runs[2], input: { order: 3 }, started_at: null });
    await complete(core, await take(core, "job.work"));
    await shows(core, runs[2] ?? "", ({ status }) => status === "running");
    expect(await statuses(runs)).toEqual(["succeeded", "running", "running", "pending"]);
  });

  test("is exact under 50 starts at one time, and all of them end", async () => {
    core = await openCore();
    await define(core, limited(3));
    const runs = await Promise.all(Array.from({ length: 50 }, (_, order) => startRun(core, "few", { order })));
    let most = 0;
    for (let done = 0; done < runs.length; done++) {
      const job = await take(core, "job.work");
      const open = (await statuses(runs)).filter((status) => status === "running" || status === "waiting").length;
      most = Math.max(most, open);
      await complete(core, job);
    }
    for (const runId of runs) await shows(core, runId, ({ status }) => status === "succeeded");
    expect(most).toBe(3);
  });

  test("goes on with those in line after the server was started again", async () => {
    const store = await openTestStore();
    core = await openCore({ store });
    await define(core, limited(1));
    const runs: string[] = [];
    for (const order of [1, 2, 3]) {
      runs.push(await startRun(core, "few", { order }));
      core.clock.advance(1);
    }
    await quiet();
    await core.stop();
    core = await openCore({ store });
    await quiet();
    expect(await statuses(runs)).toEqual(["running", "pending", "pending"]);
    for (const runId of runs) {
      const job = await take(core, "job.work");
      expect(runOf(job)).toBe(runId);
      await complete(core, job);
      await shows(core, runId, ({ status }) => status === "succeeded");
    }
  });

  test.each([
    ["cancelled", (runId: string) => core.dag.runs.cancel(ada, runId, "not needed")],
    ["terminated", (runId: string) => core.dag.runs.terminate(ada, runId, "not needed")],
  ])("one in line that is %s takes no slot and leaves none", async (_, end) => {
    core = await openCore();
    await define(core, limited(1));
    const runs: string[] = [];
    for (const order of [1, 2, 3]) runs.push(await startRun(core, "few", { order }));
    await quiet();
    agreed(await end(runs[1] ?? ""));
    await shows(core, runs[1] ?? "", ({ status }) => status === "cancelled");
    expect(await statuses(runs)).toEqual(["running", "cancelled", "pending"]);
    await complete(core, await take(core, "job.work"));
    await shows(core, runs[2] ?? "", ({ status }) => status === "running");
  });

  test("lets more begin as soon as its definition does", async () => {
    core = await openCore();
    await define(core, limited(1));
    const runs: string[] = [];
    for (const order of [1, 2, 3]) runs.push(await startRun(core, "few", { order }));
    await quiet();
    await define(core, limited(3));
    await quiet();
    expect(await statuses(runs)).toEqual(["running", "running", "running"]);
    expect(agreed(await core.dag.runs.list("default", { statuses: ["pending"], limit: 10, after: null })).runs).toEqual([]);
  });

  test("counts its runs inside of other runs as well", async () => {
    core = await openCore();
    await define(core, limited(1));
    await define(core, "id: outer\nsteps:\n  inner: { type: subworkflow, input: { workflow_id: few } }\n");
    const runs = [await startRun(core, "outer"), await startRun(core, "outer")];
    await quiet();
    const children = await Promise.all(runs.map(async (runId) => (await shown(core, runId)).view.steps.inner?.child_run_id ?? ""));
    expect([...(await statuses(children))].sort()).toEqual(["pending", "running"]);
    for (const _ of runs) await complete(core, await take(core, "job.work"));
    for (const runId of runs) await shows(core, runId, ({ status }) => status === "succeeded");
  });

  test("keeps signals that come before a run begins", async () => {
    core = await openCore();
    await define(core, "id: few\nmax_concurrent_runs: 1\nsteps:\n  go: { type: signal }\n");
    const [first = "", second = ""] = [await startRun(core, "few"), await startRun(core, "few")];
    await quiet();
    for (const runId of [second, first]) agreed(await core.dag.runs.signal(ada, runId, { name: "go", payload: 7, requestId: runId }));
    const { steps } = await shows(core, second, ({ status }) => status === "succeeded");
    expect(steps.go?.output).toBe(7);
  });
});
