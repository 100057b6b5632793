import { activityInfo, Context } from "@temporalio/activity";
import { defaultPayloadConverter } from "@temporalio/common";
import { type ActivityInboundCallsInterceptor, Worker } from "@temporalio/worker";
import { beforeAll, describe, expect, test } from "vitest";
import { present } from "../../src/base/assert.ts";
import { governed } from "./governance-kit.ts";
import { bundleOf, eventNamed, eventsOf, setup, until } from "./kit.ts";
import { type Activities, tryActivity, tryAll, tryInTurn } from "./workflows/governance.ts";

// What workers of the published SDK, with and without their cache, see of a policy that they know nothing of.

const policy = `
version: v1
default_decision: allow
actions:
  - match: { activity_type: [wipe*] }
    topic: job.exec.shell
    labels: { command_class: destructive }
  - match: { activity_types: [refund] }
    topic: job.refund
rules:
  - id: deny-destructive-shell
    match: { topic: job.exec.shell, labels: { command_class: destructive } }
    decision: DENY
    reason: destructive commands are not for agents
    remediations:
      - id: archive-it
        title: Archive the disk instead
        replacement_topic: job.archive
  - id: big-refunds-need-a-human
    match: { topic: job.refund }
    when: input.amount > 100
    decision: REQUIRE_APPROVAL
    reason: refunds above 100 need a human
  - id: charge-at-most-twice
    match: { topics: ["activity.charge"] }
    decision: ALLOW_WITH_CONSTRAINTS
    constraints: { budgets: { max_attempts: 2, max_runtime_ms: 2000 } }
  - id: hang-briefly
    match: { topics: ["activity.hang"] }
    decision: ALLOW_WITH_CONSTRAINTS
    constraints: { budgets: { max_attempts: 1, max_runtime_ms: 50 } }
  - id: not-so-fast
    match: { topics: ["activity.greet"] }
    when: args[0] == "in a hurry"
    decision: THROTTLE
    delay: 200ms
  - id: ponder-first
    match: { topics: ["activity.ponder"] }
    decision: THROTTLE
    delay: 50ms
  - id: watch-greetings
    match: { topics: ["activity.greet"] }
    decision: DENY
    mode: observe
`;

let code: { readonly workflowBundle: Awaited<ReturnType<typeof bundleOf>> };
beforeAll(async () => {
  code = { workflowBundle: await bundleOf("governance") };
});

describe.each([
  ["a worker that caches workflows", {}],
  ["a worker without a cache", { maxCachedWorkflows: 0 }],
])("%s", (_name, worker) => {
  /** Executions by workflow id. */
  const ran = new Map<string, string[]>();
  const noted = () => {
    const { workflowExecution, activityType, attempt } = activityInfo();
    const id = workflowExecution?.workflowId ?? "";
    ran.set(id, [...(ran.get(id) ?? []), `${activityType} ${attempt}`]);
    return attempt;
  };
  /** Rules that the attempts of a workflow were told of, by workflow id. */
  const told = new Map<string, (string | null)[]>();
  const reader: ActivityInboundCallsInterceptor = {
    execute: async (input, next) => {
      const id = activityInfo().workflowExecution?.workflowId ?? "";
      const decision = defaultPayloadConverter.fromPayload<{ rule: string | null }>(
        present(input.headers["holdfast-decision"], "a decision"),
      );
      told.set(id, [...(told.get(id) ?? []), decision.rule]);
      return next(input);
    },
  };
  const failsBefore = async ({ succeedsOn }: { succeedsOn: number }) => {
    const attempt = noted();
    if (attempt < succeedsOn) throw new Error(`the bank is closed at attempt ${attempt}`);
    return attempt;
  };
  const activities: Activities = {
    wipeDisk: async (path) => `${noted()}: wiped ${path}`,
    refund: async ({ amount }) => `${noted()}: refunded ${amount}`,
    charge: failsBefore,
    ponder: failsBefore,
    stall: async () => {
      if (noted() === 1) throw new Error("not yet");
      await Context.current().cancelled;
    },
    hang: async () => {
      noted();
      await Context.current().cancelled;
    },
    greet: async (name) => `${noted()}: hello ${name}`,
  };
  const server = governed({ policy });
  const compat = setup({
    workflows: "governance",
    activities,
    launch: server.launch,
    worker: { ...worker, interceptors: { activity: [() => ({ inbound: reader })] } },
  });

  const nextTask = (from: number) => `${from} WorkflowTaskScheduled, ${from + 1} WorkflowTaskStarted, ${from + 2} WorkflowTaskCompleted`;
  const replay = async (handle: Awaited<ReturnType<typeof compat.start>>) =>
    Worker.runReplayHistory({ ...code, ...worker }, await handle.fetchHistory(), handle.workflowId);

  test("DENY: an ordinary catch reads rule, reason, snapshot and remediations; no worker saw the activity", async () => {
    const handle = await compat.start(tryActivity, { args: ["wipeDisk", ["/dev/sda"]] });
    expect(await handle.result()).toEqual({
      outer: "ActivityFailure",
      activityType: "wipeDisk",
      retryState: "NON_RETRYABLE_FAILURE",
      inner: "ApplicationFailure",
      type: "PolicyDenied",
      message: "destructive commands are not for agents",
      nonRetryable: true,
      details: {
        rule: "deny-destructive-shell",
        reason: "destructive commands are not for agents",
        snapshot: server.core.kernel.snapshot().hash,
        jobHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        remediations: [expect.objectContaining({ id: "archive-it", title: "Archive the disk instead", replacementTopic: "job.archive" })],
      },
    });
    expect(await eventsOf(handle)).toBe(
      "1 WorkflowExecutionStarted, 2 WorkflowTaskScheduled, 3 WorkflowTaskStarted, 4 WorkflowTaskCompleted, " +
        `5 ActivityTaskScheduled, 6 ActivityTaskStarted, 7 ActivityTaskFailed, ${nextTask(8)}, ` +
        `11 TimerStarted, 12 TimerFired, ${nextTask(13)}, 16 WorkflowExecutionCompleted`,
    );
    const started = (await eventNamed(handle, "ActivityTaskStarted")).activityTaskStartedEventAttributes;
    expect(started).toMatchObject({ identity: "safety-kernel", attempt: 1 });
    expect(ran.has(handle.workflowId)).toBe(false);
    expect(await server.recordOf(handle.workflowId)).toEqual(["decision DENY deny-destructive-shell attempt 1"]);
    await replay(handle);
  });

  test("a workflow goes on after a denial, and nothing but the denied activity is lost", async () => {
    const calls = [
      { name: "greet", args: ["Ada"] },
      { name: "wipeDisk", args: ["/dev/sda"] },
      { name: "refund", args: [{ amount: 5 }] },
      { name: "wipeDisk", args: ["/dev/sdb"] },
    ] as const;
    for (const workflow of [tryAll, tryInTurn]) {
      const handle = await compat.start(workflow, { args: [calls] });
      const denied = expect.objectContaining({ type: "PolicyDenied" });
      expect(await handle.result()).toEqual(["1: hello Ada", denied, "1: refunded 5", denied]);
      expect(ran.get(handle.workflowId)?.toSorted()).toEqual(["greet 1", "refund 1"]);
      await replay(handle);
    }
  });

  test("ALLOW_WITH_CONSTRAINTS: attempts and run time are capped on the scheduled event", async () => {
    const options = { startToCloseTimeout: "1h", retry: { initialInterval: 1 } } as const;
    const handle = await compat.start(tryActivity, { args: ["charge", [{ succeedsOn: 5 }], options] });
    expect(await handle.result()).toMatchObject({
      retryState: "MAXIMUM_ATTEMPTS_REACHED",
      type: "Error",
      message: "the bank is closed at attempt 2",
    });
    expect(ran.get(handle.workflowId)).toEqual(["charge 1", "charge 2"]);
    const scheduled = (await eventNamed(handle, "ActivityTaskScheduled")).activityTaskScheduledEventAttributes;
    expect(Number(scheduled?.startToCloseTimeout?.seconds)).toBe(2);
    expect(scheduled?.retryPolicy?.maximumAttempts).toBe(2);
    const header = Buffer.from(scheduled?.header?.fields?.["holdfast-decision"]?.data ?? "").toString();
    expect(JSON.parse(header)).toMatchObject({
      effect: "ALLOW_WITH_CONSTRAINTS",
      rule: "charge-at-most-twice",
      constraints: { budgets: { maxAttempts: 2, maxRuntimeMs: 2000 } },
    });
    expect(await server.recordOf(handle.workflowId)).toEqual([
      "decision ALLOW_WITH_CONSTRAINTS charge-at-most-twice attempt 1",
      "decision ALLOW_WITH_CONSTRAINTS charge-at-most-twice attempt 2",
    ]);
    await replay(handle);
  });

  test("ALLOW_WITH_CONSTRAINTS: a tighter limit of the caller stays", async () => {
    const options = { startToCloseTimeout: "1s", retry: { maximumAttempts: 1 } } as const;
    const handle = await compat.start(tryActivity, { args: ["charge", [{ succeedsOn: 2 }], options] });
    expect(await handle.result()).toMatchObject({ retryState: "MAXIMUM_ATTEMPTS_REACHED" });
    expect(ran.get(handle.workflowId)).toEqual(["charge 1"]);
    const scheduled = (await eventNamed(handle, "ActivityTaskScheduled")).activityTaskScheduledEventAttributes;
    expect(Number(scheduled?.startToCloseTimeout?.seconds)).toBe(1);
  });

  test("ALLOW_WITH_CONSTRAINTS: an activity that runs longer is timed out", async () => {
    const handle = await compat.start(tryActivity, { args: ["hang", [], { startToCloseTimeout: "1h" }] });
    expect(await handle.result()).toMatchObject({ inner: "TimeoutFailure", message: "activity StartToClose timeout" });
    await replay(handle);
  });

  test("THROTTLE: the activity runs later by the delay", async () => {
    const begun = Date.now();
    const handle = await compat.start(tryActivity, { args: ["greet", ["in a hurry"]] });
    expect(await handle.result()).toBe("1: hello in a hurry");
    expect(Date.now() - begun).toBeGreaterThanOrEqual(199);
    expect(await server.recordOf(handle.workflowId)).toEqual(["decision THROTTLE not-so-fast attempt 1"]);
    await replay(handle);
  });

  test("THROTTLE: each retry waits as well, and then runs", async () => {
    const options = { startToCloseTimeout: "10s", retry: { initialInterval: 1 } } as const;
    const handle = await compat.start(tryActivity, { args: ["ponder", [{ succeedsOn: 3 }], options] });
    expect(await handle.result()).toBe(3);
    expect(ran.get(handle.workflowId)).toEqual(["ponder 1", "ponder 2", "ponder 3"]);
    const throttled = (attempt: number) => `decision THROTTLE ponder-first attempt ${attempt}`;
    expect(await server.recordOf(handle.workflowId)).toEqual([1, 2, 3].map(throttled));
    await replay(handle);
  });

  test("limits that come into force between attempts hold for the next one", async () => {
    const capped = (budgets: string) =>
      `version: v1
default_decision: allow
rules:
  - id: capped
    match: { topics: ["activity.ponder", "activity.stall"] }
    decision: ALLOW_WITH_CONSTRAINTS
    constraints: { budgets: { ${budgets} } }`;
    const options = { startToCloseTimeout: "1m", retry: { initialInterval: 100, backoffCoefficient: 1 } } as const;
    server.enforce("version: v1\ndefault_decision: allow");
    const pondering = await compat.start(tryActivity, { args: ["ponder", [{ succeedsOn: 9 }], options] });
    await until(() => (ran.get(pondering.workflowId)?.length ?? 0) >= 2);
    server.enforce(capped("max_attempts: 1"));
    expect(await pondering.result()).toMatchObject({
      type: "PolicyDenied",
      message: expect.stringMatching(/^attempt \d, and at most 1 are permitted: allowed within limits by rule `capped`$/),
    });
    server.enforce("version: v1\ndefault_decision: allow");
    const stalling = await compat.start(tryActivity, { args: ["stall", [], options] });
    await until(() => ran.has(stalling.workflowId));
    server.enforce(capped("max_runtime_ms: 100, max_attempts: 2"));
    expect(await stalling.result()).toMatchObject({ type: "PolicyDenied", message: expect.stringContaining("attempt 3") });
    expect(ran.get(stalling.workflowId)).toEqual(["stall 1", "stall 2"]);
    expect(told.get(stalling.workflowId)).toEqual([null, "capped"]);
    server.enforce(policy);
    await replay(pondering);
    await replay(stalling);
  });

  test("observe: the activity runs, and the ledger says what would have become of it", async () => {
    const handle = await compat.start(tryActivity, { args: ["greet", ["Ada"]] });
    expect(await handle.result()).toBe("1: hello Ada");
    const decision = (await server.decisions()).findLast(({ workflow_id }) => workflow_id === handle.workflowId);
    expect(decision).toMatchObject({ effect: "ALLOW", observed: { effect: "DENY", rule: "watch-greetings" } });
    await replay(handle);
  });

  test("an expression over the input decides; one that cannot be told denies", async () => {
    const small = await compat.start(tryActivity, { args: ["refund", [{ amount: 100 }]] });
    expect(await small.result()).toBe("1: refunded 100");
    const strange = await compat.start(tryActivity, { args: ["refund", [{ total: 7 }]] });
    expect(await strange.result()).toMatchObject({
      type: "PolicyDenied",
      message: expect.stringMatching(/^rule `big-refunds-need-a-human` cannot be told: /),
      details: { rule: "big-refunds-need-a-human" },
    });
    expect(ran.has(strange.workflowId)).toBe(false);
  });

  test("eager dispatch: what is allowed comes with the answer, what is denied does not", async () => {
    const calls = [
      { name: "wipeDisk", args: ["/dev/sda"] },
      { name: "refund", args: [{ amount: 5 }] },
      { name: "wipeDisk", args: ["/dev/sdb"] },
    ] as const;
    const handle = await compat.start(tryAll, { args: [calls] });
    const denied = expect.objectContaining({ type: "PolicyDenied" });
    expect(await handle.result()).toEqual([denied, "1: refunded 5", denied]);
    expect(ran.get(handle.workflowId)).toEqual(["refund 1"]);
    expect(server.handedOut.filter(({ workflowId }) => workflowId === handle.workflowId)).toEqual([
      expect.objectContaining({ how: "eager", activityType: "refund" }),
    ]);
  });
});
