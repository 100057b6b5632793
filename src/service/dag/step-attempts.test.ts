import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { failActivity } from "../../execution/activity.ts";
import { keptGrantsMax, releaseActivity } from "../../execution/admitted-activity.ts";
import { applicationFailure, payloads, scheduleActivity, startTestRun, type TestRun } from "../../execution/execution.test-kit.ts";
import { openDraft } from "../../execution/execution.ts";
import { pendingAction } from "../../execution/held-action.ts";
import type { Principal } from "../../governance/action.ts";
import { snapshotFrom } from "../../governance/policy/policy.test-kit.ts";
import { make } from "../../protocol/codec.ts";
import { ApprovalStatus } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import { RetryPolicy } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import { dagTaskQueue } from "../built-in/server-task-queue.ts";
import { createSafetyKernel } from "../policy/safety-kernel.ts";
import { openCore, type TestCore, turn, unlimited } from "../service.test-kit.ts";
import { complete, define, fail, shows, startRun, take, timerOf } from "./dag.test-kit.ts";

// Each attempt of a step is an activity of its own. To the policy they are one action that is tried again.

const policy = (rule: string, { team = "ops" } = {}) =>
  snapshotFrom(`
version: v1
default_decision: allow
actions: [{ match: { names: [job.apply] }, topic: job.apply, labels: { team: ${team} } }]
rules:
  - id: applying
    match: { topics: [job.apply] }
    ${rule}
`);
const asks = "decision: require_approval";

let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(async () => {
  await core.stop();
  await core.store.close();
});

const bob: Principal = { id: "bob", kind: "human", roles: [] };
const pending = async () => {
  const listed = await core.approvals.list({ namespace: "default", all: false, after: null, limit: 10 });
  return listed.ok ? listed.value.approvals : expect.unreachable(listed.error);
};

async function asked(): Promise<string> {
  for (let turns = 0; turns < 2_000; turns++) {
    const [approval] = await pending();
    if (approval !== undefined) return approval.id;
    await turn();
  }
  return expect.unreachable("nobody is asked");
}

async function grant(id: string): Promise<void> {
  const vote = { voter: bob, verdict: "grant", reason: "", jobHash: null, policySnapshot: null } as const;
  const voted = await core.approvals.vote({ namespace: "default", id }, vote);
  expect(voted).toMatchObject({ ok: true, value: { status: ApprovalStatus.GRANTED } });
}

/** What the ledger says of the decisions on the step, oldest first. */
async function decisions(): Promise<readonly string[]> {
  const all = { namespace: "default", since: null, until: null, kinds: ["decision" as const], runId: null, after: null, limit: 100 };
  const read = await core.audit.list(all);
  const entries = read.ok ? read.value.entries : expect.unreachable(read.error);
  return entries
    .map(({ body }) => JSON.parse(Buffer.from(body).toString()))
    .filter(({ topic }) => topic === "job.apply")
    .map(
      ({ action_id, attempt, effect, approval }) => `${action_id} ${attempt} ${effect}${approval === undefined ? "" : " by its approval"}`,
    );
}

const steps = (attempts: number, more = "") => `
id: patching
steps:
  apply: { topic: job.apply, retries: { max_attempts: ${attempts}, backoff_ms: 5000 }${more} }
`;

/** The pause after a failed attempt, and the time that people have. */
async function passFiveSeconds(): Promise<void> {
  await timerOf(core, 5_000);
  core.clock.advance(5_000);
}

test("an approval holds for all attempts of the step, and each attempt is decided", async () => {
  core.kernel.enforce(policy(asks));
  const runId = await startRun(core, await define(core, steps(3)));
  await grant(await asked());
  await fail(core, await take(core, "job.apply"));
  await passFiveSeconds();
  const second = await take(core, "job.apply");
  expect(second.id).toBe("apply@2");
  await fail(core, second);
  await passFiveSeconds();
  await complete(core, await take(core, "job.apply"), "done");
  await shows(core, runId, ({ status }) => status === "succeeded");
  expect(await pending()).toEqual([]);
  expect(await decisions()).toEqual([
    "apply 1 REQUIRE_APPROVAL",
    "apply 1 REQUIRE_APPROVAL by its approval",
    "apply 2 REQUIRE_APPROVAL by its approval",
    "apply 3 REQUIRE_APPROVAL by its approval",
  ]);
});

test("it survives a restart between the attempts", async () => {
  core.kernel.enforce(policy(asks));
  await startRun(core, await define(core, steps(2)));
  await grant(await asked());
  await fail(core, await take(core, "job.apply"));
  await timerOf(core, 5_000);
  await core.stop();
  core = await openCore({ store: core.store, clock: core.clock });
  core.kernel.enforce(policy(asks));
  core.clock.advance(5_000);
  expect((await take(core, "job.apply")).id).toBe("apply@2");
});

describe("a policy that changes between two attempts", () => {
  const afterOneAttempt = async (): Promise<string> => {
    core.kernel.enforce(policy(asks));
    const runId = await startRun(core, await define(core, steps(2)));
    await grant(await asked());
    await fail(core, await take(core, "job.apply"));
    return runId;
  };

  test("and denies the step: the run ends as denied, whatever was granted", async () => {
    const runId = await afterOneAttempt();
    core.kernel.enforce(policy("decision: deny"));
    await passFiveSeconds();
    const view = await shows(core, runId, ({ status }) => status === "denied");
    expect(view.steps.apply).toMatchObject({ status: "denied", attempts: 2 });
    expect((await decisions()).at(-1)).toBe("apply 2 DENY");
  });

  test("and takes the action for another one: it asks again", async () => {
    await afterOneAttempt();
    core.kernel.enforce(policy(asks, { team: "payments" }));
    await passFiveSeconds();
    await grant(await asked());
    expect((await take(core, "job.apply")).id).toBe("apply@2");
  });

  test("and permits fewer attempts than were made: the run ends as denied", async () => {
    const runId = await afterOneAttempt();
    core.kernel.enforce(policy("constraints: { budgets: { max_attempts: 1 } }"));
    await passFiveSeconds();
    const view = await shows(core, runId, ({ status }) => status === "denied");
    expect(view.error?.message).toContain("attempt 2, and at most 1 are permitted");
  });
});

test("nobody decides in time on the first attempt: there is no second", async () => {
  core.kernel.enforce(policy(`${asks}\n    approval: { expires_after: 5s }`));
  const runId = await startRun(core, await define(core, steps(3)));
  await asked();
  await passFiveSeconds();
  const view = await shows(core, runId, ({ status }) => status === "denied");
  expect(view.steps.apply).toMatchObject({ status: "denied", attempts: 1 });
});

test("whoever asked takes the request back: there is no second attempt", async () => {
  core.kernel.enforce(policy(asks));
  const runId = await startRun(core, await define(core, steps(3)));
  const id = await asked();
  const withdrawn = await core.approvals.withdraw(
    { namespace: "default", id },
    { by: { id: "ada", kind: "service", roles: [] }, reason: "" },
  );
  expect(withdrawn.ok).toBe(true);
  const view = await shows(core, runId, ({ status }) => status === "denied");
  expect(view.steps.apply).toMatchObject({ status: "denied", attempts: 1 });
});

describe("`max_attempts` of a policy counts all attempts", () => {
  test("of a step, which has failed then", async () => {
    core.kernel.enforce(policy("constraints: { budgets: { max_attempts: 2 } }"));
    const runId = await startRun(core, await define(core, steps(5)));
    await fail(core, await take(core, "job.apply"));
    await passFiveSeconds();
    await fail(core, await take(core, "job.apply"));
    const view = await shows(core, runId, ({ status }) => status === "failed");
    expect(view.steps.apply).toMatchObject({ status: "failed", attempts: 2 });
    expect(view.error?.message).toBe("step `apply` failed: broken");
  });

  test("of a compensation", async () => {
    core.kernel.enforce(policy("constraints: { budgets: { max_attempts: 1 } }"));
    const text = `
id: undo
steps:
  book: { topic: job.book, compensate: { topic: job.apply, retries: { max_attempts: 3, backoff_ms: 5000 } } }
  pay: { topic: job.pay, depends_on: [book] }
`;
    const runId = await startRun(core, await define(core, text));
    await complete(core, await take(core, "job.book"));
    await fail(core, await take(core, "job.pay"), { nonRetryable: true });
    await fail(core, await take(core, "job.apply"));
    const view = await shows(core, runId, ({ status }) => status === "failed");
    expect(view.compensations).toMatchObject([{ step_id: "book", status: "failed", attempts: 1 }]);
  });

  test("of a subworkflow", async () => {
    core.kernel.enforce(
      snapshotFrom(
        "default_decision: allow\nrules: [{ id: once, match: { kinds: [child-workflow] }, constraints: { budgets: { max_attempts: 1 } } }]",
      ),
    );
    await define(core, "id: inner\nsteps:\n  work: { topic: job.inner }\n");
    const outer = "id: outer\nsteps:\n  sub: { type: subworkflow, input: { workflow_id: inner }, retries: { max_attempts: 3 } }\n";
    const runId = await startRun(core, await define(core, outer));
    await fail(core, await take(core, "job.inner"));
    const view = await shows(core, runId, ({ status }) => status === "failed");
    expect(view.steps.sub).toMatchObject({ status: "failed", attempts: 1 });
  });
});

describe("the kernel", () => {
  const kernel = createSafetyKernel({ newId: randomUUID, requirePolicy: false, limits: unlimited });
  kernel.enforce(policy(asks));
  const begin = (taskQueue: string) => startTestRun({ taskQueue: make(TaskQueue, { name: taskQueue }) }, { admit: kernel.admit });

  function attempt(run: TestRun, activityId: string, input: string): void {
    const more = { taskQueue: make(TaskQueue, { name: "job.apply" }), retryPolicy: make(RetryPolicy, { maximumAttempts: 1 }) };
    run.step([scheduleActivity(activityId, { activityType: { name: "job.apply" }, input: payloads(input), ...more })]);
  }

  /** Lets the held attempt go and fail. */
  function grantAndFail(run: TestRun, activityId: string): void {
    run.do((draft) => {
      const activity = run.activity(activityId);
      const event = run.history.find(({ eventId }) => eventId === activity.scheduledEventId) ?? expect.unreachable();
      const wanted = (pendingAction(draft, activity.scheduledEventId) ?? expect.unreachable()).wanted(event);
      const { jobHash } = kernel.decide(wanted, openDraft(run.state, draft.context));
      releaseActivity(draft, activity, { approvalId: `approval of ${activityId}`, jobHash });
    });
    run.pollActivity(activityId);
    run.do((draft) => failActivity(draft, run.activity(activityId), { failure: applicationFailure(), identity: "worker" }));
  }

  test.each([
    // task queue    first attempt         next attempt          asks again
    [dagTaskQueue, "apply@1", "patch 1", "apply@2", "patch 1", false],
    [dagTaskQueue, "apply@1", "patch 1", "apply@2", "patch 2", true],
    [dagTaskQueue, "apply@1", "patch 1", "other@2", "patch 1", true],
    [dagTaskQueue, "apply[1]@1", "patch 1", "apply[2]@2", "patch 1", true],
    [dagTaskQueue, "apply@1", "patch 1", "apply.compensate@2", "patch 1", true],
    ["orders", "apply@1", "patch 1", "apply@2", "patch 1", true],
    ["orders", "apply@1", "patch 1", "apply@1", "patch 1", true],
  ] as const)("%s: %s %s, then %s %s: asks again %s", (taskQueue, first, input, second, next, asksAgain) => {
    const run = begin(taskQueue);
    attempt(run, first, input);
    grantAndFail(run, first);
    expect(run.state.core.keptGrants).toHaveLength(taskQueue === dagTaskQueue ? 1 : 0);
    attempt(run, second, next);
    expect(run.activity(second).hold !== undefined).toBe(asksAgain);
    // Whoever has it keeps it no more.
    if (!asksAgain) expect(run.state.core.keptGrants).toEqual([]);
  });

  test("keeps so many grants, and loses the oldest", () => {
    const run = begin(dagTaskQueue);
    for (let item = 0; item <= keptGrantsMax; item++) {
      attempt(run, `apply[${item}]@1`, "patch");
      grantAndFail(run, `apply[${item}]@1`);
    }
    expect(run.state.core.keptGrants).toHaveLength(keptGrantsMax);
    expect(run.state.core.keptGrants[0]?.approvalId).toBe("approval of apply[1]@1");
  });
});
