import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WorkflowHandle } from "@temporalio/client";
import { defaultPayloadConverter } from "@temporalio/common";
import { msToTs } from "@temporalio/common/lib/time.js";
import { temporal } from "@temporalio/proto";
import { Worker } from "@temporalio/worker";
import { ChildWorkflowCancellationType, ParentClosePolicy } from "@temporalio/workflow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statusWords } from "../../src/governance/approval/approval-entry.ts";
import { ApprovalStatus } from "../../src/protocol/generated/holdfast/state/v1/governance.ts";
import { governed } from "./governance-kit.ts";
import { bundleOf, eventNamed, eventsOf, setup, unique, until } from "./kit.ts";
import { givesUpChild, leavesPayout, reach, seen, stop, target, tryChild } from "./workflows/governance-children.ts";

// Children, signals and cancellations under a policy, as workers of the published SDK, with and without their cache, see them.

const rules = (effect: string, terms = "") => `
version: v1
default_decision: allow
rules:
  - id: payouts
    match: { kinds: [child-workflow] }
    when: input.amount > 100
    decision: ${effect}
    reason: payouts above 100 need a human
    ${terms}
  - id: no-forbidden-signals
    match: { kinds: [external-signal], topics: [signal.forbidden] }
    decision: DENY
    reason: nobody sends this
`;
/** One rule for reaching other workflows. */
const reaching = (kind: string, effect: string, terms = "") => `
version: v1
default_decision: allow
rules:
  - id: reaching-others
    match: { kinds: [${kind}] }
    decision: ${effect}
    reason: others are not to be reached
    ${terms}
`;
const held = rules("REQUIRE_APPROVAL");

let code: { readonly workflowBundle: Awaited<ReturnType<typeof bundleOf>> };
beforeAll(async () => {
  code = { workflowBundle: await bundleOf("governance-children") };
});

describe.each([
  ["a worker that caches workflows", {}],
  ["a worker without a cache", { maxCachedWorkflows: 0 }],
])("%s", (_name, worker) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-children-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const server = governed({ policy: held, db: join(folder, "holdfast.db") });
  const compat = setup({ workflows: "governance-children", launch: server.launch, client: { identity: "shop" }, worker });

  type Handle = Pick<WorkflowHandle, "workflowId" | "fetchHistory">;
  const replay = async (handle: Handle) => Worker.runReplayHistory({ ...code, ...worker }, await handle.fetchHistory(), handle.workflowId);
  const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;
  const payloadOf = (payload: Parameters<typeof defaultPayloadConverter.fromPayload>[0] | null | undefined) =>
    payload == null ? undefined : defaultPayloadConverter.fromPayload(payload);
  /** What the initiated event says of the decision. */
  const markedOn = async (handle: Handle, name: string) => {
    const event = await eventNamed(handle, name);
    const { header } = event.startChildWorkflowExecutionInitiatedEventAttributes ??
      event.signalExternalWorkflowExecutionInitiatedEventAttributes ?? { header: null };
    return { header: payloadOf(header?.fields?.["holdfast-decision"]), summary: payloadOf(event.userMetadata?.summary) };
  };
  const recordOf = (handle: Handle) => server.recordOf(handle.workflowId);
  const exists = (workflowId: string) =>
    compat.client.workflow
      .getHandle(workflowId)
      .describe()
      .then(
        () => true,
        () => false,
      );
  const endOf = (id: string) =>
    until(async () => {
      const { status, closeReason } = await server.approval(id);
      return status !== ApprovalStatus.PENDING && `${statusWords[status as keyof typeof statusWords]}: ${closeReason}`;
    });
  const gone = "withdrawn: the action no longer waits";

  describe("a child", () => {
    const child = (amount = 500, options: Parameters<typeof tryChild>[1] & object = {}) =>
      compat.start(tryChild, { args: [amount, { workflowId: unique("payout"), ...options }] });
    const childIdOf = async (handle: Handle) =>
      (await eventNamed(handle, "StartChildWorkflowExecutionInitiated")).startChildWorkflowExecutionInitiatedEventAttributes?.workflowId ??
      "";

    test("that is allowed starts, and history says so", async () => {
      server.enforce(held);
      const handle = await child(50);
      expect(await handle.result()).toBe("paid 50");
      expect(await markedOn(handle, "StartChildWorkflowExecutionInitiated")).toMatchObject({
        header: { effect: "ALLOW" },
        summary: undefined,
      });
      expect(await recordOf(handle)).toEqual(["decision ALLOW null attempt 1"]);
      await replay(handle);
    });

    test("that is allowed with constraints is held to them", async () => {
      server.enforce(rules("ALLOW_WITH_CONSTRAINTS", "constraints: { budgets: { max_runtime_ms: 60000, max_attempts: 2 } }"));
      const handle = await child(500, { retry: { maximumAttempts: 9 } });
      expect(await handle.result()).toBe("paid 500 within 60000 ms in 2 tries");
      const { header, summary } = await markedOn(handle, "StartChildWorkflowExecutionInitiated");
      expect(header).toMatchObject({ effect: "ALLOW_WITH_CONSTRAINTS", rule: "payouts" });
      expect(summary).toBe("ALLOW_WITH_CONSTRAINTS: payouts above 100 need a human");
      // The policy's summary is no summary of the child.
      const started = await eventNamed(compat.client.workflow.getHandle(await childIdOf(handle)), "WorkflowExecutionStarted");
      expect(started.userMetadata?.summary ?? null).toBe(null);
      await replay(handle);
    });

    test("that is denied has started and failed, and an ordinary catch reads why", async () => {
      const { hash } = server.enforce(rules("DENY"));
      const handle = await child();
      expect(await handle.result()).toMatchObject({
        outer: "ChildWorkflowFailure",
        workflowType: "payout",
        retryState: "NON_RETRYABLE_FAILURE",
        type: "PolicyDenied",
        message: "payouts above 100 need a human",
        nonRetryable: true,
        details: { rule: "payouts", reason: "payouts above 100 need a human", snapshot: hash, remediations: [] },
      });
      expect(await eventsOf(handle, 5)).toContain(
        `5 StartChildWorkflowExecutionInitiated, 6 ChildWorkflowExecutionStarted, 7 ChildWorkflowExecutionFailed, ${nextTask(8)}`,
      );
      expect(await markedOn(handle, "StartChildWorkflowExecutionInitiated")).toMatchObject({
        header: { effect: "DENY", rule: "payouts" },
        summary: "DENY: payouts above 100 need a human",
      });
      expect(await recordOf(handle)).toEqual(["decision DENY payouts attempt 1"]);
      expect(await exists(await childIdOf(handle))).toBe(false);
      expect((await handle.describe()).raw.pendingChildren ?? []).toEqual([]);
      await replay(handle);
    });

    test("of another namespace is decided by what is said of starts there", async () => {
      server.enforce(`
version: v1
default_decision: allow
rules:
  - id: no-visitors
    match: { tenants: [elsewhere], kinds: [workflow-start] }
    decision: DENY
    reason: nobody starts anything here
`);
      const { workflowService } = compat.client;
      const namespaces = await workflowService.listNamespaces({});
      if (!namespaces.namespaces.some(({ namespaceInfo }) => namespaceInfo?.name === "elsewhere"))
        await workflowService.registerNamespace({
          namespace: "elsewhere",
          workflowExecutionRetentionPeriod: msToTs("1 day"),
        });
      const taskQueue = unique("by-hand");
      const handle = await compat.client.workflow.start("any", { workflowId: unique("parent"), taskQueue });
      const { taskToken } = await workflowService.pollWorkflowTaskQueue({ namespace: "default", taskQueue: { name: taskQueue } });
      const startChildWorkflowExecutionCommandAttributes = {
        namespace: "elsewhere",
        workflowId: unique("visitor"),
        workflowType: { name: "any" },
      };
      const commandType = temporal.api.enums.v1.CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION;
      const commands = [{ commandType, startChildWorkflowExecutionCommandAttributes }];
      await workflowService.respondWorkflowTaskCompleted({ namespace: "default", taskToken, commands });
      const failed = await until(() => eventNamed(handle, "ChildWorkflowExecutionFailed").catch(() => null));
      expect(failed.childWorkflowExecutionFailedEventAttributes).toMatchObject({
        namespace: "elsewhere",
        failure: { message: "nobody starts anything here", applicationFailureInfo: { type: "PolicyDenied", nonRetryable: true } },
      });
    });

    test("that needs approval waits for it, over a restart of the server, and starts when it is granted", async () => {
      server.enforce(held);
      const handle = await child();
      const approval = await server.approvalOf(handle);
      expect(approval).toMatchObject({ activityType: "payout", topic: "child-workflow.payout", ruleId: "payouts" });
      const childId = approval.activityId;
      expect(await eventsOf(handle, 5)).toBe("5 StartChildWorkflowExecutionInitiated");
      expect(await exists(childId)).toBe(false);
      await server.restart(held);
      expect(await exists(childId)).toBe(false);
      expect(await server.vote(approval.id, "grant")).toMatchObject({ ok: true });
      expect(await handle.result()).toBe("paid 500");
      expect(await exists(childId)).toBe(true);
      expect(await recordOf(handle)).toEqual([
        "decision REQUIRE_APPROVAL payouts attempt 1",
        "approval-requested payouts",
        "approval-vote grant by ann",
        "approval-closed granted",
        "approval-changed used",
        "decision REQUIRE_APPROVAL payouts attempt 1",
      ]);
      const released = (await server.decisions()).filter(({ workflow_id }) => workflow_id === handle.workflowId).at(-1);
      expect(released).toMatchObject({ approval: approval.id, job_hash: approval.jobHash });
      await replay(handle);
    });

    test("that is rejected, expired or void is denied", async () => {
      server.enforce(held);
      const rejected = await child();
      await server.vote((await server.approvalOf(rejected)).id, "reject", { reason: "no receipt" });
      expect(await rejected.result()).toMatchObject({ type: "PolicyDenied", message: "rejected by ann: no receipt" });

      server.enforce(rules("REQUIRE_APPROVAL", "approval: { expires_after: 100ms }"));
      const expired = await child();
      expect(await expired.result()).toMatchObject({
        type: "PolicyDenied",
        message: "approval expired: payouts above 100 need a human",
        details: { rule: "payouts" },
      });

      server.enforce(held);
      const voided = await child();
      const { id } = await server.approvalOf(voided);
      server.enforce(rules("DENY"));
      await server.vote(id, "grant");
      expect(await voided.result()).toMatchObject({
        type: "PolicyDenied",
        message: "the policy denies it now: payouts above 100 need a human",
        details: { approval: id },
      });
      for (const handle of [rejected, expired, voided]) {
        expect(await exists(await childIdOf(handle))).toBe(false);
        await replay(handle);
      }
    });

    test("that is throttled starts later, unless the policy denies it by then", async () => {
      server.enforce(rules("THROTTLE", "delay: 300ms"));
      const started = Date.now();
      const late = await child();
      expect(await late.result()).toBe("paid 500");
      expect(Date.now() - started).toBeGreaterThanOrEqual(300);
      expect(await recordOf(late)).toEqual(["decision THROTTLE payouts attempt 1", "decision THROTTLE payouts attempt 1"]);
      await replay(late);

      const denied = await child();
      await until(async () => (await eventsOf(denied, 5)) !== "");
      server.enforce(rules("DENY"));
      expect(await denied.result()).toMatchObject({ type: "PolicyDenied" });
      expect(await recordOf(denied)).toEqual(["decision THROTTLE payouts attempt 1", "decision DENY payouts attempt 1"]);
      await replay(denied);
    });

    test.each(Object.values(ChildWorkflowCancellationType))(
      "that waits for approval is given up when its parent cancels it: %s",
      async (type) => {
        // Giving up what never left the run needs no permission.
        server.enforce(`${held}  - { id: no-cancelling, match: { kinds: [external-cancellation] }, decision: DENY }`);
        const workflowId = unique("payout");
        const handle = await compat.start(givesUpChild, { args: [type, workflowId] });
        const { id } = await server.approvalOf(handle);
        await handle.signal(stop);
        if (type === ChildWorkflowCancellationType.ABANDON) {
          // Nobody told the server.
          expect(await handle.result()).toBe("cancelled");
        } else {
          expect(await handle.result()).toBe("cancelled");
          expect(await eventsOf(handle, 5)).toMatch(
            /RequestCancelExternalWorkflowExecutionInitiated, .*\d+ ExternalWorkflowExecutionCancelRequested, .*\d+ ChildWorkflowExecutionStarted, .*\d+ ChildWorkflowExecutionCanceled/,
          );
        }
        expect(await endOf(id)).toBe(gone);
        expect(await exists(workflowId)).toBe(false);
        await replay(handle);
      },
    );

    test.each([
      ["cancelled", (handle: WorkflowHandle<typeof tryChild>) => handle.cancel()],
      ["terminated", (handle: WorkflowHandle<typeof tryChild>) => handle.terminate("enough")],
    ])("that waits for approval is given up when its parent is %s", async (_how, end) => {
      server.enforce(held);
      const handle = await child();
      const { id, activityId } = await server.approvalOf(handle);
      await end(handle);
      expect(await endOf(id)).toBe(gone);
      await handle.result().catch(() => {});
      expect(await server.vote(id, "grant")).toEqual({ ok: false, error: "not-pending" });
      expect(await exists(activityId)).toBe(false);
      await replay(handle);
    });

    test.each(Object.values(ParentClosePolicy).filter((policy) => policy !== undefined))(
      "that waits for approval never starts once its parent has ended: %s",
      async (policy) => {
        server.enforce(held);
        const workflowId = unique("payout");
        const handle = await compat.start(leavesPayout, { args: [workflowId, policy] });
        const { id } = await server.approvalOf(handle);
        await handle.signal(stop);
        await handle.result();
        expect(await endOf(id)).toBe(gone);
        expect(await exists(workflowId)).toBe(false);
        await replay(handle);
      },
    );
  });

  describe.each([
    ["external-signal", "poke", "SignalExternalWorkflowExecution", "ExternalWorkflowExecutionSignaled"],
    ["external-cancellation", "cancel", "RequestCancelExternalWorkflowExecution", "ExternalWorkflowExecutionCancelRequested"],
  ] as const)("%s", (kind, how, event, done) => {
    const aim = async () => compat.start(target);
    const reached = async (handle: WorkflowHandle<typeof target>) =>
      how === "cancel" ? (await eventsOf(handle, 1)).includes("WorkflowExecutionCancelRequested") : (await handle.query(seen)).length > 0;
    const send = async (workflowId: string) => compat.start(reach, { args: [workflowId, how] });

    test("is allowed, and the ledger says so", async () => {
      server.enforce(reaching(kind, "ALLOW"));
      const other = await aim();
      const handle = await send(other.workflowId);
      expect(await handle.result()).toBe("done");
      expect(await reached(other)).toBe(true);
      expect(await recordOf(handle)).toEqual(["decision ALLOW reaching-others attempt 1"]);
      if (how === "poke") expect((await markedOn(handle, `${event}Initiated`)).header).toMatchObject({ effect: "ALLOW" });
      await replay(handle);
    });

    test("is denied as if there were nobody, and history and ledger say why", async () => {
      server.enforce(reaching(kind, "DENY"));
      const other = await aim();
      const handle = await send(other.workflowId);
      expect(await handle.result()).toMatch(/not found/);
      expect(await reached(other)).toBe(false);
      expect(await eventsOf(handle, 5)).toContain(`5 ${event}Initiated, 6 ${event}Failed, ${nextTask(7)}`);
      expect((await markedOn(handle, `${event}Initiated`)).summary).toBe("DENY: others are not to be reached");
      expect(payloadOf((await eventNamed(handle, `${event}Failed`)).userMetadata?.summary)).toBe(
        "PolicyDenied: others are not to be reached",
      );
      expect(await recordOf(handle)).toEqual(["decision DENY reaching-others attempt 1"]);
      await replay(handle);
      await other.terminate();
    });

    test("waits for approval, over a restart of the server", async () => {
      const policy = reaching(kind, "REQUIRE_APPROVAL");
      server.enforce(policy);
      const other = await aim();
      const handle = await send(other.workflowId);
      const { id, activityId } = await server.approvalOf(handle);
      expect(activityId).toBe(other.workflowId);
      await server.restart(policy);
      expect(await reached(other)).toBe(false);
      await server.vote(id, "grant");
      expect(await handle.result()).toBe("done");
      expect(await reached(other)).toBe(true);
      expect(await eventsOf(handle, 5)).toContain(`5 ${event}Initiated, 6 ${done}, ${nextTask(7)}`);
      await replay(handle);
    });

    test("is denied when it is rejected, expired or void", async () => {
      const policy = reaching(kind, "REQUIRE_APPROVAL");
      server.enforce(policy);
      const other = await aim();
      const rejected = await send(other.workflowId);
      await server.vote((await server.approvalOf(rejected)).id, "reject", { reason: "no" });
      expect(await rejected.result()).toMatch(/not found/);
      expect(payloadOf((await eventNamed(rejected, `${event}Failed`)).userMetadata?.summary)).toBe("PolicyDenied: rejected by ann: no");
      const voided = await send(other.workflowId);
      const { id } = await server.approvalOf(voided);
      server.enforce(reaching(kind, "DENY"));
      await server.vote(id, "grant");
      expect(await voided.result()).toMatch(/not found/);
      server.enforce(reaching(kind, "REQUIRE_APPROVAL", "approval: { expires_after: 100ms }"));
      const expired = await send(other.workflowId);
      expect(await expired.result()).toMatch(/not found/);
      expect(await reached(other)).toBe(false);
      for (const handle of [rejected, voided, expired]) await replay(handle);
      await other.terminate();
    });

    test("goes out later when it is throttled", async () => {
      server.enforce(reaching(kind, "THROTTLE", "delay: 200ms"));
      const other = await aim();
      const handle = await send(other.workflowId);
      await until(async () => (await eventsOf(handle, 5)) !== "");
      expect(await reached(other)).toBe(false);
      expect(await handle.result()).toBe("done");
      expect(await reached(other)).toBe(true);
      await replay(handle);
    });

    test("is given up with its run", async () => {
      server.enforce(reaching(kind, "REQUIRE_APPROVAL"));
      const other = await aim();
      const handle = await send(other.workflowId);
      const { id } = await server.approvalOf(handle);
      await handle.terminate("enough");
      expect(await endOf(id)).toBe(gone);
      expect(await reached(other)).toBe(false);
      await replay(handle);
      await other.terminate();
    });
  });
});
