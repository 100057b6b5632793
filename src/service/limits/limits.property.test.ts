import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { TerminateWorkflowExecutionRequest } from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import type { Core } from "../core.ts";
import { manualClock, openCore, openTestStore, patient, turn } from "../service.test-kit.ts";
import { complete, fail, poll, schedule } from "./limits.test-kit.ts";

/*
 * Workers that take and end attempts, runs that are terminated, a disk that fails, a server that stops and comes back, time that passes, all in
 * any order: never more at once than the policy permits, never more spent than there is, and in the end everything has happened.
 */

const atOnce = 3;
const ofA = 2;
const actionsMax = 4;
const policy = snapshotFrom(`
tenants: { default: { max_concurrent_jobs: ${atOnce} } }
rules:
  - { id: a, match: { topic: activity.A }, decision: allow, constraints: { budgets: { max_concurrent_jobs: ${ofA} } } }
  - { id: b, match: { topic: activity.B }, decision: allow, constraints: { spend: [{ unit: actions, max: ${actionsMax}, by: workflow }] } }
  - { id: c, match: { topic: activity.C }, decision: allow, constraints: { spend: [{ unit: tokens, max: 100, by: tenant, reserve: 30 }] } }
`);

type Step = { readonly do: string; readonly which: number };
const anyStep: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom(
    "schedule",
    "poll",
    "poll",
    "poll",
    "complete",
    "complete",
    "fail",
    "terminate",
    "disk fails",
    "restart",
    "time passes",
  ),
  which: fc.nat(100),
});

type Held = { readonly taskToken: Uint8Array; readonly type: string; readonly workflowId: string };

async function world() {
  const store = await openTestStore();
  const clock = manualClock();
  const open = async () => {
    const core = await openCore({ store, clock });
    core.kernel.enforce(policy);
    return core;
  };
  const state = {
    core: await open(),
    held: [] as Held[],
    open: new Set<string>(),
    started: 0,
    attemptsOfB: new Map<string, number>(),
    tokens: 0,
  };

  const settled = async () => {
    for (let turns = 0; turns < 20; turns++) await turn();
  };

  const check = () => {
    const held = state.held.filter(({ workflowId }) => state.open.has(workflowId));
    expect(held.length).toBeLessThanOrEqual(atOnce);
    expect(held.filter(({ type }) => type === "A").length).toBeLessThanOrEqual(ofA);
    for (const count of state.attemptsOfB.values()) expect(count).toBeLessThanOrEqual(actionsMax);
    expect(state.tokens + 30 * held.filter(({ type }) => type === "C").length).toBeLessThanOrEqual(100);
  };

  const take = async (): Promise<boolean> => {
    const task = await poll(state.core);
    if (task === null) return false;
    const held = { taskToken: task.taskToken, type: task.activityType?.name ?? "", workflowId: task.workflowExecution?.workflowId ?? "" };
    state.held.push(held);
    if (held.type === "B") state.attemptsOfB.set(held.workflowId, (state.attemptsOfB.get(held.workflowId) ?? 0) + 1);
    return true;
  };

  const end = async (which: number, how: "complete" | "fail"): Promise<void> => {
    const [held] = state.held.splice(which % Math.max(1, state.held.length), 1);
    if (held === undefined || !state.open.has(held.workflowId)) return;
    const usage = { tokens: which % 31 };
    const answered = how === "complete" ? await complete(state.core, held.taskToken, usage) : await fail(state.core, held.taskToken);
    expect(answered.ok).toBe(true);
    if (held.type === "C") state.tokens += how === "complete" ? usage.tokens : 30;
  };

  const acts: { readonly [name: string]: (which: number) => Promise<void> } = {
    schedule: async (which) => {
      const workflowId = `order-${++state.started}`;
      await schedule(state.core, { workflowId, types: ["A", "B", "C", "A", "B"].slice(0, 1 + (which % 5)), attempts: 1 + (which % 3) });
      state.open.add(workflowId);
    },
    poll: async () => void (await take()),
    complete: (which) => end(which, "complete"),
    fail: (which) => end(which, "fail"),
    terminate: async (which) => {
      const workflowId = [...state.open][which % Math.max(1, state.open.size)];
      if (workflowId === undefined) return;
      const request = make(TerminateWorkflowExecutionRequest, { namespace: "default", workflowExecution: { workflowId, runId: "" } });
      expect((await state.core.services.terminateWorkflowExecution(request, patient)).ok).toBe(true);
      state.open.delete(workflowId);
      // What they might still have used is taken for used.
      state.tokens += 30 * state.held.filter((held) => held.workflowId === workflowId && held.type === "C").length;
      state.held = state.held.filter((held) => held.workflowId !== workflowId);
    },
    "disk fails": async () => {
      const recover = store.fail();
      // Whoever polls meets the failure; nothing is handed out.
      await poll(state.core).catch(() => null);
      recover();
    },
    restart: async () => {
      await (state.core as Core).stop();
      state.core = await open();
    },
    "time passes": async () => clock.advance(61_000),
  };

  return {
    step: async ({ do: act, which }: Step) => {
      await acts[act]?.(which);
      await settled();
      check();
    },
    /** Workers take and end whatever there is, until nothing is left. */
    finish: async () => {
      for (let idle = 0; idle < 3; ) {
        const took = await take();
        check();
        if (state.held.length > 0) await end(0, "complete");
        idle = took || state.held.length > 0 ? 0 : idle + 1;
        clock.advance(61_000);
        await settled();
      }
      expect(state.core.policyLimits.list({ tenant: "default", after: "", limit: 100 }).filter(({ waiting }) => waiting > 0)).toEqual([]);
      expect(await store.readHoldings(null, 100)).toEqual([]);
      const spent = (await store.readBudgets("", 100)).find(({ id }) => id.includes("tokens"))?.spent ?? 0;
      expect(spent).toBe(state.tokens);
    },
    close: async () => {
      await (state.core as Core).stop();
      await store.close();
    },
  };
}

let opened: Awaited<ReturnType<typeof world>> | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});

test("whatever happens in whatever order, limits hold and nothing is lost", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 40 }), async (steps) => {
      await opened?.close();
      opened = await world();
      await opened.step({ do: "schedule", which: 4 });
      for (const step of steps) await opened.step(step);
      await opened.finish();
    }),
    { numRuns: 30 },
  );
});
