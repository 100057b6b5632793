import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isGrpcServiceError, ServiceError, WithStartWorkflowOperation, type WorkflowHandle } from "@temporalio/client";
import { temporal } from "@temporalio/proto";
import { Worker } from "@temporalio/worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statusWords } from "../../src/governance/approval/approval-entry.ts";
import { ApprovalStatus } from "../../src/protocol/generated/holdfast/state/v1/governance.ts";
import { governed } from "./governance-kit.ts";
import { bundleOf, eventNamed, eventsOf, rejectionOf, setup, taskFailedCause, unique, until } from "./kit.ts";
import {
  type Activities,
  chargeLocally,
  chargeProperly,
  disguised,
  growingOrder,
  note,
  order,
  raise,
} from "./workflows/governance-starts.ts";

// Starts of workflows that the policy decides, and local activities that it forbids, as published clients and workers see them.

const rules = ({ terms = "", extra = "" } = {}) => `
version: v1
default_decision: allow
${extra}
rules:
  - id: no-fortunes
    match: { kinds: [workflow-start], names: [order] }
    when: input.amount > 1000
    decision: DENY
    reason: nobody orders for more than 1000
  - id: large-orders-need-a-human
    match: { topic: "workflow.*Order" }
    when: input.amount > 100
    decision: REQUIRE_APPROVAL
    reason: orders above 100 need a human
  - id: large-orders-need-a-human-too
    match: { topic: workflow.order }
    when: input.amount > 100
    decision: REQUIRE_APPROVAL
    reason: orders above 100 need a human
    ${terms}
  - id: one-by-one
    match: { kinds: [workflow-start], names: [order] }
    when: input.amount > 50
    decision: THROTTLE
    delay: 200ms
  - id: quickly
    match: { kinds: [workflow-start], names: [order] }
    when: input.amount > 10
    decision: ALLOW
    constraints: { budgets: { max_runtime: 30s } }
  - id: any
    match: { kinds: [workflow-start] }
    decision: ALLOW
`;
const policy = rules();
/** Permits nothing. */
const closed = "rules: [{ id: closed, decision: DENY }]";
const asks = "large-orders-need-a-human-too";

let code: { readonly workflowBundle: Awaited<ReturnType<typeof bundleOf>> };
beforeAll(async () => {
  code = { workflowBundle: await bundleOf("governance-starts") };
});

const folder = mkdtempSync(join(tmpdir(), "holdfast-starts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const charged: number[] = [];
const activities: Activities = {
  charge: async ({ amount }) => {
    charged.push(amount);
    return `charged ${amount}`;
  },
};
const server = governed({ policy, db: join(folder, "holdfast.db") });
const compat = setup({ workflows: "governance-starts", activities, launch: server.launch, client: { identity: "shop" } });

const startOrder = (amount: number, options: object = {}) => compat.start(order, { args: [{ amount }], ...options });
const replay = async (handle: Pick<WorkflowHandle, "workflowId" | "fetchHistory">) =>
  Worker.runReplayHistory(code, await handle.fetchHistory(), handle.workflowId);
const decisionsOn = async (workflowId: string) =>
  (await server.decisions()).filter((decision) => decision.workflow_id === workflowId).map(({ effect, rule }) => `${effect} ${rule}`);
const runsOf = async (workflowId: string) => (await compat.client.workflow.count(`WorkflowId = '${workflowId}'`)).count;
/** How an approval ended. Waits until it did. */
const endOf = (id: string) =>
  until(async () => {
    const { status, closeReason } = await server.approval(id);
    return status !== ApprovalStatus.PENDING && `${statusWords[status as keyof typeof statusWords]}: ${closeReason}`;
  });
const begun = "WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted";

/** What a refused call tells its caller: code, message, and the reason among the details. */
async function refusalOf(call: Promise<unknown>) {
  const error = await rejectionOf(call);
  const cause = error instanceof ServiceError ? error.cause : error;
  if (!isGrpcServiceError(cause)) throw error;
  return { code: cause.code, message: cause.details };
}
const denied = () => ({
  code: 7,
  message: `the start of workflow type \`order\` is denied by rule \`no-fortunes\`: nobody orders for more than 1000 (policy snapshot ${server.core.kernel.snapshot().hash})`,
});

describe("an allowed start", () => {
  test("is recorded, and its first event says so", async () => {
    const handle = await startOrder(5);
    expect(await handle.result()).toBe("ordered 5");
    expect(await decisionsOn(handle.workflowId)).toEqual(["ALLOW any"]);
    const [decision] = (await server.decisions()).filter(({ workflow_id }) => workflow_id === handle.workflowId);
    expect(decision).toMatchObject({ topic: "workflow.order", name: "order", action_id: handle.workflowId, principal: "shop", attempt: 1 });
    const { header } = (await eventNamed(handle, "WorkflowExecutionStarted")).workflowExecutionStartedEventAttributes ?? {};
    expect(JSON.parse(Buffer.from(header?.fields?.["holdfast-decision"]?.data ?? []).toString())).toMatchObject({ effect: "ALLOW" });
    await replay(handle);
  });

  test("has the run time-out that the policy permits", async () => {
    const handle = await startOrder(20, { workflowRunTimeout: "1h" });
    const { workflowRunTimeout } = (await eventNamed(handle, "WorkflowExecutionStarted")).workflowExecutionStartedEventAttributes ?? {};
    expect(Number(workflowRunTimeout?.seconds)).toBe(30);
    expect(await handle.result()).toBe("ordered 20");
    expect(await decisionsOn(handle.workflowId)).toEqual(["ALLOW_WITH_CONSTRAINTS quickly"]);
    await replay(handle);
  });

  test("asked twice with one request id is decided once; so is one that finds the workflow running", async () => {
    const workflowId = unique("order");
    const request = {
      namespace: "default",
      workflowId,
      workflowType: { name: "order" },
      taskQueue: { name: unique("nobody") },
      identity: "shop",
      input: { payloads: [{ metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from('{"amount":5}') }] },
    };
    const { workflowService } = compat.client;
    const first = await workflowService.startWorkflowExecution({ ...request, requestId: "one" });
    const again = await workflowService.startWorkflowExecution({ ...request, requestId: "one" });
    expect(again.runId).toBe(first.runId);
    // By the policy now in force nothing may start, but nothing is started.
    server.enforce(closed);
    const found = await workflowService.startWorkflowExecution({
      ...request,
      requestId: "two",
      workflowIdConflictPolicy: temporal.api.enums.v1.WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
    });
    await compat.client.workflow.signalWithStart(order, {
      workflowId,
      taskQueue: "any",
      args: [{ amount: 5 }],
      signal: note,
      signalArgs: ["x"],
    });
    server.enforce(policy);
    expect([found.runId, found.started]).toEqual([first.runId, false]);
    expect(await decisionsOn(workflowId)).toEqual(["ALLOW any"]);
    await compat.client.workflow.getHandle(workflowId).terminate();
  });

  test("is decided once for all runs of its chain", async () => {
    const handle = await compat.start(growingOrder, { args: [{ amount: 50 }] });
    expect(await handle.result()).toBe("ordered 500");
    expect(await decisionsOn(handle.workflowId)).toEqual(["ALLOW any"]);
  });
});

describe("a workflow that goes on as another one", () => {
  const startDisguised = (amount: number) => compat.start(disguised, { args: [{ amount }] });

  test("is decided as a start of that one", async () => {
    const handle = await startDisguised(5);
    expect(await handle.result()).toBe("ordered 5");
    expect(await decisionsOn(handle.workflowId)).toEqual(["ALLOW any", "ALLOW any"]);
    await replay(handle);
  });

  test("fails where that one is denied, and nothing of it begins", async () => {
    const handle = await startDisguised(5000);
    expect(await rejectionOf(handle.result())).toMatchObject({
      cause: { type: "PolicyDenied", message: "nobody orders for more than 1000" },
    });
    expect(await eventsOf(compat.client.workflow.getHandle(handle.workflowId), 1)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowExecutionFailed",
    );
    expect(await decisionsOn(handle.workflowId)).toEqual(["ALLOW any", "DENY no-fortunes"]);
    await replay(compat.client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId));
  });

  test("waits where that one needs an approval", async () => {
    const handle = await startDisguised(500);
    const approval = await server.approvalOf(handle);
    expect(approval).toMatchObject({ workflowType: "order", ruleId: asks, requester: { id: "shop" } });
    await server.vote(approval.id, "grant");
    expect(await handle.result()).toBe("ordered 500");
    expect(await decisionsOn(handle.workflowId)).toEqual(["ALLOW any", `REQUIRE_APPROVAL ${asks}`, `REQUIRE_APPROVAL ${asks}`]);
  });
});

describe("a denied start", () => {
  test("fails the call with the reason, starts nothing, and is recorded", async () => {
    const workflowId = unique("order");
    expect(await refusalOf(startOrder(5000, { workflowId }))).toEqual(denied());
    expect(await runsOf(workflowId)).toBe(0);
    expect(await decisionsOn(workflowId)).toEqual(["DENY no-fortunes"]);
    expect((await server.verifyLedger()).faults).toEqual([]);
  });

  test("so does a signal with start, but not one that finds the workflow", async () => {
    const workflowId = unique("order");
    const send = (amount: number) =>
      compat.client.workflow.signalWithStart(order, {
        workflowId,
        taskQueue: unique("nobody"),
        args: [{ amount }],
        signal: note,
        signalArgs: ["hello"],
      });
    expect(await refusalOf(send(5000))).toEqual(denied());
    expect(await runsOf(workflowId)).toBe(0);
    const running = await send(5);
    expect(await send(5000)).toMatchObject({ signaledRunId: running.signaledRunId });
    await running.terminate();
  });

  test("so does an update with start", async () => {
    const workflowId = unique("order");
    const startWorkflowOperation = new WithStartWorkflowOperation(order, {
      workflowId,
      taskQueue: compat.taskQueue,
      workflowIdConflictPolicy: "FAIL",
      args: [{ amount: 5000 }],
    });
    const handle = startWorkflowOperation.workflowHandle().catch((error: unknown) => error);
    expect(await refusalOf(compat.client.workflow.executeUpdateWithStart(raise, { args: [1], startWorkflowOperation }))).toMatchObject({
      code: 7,
    });
    expect(String(await handle)).toContain("denied");
    expect(await runsOf(workflowId)).toBe(0);
  });

  test("terminates no workflow that it would have replaced", async () => {
    const running = await startOrder(5, { taskQueue: unique("nobody") });
    const replacing = startOrder(5000, { workflowId: running.workflowId, workflowIdConflictPolicy: "TERMINATE_EXISTING" });
    expect(await refusalOf(replacing)).toEqual(denied());
    expect((await running.describe()).status.name).toBe("RUNNING");
    await running.terminate();
  });
});

describe("a start that waits for a person", () => {
  const asked = [`decision REQUIRE_APPROVAL ${asks} attempt 1`, `approval-requested ${asks}`];

  test("is a run that shows why it waits; what it is told meanwhile is there when it begins", async () => {
    const handle = await startOrder(500, { workflowRunTimeout: "5s" });
    const approval = await server.approvalOf(handle);
    expect(approval).toMatchObject({ activityType: "order", topic: "workflow.order", ruleId: asks, requester: { id: "shop" } });
    await handle.signal(note, "gift");
    const { raw, status } = await handle.describe();
    expect(status.name).toBe("RUNNING");
    expect(raw.workflowExtendedInfo?.pauseInfo).toMatchObject({
      identity: "safety-kernel",
      reason: `waits for approval \`${approval.id}\` by rule \`${asks}\`: orders above 100 need a human`,
    });
    expect(raw.pendingWorkflowTask ?? null).toBe(null);
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");

    expect(await server.vote(approval.id, "grant", { by: "shop" })).toEqual({ ok: false, error: "self-approval" });
    expect(await server.vote(approval.id, "grant")).toMatchObject({ ok: true });
    expect(await handle.result()).toBe("ordered 500, gift");
    expect((await handle.describe()).raw.workflowExtendedInfo?.pauseInfo ?? null).toBe(null);
    expect(await server.recordOf(handle.workflowId)).toEqual([
      ...asked,
      "approval-vote grant by ann",
      "approval-closed granted",
      "approval-changed used",
      asked[0],
    ]);
    const [, released] = (await server.decisions()).filter(({ workflow_id }) => workflow_id === handle.workflowId);
    expect(released).toMatchObject({ approval: approval.id, job_hash: approval.jobHash });
    await replay(handle);
  });

  test("is not begun by a signal with start, and no worker gets it eagerly", async () => {
    const workflowId = unique("order");
    const { eagerWorkflowTask, runId } = await compat.client.workflowService.startWorkflowExecution({
      namespace: "default",
      workflowId,
      workflowType: { name: "order" },
      taskQueue: { name: compat.taskQueue },
      identity: "shop",
      requestId: unique("request"),
      requestEagerExecution: true,
      input: { payloads: [{ metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from('{"amount":500}') }] },
    });
    expect(eagerWorkflowTask ?? null).toBe(null);
    const signaled = await compat.client.workflow.signalWithStart(order, {
      workflowId,
      taskQueue: compat.taskQueue,
      args: [{ amount: 500 }],
      signal: note,
      signalArgs: ["hurry"],
    });
    expect(signaled.signaledRunId).toBe(runId);
    expect(await eventsOf(signaled)).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");
    await server.vote((await server.approvalOf(signaled)).id, "grant");
    expect(await signaled.result()).toBe("ordered 500, hurry");
  });

  test("takes an update with start along", async () => {
    const startWorkflowOperation = new WithStartWorkflowOperation(order, {
      workflowId: unique("order"),
      taskQueue: compat.taskQueue,
      workflowIdConflictPolicy: "FAIL",
      args: [{ amount: 500 }],
    });
    const updated = compat.client.workflow.executeUpdateWithStart(raise, { args: [7], startWorkflowOperation });
    await server.vote((await server.approvalOf({ workflowId: startWorkflowOperation.options.workflowId })).id, "grant");
    expect(await updated).toBe(507);
    expect(await (await startWorkflowOperation.workflowHandle()).result()).toBe("ordered 507");
  });

  test("that is rejected fails with the reason", async () => {
    const handle = await startOrder(500, { retry: { maximumAttempts: 5 }, cronSchedule: "* * * * *" });
    const { id, jobHash } = await server.approvalOf(handle);
    await server.vote(id, "reject", { reason: "no stock" });
    expect(await rejectionOf(handle.result())).toMatchObject({
      cause: {
        type: "PolicyDenied",
        message: "rejected by ann: no stock",
        nonRetryable: true,
        details: [{ rule: asks, reason: "rejected by ann: no stock", jobHash, approval: id }],
      },
    });
    expect(await eventsOf(handle)).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionFailed");
    expect(await runsOf(handle.workflowId)).toBe(1);
    expect(await server.recordOf(handle.workflowId)).toEqual([...asked, "approval-vote reject by ann", "approval-closed rejected"]);
  });

  test("that nobody decides on in time fails", async () => {
    server.enforce(rules({ terms: "approval: { expires_after: 100ms }" }));
    const handle = await startOrder(500);
    server.enforce(policy);
    expect(await rejectionOf(handle.result())).toMatchObject({
      cause: { type: "PolicyDenied", message: "approval expired: orders above 100 need a human" },
    });
    expect(await server.recordOf(handle.workflowId)).toEqual([...asked, "approval-closed expired"]);
  });

  test("whose grant comes when the policy denies fails", async () => {
    const handle = await startOrder(500);
    const { id } = await server.approvalOf(handle);
    server.enforce(closed);
    await server.vote(id, "grant");
    expect(await rejectionOf(handle.result())).toMatchObject({ cause: { type: "PolicyDenied" } });
    server.enforce(policy);
    expect(await endOf(id)).toContain("void: ");
  });

  test.each([
    ["cancelled", (handle: WorkflowHandle) => handle.cancel(), "2 WorkflowExecutionCancelRequested, 3 WorkflowExecutionCanceled"],
    ["terminated", (handle: WorkflowHandle) => handle.terminate("enough"), "2 WorkflowExecutionTerminated"],
  ])("that is %s is over, and its approval is withdrawn", async (_how, end, events) => {
    const handle = await startOrder(500);
    const { id } = await server.approvalOf(handle);
    await end(handle as unknown as WorkflowHandle);
    expect(await eventsOf(handle, 2)).toBe(events);
    expect(await endOf(id)).toContain("withdrawn: ");
    expect(await server.vote(id, "grant")).toEqual({ ok: false, error: "not-pending" });
  });

  test("waits through a restart of the server, and begins after it", async () => {
    const kept = await startOrder(500);
    server.enforce(rules({ terms: "approval: { expires_after: 300ms }" }));
    const expiring = await startOrder(500);
    const { id } = await server.approvalOf(kept);
    await kept.signal(note, "still there");
    await server.restart(policy, () => new Promise((resolve) => setTimeout(resolve, 300)));
    expect(await rejectionOf(expiring.result())).toMatchObject({ cause: { type: "PolicyDenied" } });
    expect(await eventsOf(kept)).toBe("1 WorkflowExecutionStarted, 2 WorkflowExecutionSignaled");
    expect(await server.approvalOf(kept)).toMatchObject({ id });
    await server.vote(id, "grant");
    expect(await kept.result()).toBe("ordered 500, still there");
    await replay(kept);
  });
});

describe("a start that is slowed down", () => {
  test("begins when it has waited", async () => {
    const handle = await startOrder(60);
    expect((await handle.describe()).raw.workflowExtendedInfo?.pauseInfo?.reason).toMatch(/^slowed down by policy until 20/);
    expect(await handle.result()).toBe("ordered 60");
    expect(await eventsOf(handle)).toBe(`1 WorkflowExecutionStarted, 2 ${begun}, 5 WorkflowExecutionCompleted`);
    const { events } = await handle.fetchHistory();
    const at = (index: number) => Number(events?.[index]?.eventTime?.seconds) * 1000 + Number(events?.[index]?.eventTime?.nanos) / 1e6;
    expect(at(1) - at(0)).toBeGreaterThanOrEqual(200);
    expect(await decisionsOn(handle.workflowId)).toEqual(["THROTTLE one-by-one", "THROTTLE one-by-one"]);
    await replay(handle);
  });

  test("is decided by the policy in force when it has waited", async () => {
    const handle = await startOrder(60);
    server.enforce(closed);
    expect(await rejectionOf(handle.result())).toMatchObject({ cause: { type: "PolicyDenied" } });
    server.enforce(policy);
    expect(await decisionsOn(handle.workflowId)).toEqual(["THROTTLE one-by-one", "DENY closed"]);
  });
});

describe("a local activity", () => {
  test("that is forbidden fails the workflow task, whose failure says why", async () => {
    server.enforce(rules({ extra: "deny_local_activities: [def*]" }));
    const handle = await compat.start(chargeLocally, { args: [{ amount: 11 }] });
    expect(await taskFailedCause(handle)).toBe("BAD_RECORD_MARKER_ATTRIBUTES");
    const { workflowTaskFailedEventAttributes: failed } = await eventNamed(handle, "WorkflowTaskFailed");
    expect(failed?.failure?.message).toContain(
      "local activity `charge` is denied by rule `deny-local-activities`: local activities are forbidden in this namespace (policy snapshot ",
    );
    // The server learned of it when it had run.
    expect(charged).toContain(11);
    expect(await decisionsOn(handle.workflowId)).toContain("DENY deny-local-activities");
    await handle.terminate();
    server.enforce(policy);
  });

  test("is decided by rules", async () => {
    const forbids = rules().replace(
      "rules:",
      "rules:\n  - { id: charge-properly, match: { kinds: [local-activity], names: [charge] }, decision: DENY, reason: charge as an activity }",
    );
    server.enforce(forbids);
    const local = await compat.start(chargeLocally, { args: [{ amount: 12 }] });
    const proper = await compat.start(chargeProperly, { args: [{ amount: 13 }] });
    expect(await proper.result()).toBe("charged 13");
    expect(await taskFailedCause(local)).toBe("BAD_RECORD_MARKER_ATTRIBUTES");
    expect((await decisionsOn(local.workflowId)).slice(0, 2)).toEqual(["ALLOW any", "DENY charge-properly"]);
    expect((await local.describe()).status.name).toBe("RUNNING");
    await local.terminate();
    server.enforce(policy);
  });

  test("that is permitted is recorded", async () => {
    const handle = await compat.start(chargeLocally, { args: [{ amount: 14 }] });
    expect(await handle.result()).toBe("charged 14");
    const [, decision] = (await server.decisions()).filter(({ workflow_id }) => workflow_id === handle.workflowId);
    expect(decision).toMatchObject({ effect: "ALLOW", topic: "local-activity.charge", name: "charge", action_id: "1" });
    await replay(handle);
  });
});
