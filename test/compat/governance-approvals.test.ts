import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { activityInfo } from "@temporalio/activity";
import type { WorkflowHandle } from "@temporalio/client";
import { temporal } from "@temporalio/proto";
import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statusWords } from "../../src/governance/approval/approval-entry.ts";
import { ApprovalStatus } from "../../src/protocol/generated/holdfast/state/v1/governance.ts";
import { governed, person } from "./governance-kit.ts";
import { bundleOf, eventsOf, setup, unique, until } from "./kit.ts";
import { type Activities, cancel, cancelCall, leaveBehind, rest, tryActivity, tryAll } from "./workflows/governance.ts";

// An activity that waits for a person, as workers of the published SDK, with and without their cache, see it.

const rules = ({ terms = "", effect = "REQUIRE_APPROVAL" } = {}) => `
version: v1
default_decision: allow
actions:
  - match: { activity_types: [refund] }
    topic: job.refund
rules:
  - id: big-refunds-need-a-human
    match: { topic: job.refund }
    when: input.amount > 100
    decision: ${effect}
    reason: refunds above 100 need a human
    ${terms}
`;
const policy = rules();

let code: { readonly workflowBundle: Awaited<ReturnType<typeof bundleOf>> };
beforeAll(async () => {
  code = { workflowBundle: await bundleOf("governance") };
});

describe.each([
  ["a worker that caches workflows", {}],
  ["a worker without a cache", { maxCachedWorkflows: 0 }],
])("%s", (_name, worker) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-approvals-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Executions by workflow id. */
  const ran = new Map<string, string[]>();
  const noted = () => {
    const { workflowExecution, activityType, attempt } = activityInfo();
    const id = workflowExecution?.workflowId ?? "";
    ran.set(id, [...(ran.get(id) ?? []), `${activityType} ${attempt}`]);
    return attempt;
  };
  const activities: Partial<Activities> = {
    refund: async ({ amount }) => {
      const attempt = noted();
      if (amount === failsFirst && attempt === 1) throw new Error("the bank is closed");
      return `${attempt}: refunded ${amount}`;
    },
    greet: async (name) => `${noted()}: hello ${name}`,
  };
  const failsFirst = 404;
  const server = governed({ policy, db: join(folder, "holdfast.db") });
  const compat = setup({ workflows: "governance", activities, launch: server.launch, client: { identity: "shop" }, worker });

  type Handle = Pick<WorkflowHandle, "workflowId" | "fetchHistory" | "describe">;
  const refund = (amount = 500, options = {}) =>
    compat.start(tryActivity, {
      args: ["refund", [{ amount }], { startToCloseTimeout: "10s", retry: { initialInterval: 1 }, ...options }],
    });
  const replay = async (handle: Handle) => Worker.runReplayHistory({ ...code, ...worker }, await handle.fetchHistory(), handle.workflowId);
  const pendingOf = async (handle: Handle) => (await handle.describe()).raw.pendingActivities ?? [];
  /** How an approval ended. Waits until it did. */
  const endOf = (id: string) =>
    until(async () => {
      const { status, closeReason } = await server.approval(id);
      return status !== ApprovalStatus.PENDING && `${statusWords[status as keyof typeof statusWords]}: ${closeReason}`;
    });
  const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;
  const heldBack = "decision REQUIRE_APPROVAL big-refunds-need-a-human attempt 1";
  const asked = [heldBack, "approval-requested big-refunds-need-a-human"];

  test("deleting a run that waits ends its approval; the ledger says both, and keeps what was decided", async () => {
    const handle = await refund();
    const approval = await server.approvalOf(handle);
    await compat.client.workflowService.deleteWorkflowExecution({
      namespace: "default",
      workflowExecution: { workflowId: handle.workflowId },
    });
    await expect(server.approval(approval.id)).rejects.toThrow("no-such-approval");
    expect(await server.recordOf(handle.workflowId)).toEqual([
      ...asked,
      "administration workflow-execution-deleted",
      "approval-closed withdrawn",
    ]);
    expect((await server.verifyLedger()).faults).toEqual([]);
  });

  test("a held activity is a paused one that names rule and reason; a grant lets it run", async () => {
    const handle = await refund();
    const approval = await server.approvalOf(handle);
    expect(approval).toMatchObject({
      activityType: "refund",
      topic: "job.refund",
      ruleId: "big-refunds-need-a-human",
      policySnapshot: server.core.kernel.snapshot().hash,
      requester: { id: "shop" },
    });
    const [pending] = await pendingOf(handle);
    expect(pending).toMatchObject({
      activityType: { name: "refund" },
      state: temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED,
      paused: true,
      attempt: 1,
      pauseInfo: {
        rule: { ruleId: "big-refunds-need-a-human", identity: "safety-kernel", reason: "refunds above 100 need a human" },
      },
    });
    expect(pending?.currentRetryInterval ?? null).toBe(null);
    expect(pending?.nextAttemptScheduleTime ?? null).toBe(null);
    expect(await eventsOf(handle, 5)).toBe("5 ActivityTaskScheduled");
    expect(ran.has(handle.workflowId)).toBe(false);

    expect(await server.vote(approval.id, "grant", { reason: "a good customer" })).toMatchObject({ ok: true });
    expect(await handle.result()).toBe("1: refunded 500");
    expect(await eventsOf(handle, 5)).toBe(
      `5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskCompleted, ${nextTask(8)}, 11 WorkflowExecutionCompleted`,
    );
    expect(await server.recordOf(handle.workflowId)).toEqual([
      ...asked,
      "approval-vote grant by ann",
      "approval-closed granted",
      "approval-changed used",
      heldBack,
    ]);
    const released = (await server.decisions()).filter(({ workflow_id }) => workflow_id === handle.workflowId).at(-1);
    expect(released).toMatchObject({ approval: approval.id, job_hash: approval.jobHash });
    await replay(handle);
  });

  test("a rejection is a denial with the reason", async () => {
    const handle = await refund();
    const { id, jobHash, policySnapshot } = await server.approvalOf(handle);
    await server.vote(id, "reject", { reason: "no receipt" });
    expect(await handle.result()).toMatchObject({
      outer: "ActivityFailure",
      retryState: "NON_RETRYABLE_FAILURE",
      type: "PolicyDenied",
      message: "rejected by ann: no receipt",
      nonRetryable: true,
      details: {
        rule: "big-refunds-need-a-human",
        reason: "rejected by ann: no receipt",
        snapshot: policySnapshot,
        jobHash,
        approval: id,
        remediations: [],
      },
    });
    expect(await eventsOf(handle, 5)).toContain(`5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskFailed, ${nextTask(8)}`);
    expect(ran.has(handle.workflowId)).toBe(false);
    expect(await server.recordOf(handle.workflowId)).toEqual([...asked, "approval-vote reject by ann", "approval-closed rejected"]);
    await replay(handle);
  });

  test("a request that is taken back is a denial that says by whom", async () => {
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    const of = { namespace: "default", id };
    expect(await server.core.approvals.withdraw(of, { by: person("ann"), reason: "" })).toEqual({ ok: false, error: "not-the-requester" });
    await server.core.approvals.withdraw(of, { by: person("shop"), reason: "the customer called" });
    expect(await handle.result()).toMatchObject({ type: "PolicyDenied", message: "withdrawn by shop: the customer called" });
    expect(ran.has(handle.workflowId)).toBe(false);
    expect(await server.recordOf(handle.workflowId)).toEqual([...asked, "approval-closed withdrawn"]);
    await replay(handle);
  });

  test("an escalation comes by itself, and others may then grant", async () => {
    server.enforce(rules({ terms: "approval: { roles: [ops], escalation: [{ after: 100ms, principals: [bea] }] }" }));
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    server.enforce(policy);
    await until(async () => (await server.approval(id)).escalationsTaken === 1);
    await server.vote(id, "grant", { by: "bea" });
    expect(await handle.result()).toBe("1: refunded 500");
    expect((await server.recordOf(handle.workflowId)).slice(2, 4)).toEqual(["approval-changed escalated", "approval-vote grant by bea"]);
    await replay(handle);
  });

  test("what nobody decides in time is denied", async () => {
    server.enforce(rules({ terms: "approval: { expires_after: 100ms }" }));
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    server.enforce(policy);
    expect(await handle.result()).toMatchObject({
      type: "PolicyDenied",
      message: "approval expired: refunds above 100 need a human",
      details: { rule: "big-refunds-need-a-human", approval: id },
    });
    expect(await endOf(id)).toBe("expired: nobody decided in time");
    expect(await server.vote(id, "grant")).toEqual({ ok: false, error: "not-pending" });
    expect(ran.has(handle.workflowId)).toBe(false);
    expect(await server.recordOf(handle.workflowId)).toEqual([...asked, "approval-closed expired"]);
    await replay(handle);
  });

  test("held time does not run the activity's time-outs", async () => {
    for (const timeouts of [{ scheduleToCloseTimeout: 300 }, { scheduleToStartTimeout: 100 }]) {
      const handle = await refund(500, timeouts);
      const { id } = await server.approvalOf(handle);
      // Twice as long as the activity would have had.
      await (await compat.start(rest, { args: [600] })).result();
      expect((await pendingOf(handle))[0]?.paused).toBe(true);
      await server.vote(id, "grant");
      expect(await handle.result()).toBe("1: refunded 500");
      await replay(handle);
    }
  });

  const held = { name: "refund", args: [{ amount: 500 }] } as const;
  const gone = "withdrawn: the action no longer waits";

  test("cancelling the activity withdraws its approval", async () => {
    const handle = await compat.start(cancelCall, { args: [held, "when-signalled"] });
    const { id } = await server.approvalOf(handle);
    await handle.signal(cancel);
    expect(await handle.result()).toBe("cancelled");
    expect(await endOf(id)).toBe(gone);
    expect(await server.vote(id, "grant")).toEqual({ ok: false, error: "not-pending" });
    expect(await server.recordOf(handle.workflowId)).toEqual([...asked, "approval-closed withdrawn"]);
    await replay(handle);
  });

  test.each([
    ["cancelling", (handle: WorkflowHandle) => handle.cancel()],
    ["terminating", (handle: WorkflowHandle) => handle.terminate("enough")],
  ])("%s the workflow withdraws its approvals", async (_how, end) => {
    const handle = await compat.start(tryAll, { args: [[held, held]] });
    const approvals = await until(async () => {
      const page = await server.core.approvals.list({ namespace: "default", all: false, after: null, limit: 100 });
      const ofRun = page.ok ? page.value.approvals.filter(({ workflowId }) => workflowId === handle.workflowId) : [];
      return ofRun.length === 2 && ofRun;
    });
    await end(handle as unknown as WorkflowHandle);
    for (const { id } of approvals) expect(await endOf(id)).toBe(gone);
    await handle.result().catch(() => {});
    expect(ran.has(handle.workflowId)).toBe(false);
    await replay(handle);
  });

  test("what is cancelled or left behind in the workflow task that asked for it leaves no approval open", async () => {
    const cancelled = await compat.start(cancelCall, { args: [held, "at-once"] });
    const left = await compat.start(leaveBehind, { args: [held] });
    expect(await cancelled.result()).toBe("cancelled");
    await left.result();
    await until(async () => {
      const page = await server.core.approvals.list({ namespace: "default", all: false, after: null, limit: 100 });
      return page.ok && page.value.approvals.length === 0;
    });
    expect((await server.recordOf(left.workflowId)).at(-1)).toBe("approval-closed withdrawn");
    await replay(cancelled);
    await replay(left);
  });

  test("a grant holds for the retries of the same activity, and for no other", async () => {
    const handle = await refund(failsFirst);
    const { id, jobHash } = await server.approvalOf(handle);
    await server.vote(id, "grant");
    expect(await handle.result()).toBe(`2: refunded ${failsFirst}`);
    expect(ran.get(handle.workflowId)).toEqual(["refund 1", "refund 2"]);
    expect(await server.vote(id, "grant", { by: "bob" })).toEqual({ ok: false, error: "not-pending" });

    const again = await refund(failsFirst);
    const other = await server.approvalOf(again);
    expect(other.jobHash).not.toBe(jobHash);
    expect(await server.vote(other.id, "grant", { jobHash })).toEqual({ ok: false, error: "job-hash-mismatch" });
    await server.vote(other.id, "reject");
    await again.result();
    expect(ran.has(again.workflowId)).toBe(false);
  });

  test("whoever started the workflow cannot grant", async () => {
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    expect(await server.vote(id, "grant", { by: "shop" })).toEqual({ ok: false, error: "self-approval" });
    await server.vote(id, "grant");
    expect(await handle.result()).toBe("1: refunded 500");
  });

  test("a quorum takes that many people, each once", async () => {
    server.enforce(rules({ terms: "approval: { quorum: 2 }" }));
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    await server.vote(id, "grant");
    expect(await server.vote(id, "grant")).toEqual({ ok: false, error: "already-voted" });
    expect((await pendingOf(handle))[0]?.paused).toBe(true);
    await server.vote(id, "grant", { by: "bob" });
    expect(await handle.result()).toBe("1: refunded 500");
    server.enforce(policy);
  });

  test("a grant is void when the policy denies by then", async () => {
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    server.enforce(rules({ effect: "DENY" }));
    await server.vote(id, "grant");
    expect(await handle.result()).toMatchObject({
      type: "PolicyDenied",
      message: "the policy denies it now: refunds above 100 need a human",
      details: { rule: "big-refunds-need-a-human", approval: id },
    });
    expect(await endOf(id)).toBe("void: the policy denies it now: refunds above 100 need a human");
    server.enforce(policy);
    expect(ran.has(handle.workflowId)).toBe(false);
    await replay(handle);
  });

  test("a granted activity that no worker has taken yet is denied when the policy denies by then", async () => {
    const taskQueue = unique("nobody-yet");
    const handle = await refund(500, { taskQueue });
    const { id } = await server.approvalOf(handle);
    await server.vote(id, "grant");
    server.enforce(rules({ effect: "DENY" }));
    const late = await compat.runWorker({ taskQueue });
    expect(await handle.result()).toMatchObject({ type: "PolicyDenied" });
    await late.stop();
    server.enforce(policy);
    expect(ran.has(handle.workflowId)).toBe(false);
    await replay(handle);
  });

  test("a policy that no longer asks lets the granted activity run; one with another rule keeps the grant", async () => {
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    server.enforce(policy.replace("rules:", "rules:\n  - { id: unrelated, match: { topic: job.other }, decision: DENY }"));
    await server.vote(id, "grant");
    expect(await handle.result()).toBe("1: refunded 500");
    server.enforce(policy);
  });

  test("retries are decided anew: the second attempt waits, or is denied", async () => {
    for (const effect of ["DENY", "REQUIRE_APPROVAL"]) {
      server.enforce(rules({ effect: "ALLOW" }));
      const handle = await refund(failsFirst, { retry: { initialInterval: 200 } });
      await until(() => ran.get(handle.workflowId)?.length === 1);
      server.enforce(rules({ effect }));
      if (effect === "DENY") {
        expect(await handle.result()).toMatchObject({ type: "PolicyDenied", details: { rule: "big-refunds-need-a-human" } });
      } else {
        await server.vote((await server.approvalOf(handle)).id, "grant");
        expect(await handle.result()).toBe(`2: refunded ${failsFirst}`);
      }
      expect(ran.get(handle.workflowId)).toHaveLength(effect === "DENY" ? 1 : 2);
      await replay(handle);
    }
    server.enforce(policy);
  });

  test("a hold and its grant survive a restart of the server", async () => {
    const taskQueue = unique("nobody-yet");
    const [waiting, granted] = [await refund(), await refund(500, { taskQueue })];
    const { id } = await server.approvalOf(waiting);
    await server.vote((await server.approvalOf(granted)).id, "grant");
    await server.restart(policy);
    expect((await pendingOf(waiting))[0]?.paused).toBe(true);
    expect(await server.approvalOf(waiting)).toMatchObject({ id });
    const late = await compat.runWorker({ taskQueue });
    expect(await granted.result()).toBe("1: refunded 500");
    await late.stop();
    await server.vote(id, "grant");
    expect(await waiting.result()).toBe("1: refunded 500");
    await replay(waiting);
    await replay(granted);
  });

  test("an approval expires while the server is down", async () => {
    server.enforce(rules({ terms: "approval: { expires_after: 300ms }" }));
    const handle = await refund();
    const { id } = await server.approvalOf(handle);
    await server.restart(policy, () => new Promise((resolve) => setTimeout(resolve, 300)));
    expect(await handle.result()).toMatchObject({ type: "PolicyDenied" });
    expect(await endOf(id)).toBe("expired: nobody decided in time");
  });

  test("votes at one time: each approval ends once, and each activity runs as it ended", async () => {
    const calls = Array.from({ length: 20 }, () => held);
    const handles = [await compat.start(tryAll, { args: [calls] }), await compat.start(tryAll, { args: [calls] })];
    const approvals = await until(async () => {
      const page = await server.core.approvals.list({ namespace: "default", all: false, after: null, limit: 100 });
      return page.ok && page.value.approvals.length === 40 && page.value.approvals;
    });
    const votes = await Promise.all(
      approvals.flatMap(({ id }) =>
        ["ann", "bob", "cid", "dan", "eve"].map((by, index) => server.vote(id, index % 2 === 0 ? "grant" : "reject", { by })),
      ),
    );
    const counted = votes.filter(({ ok }) => ok);
    expect(counted).toHaveLength(40);
    expect(new Set(votes.flatMap((vote) => (vote.ok ? [] : [vote.error])))).toEqual(new Set(["not-pending"]));
    const ends = await Promise.all(approvals.map(({ id }) => server.approval(id)));
    for (const handle of handles) {
      const results = await handle.result();
      const grants = ends.filter(({ workflowId, status }) => workflowId === handle.workflowId && status === ApprovalStatus.GRANTED);
      expect(results.filter((result) => result === "1: refunded 500")).toHaveLength(grants.length);
      expect(ran.get(handle.workflowId) ?? []).toHaveLength(grants.length);
      const closings = (await server.recordOf(handle.workflowId)).filter((entry) => entry.startsWith("approval-closed"));
      expect(closings).toHaveLength(20);
      await replay(handle);
    }
  });
});
