import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toPayload } from "../../dag/payload.ts";
import { defaultLimits } from "../../execution/limits.ts";
import { make } from "../../protocol/codec.ts";
import { Payloads, WorkflowType } from "../../protocol/generated/temporal/api/common/v1/message.ts";
import { HistoryEventFilterType } from "../../protocol/generated/temporal/api/enums/v1/workflow.ts";
import { History } from "../../protocol/generated/temporal/api/history/v1/message.ts";
import { TaskQueue } from "../../protocol/generated/temporal/api/taskqueue/v1/message.ts";
import {
  GetWorkflowExecutionHistoryRequest,
  StartWorkflowExecutionRequest,
} from "../../protocol/generated/temporal/api/workflowservice/v1/request_response.ts";
import { accepted, openCore, patient, type TestCore } from "../service.test-kit.ts";
import { ada, agreed, complete, define, fail, headerIn, shows, startRun, stepStatuses, take, timerOf } from "./dag.test-kit.ts";
import { runMemo } from "./run-record.ts";

let core: TestCore;
beforeEach(async () => {
  core = await openCore();
});
afterEach(async () => {
  await core.stop();
  await core.store.close();
});

const chain = `
id: patching
labels: { team: ops }
steps:
  plan: { topic: job.plan, capability: read.hosts, risk_tags: [prod] }
  apply: { topic: job.apply, depends_on: [plan], input: { plan: "\${steps.plan.output.plan}" }, retries: { max_attempts: 2, backoff_ms: 5000 } }
output: { applied: "\${steps.apply.output}" }
`;

test("jobs go to the task queue of their topic one after the other, and the run ends with its output", async () => {
  const runId = await startRun(core, await define(core, chain), { host: "web-1" });
  const plan = await take(core, "job.plan");
  expect(plan.id).toBe("plan@1");
  expect(plan.task.activityType?.name).toBe("job.plan");
  expect(plan.task.workflowExecution?.workflowId).toBe(runId);
  expect(plan.input).toEqual({ host: "web-1" });
  expect(headerIn(plan)).toEqual({
    v: 1,
    topic: "job.plan",
    labels: { team: "ops", workflow_id: "patching", run_id: runId, step_id: "plan" },
    capability: "read.hosts",
    risk_tags: ["prod"],
    requires: [],
    idempotency_key: `${runId}:plan`,
  });
  await complete(core, plan, { plan: [1, 2] });
  const apply = await take(core, "job.apply");
  expect(apply.input).toEqual({ plan: [1, 2] });
  await complete(core, apply, "done");
  const view = await shows(core, runId, ({ status }) => status === "succeeded");
  expect(view.output).toEqual({ applied: "done" });
  expect(view.steps.apply).toMatchObject({ status: "succeeded", attempts: 1, job_id: `${runId}:apply@1` });
});

test("a failed attempt is tried again after its pause, as another job", async () => {
  const runId = await startRun(core, await define(core, chain));
  await complete(core, await take(core, "job.plan"), { plan: 1 });
  await fail(core, await take(core, "job.apply"));
  await timerOf(core, 5_000);
  core.clock.advance(5_000);
  const again = await take(core, "job.apply");
  expect(again.id).toBe("apply@2");
  expect(headerIn(again)).toMatchObject({ idempotency_key: `${runId}:apply` });
  await fail(core, again);
  const view = await shows(core, runId, ({ status }) => status === "failed");
  expect(view.error).toEqual({ message: "step `apply` failed: broken", step_id: "apply" });
  expect(agreed(await core.dag.runs.list("default", all)).runs).toMatchObject([{ runId, status: "failed" }]);
});

const all = { workflowId: undefined, status: undefined, startedAfter: undefined, startedBefore: undefined, limit: 10, after: null };

test("a run keeps the definition that it started with, also when the workflow is changed or deleted", async () => {
  const workflowId = await define(core, chain);
  const runId = await startRun(core, workflowId);
  await define(core, "id: patching\nsteps:\n  other: { topic: job.other }\n");
  agreed(await core.dag.workflows.remove("default", workflowId));
  await complete(core, await take(core, "job.plan"), { plan: 1 });
  await complete(core, await take(core, "job.apply"));
  expect(stepStatuses(await shows(core, runId, ({ status }) => status === "succeeded"))).toEqual({ plan: "succeeded", apply: "succeeded" });
  expect(await core.dag.runs.start(ada, { workflowId, input: {}, labels: {}, idempotencyKey: null })).toMatchObject({
    error: { kind: "no-such-workflow" },
  });
});

describe("idempotency", () => {
  const ask = (input: object, idempotencyKey: string) =>
    core.dag.runs.start(ada, { workflowId: "patching", input: { ...input }, labels: {}, idempotencyKey });

  test("100 identical starts at once are one run", async () => {
    await define(core, chain);
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask({ host: "web-1" }, "key-1")));
    expect(new Set(answers.map((answer) => agreed(answer).runId)).size).toBe(1);
    expect(agreed(await core.dag.runs.list("default", all)).runs).toHaveLength(1);
  });

  test("the same key for something else is refused, another key is another run", async () => {
    await define(core, chain);
    const { runId } = agreed(await ask({ host: "web-1" }, "key-1"));
    expect(await ask({ host: "web-2" }, "key-1")).toEqual({ ok: false, error: { kind: "idempotency-key-reused" } });
    expect(agreed(await ask({ host: "web-1" }, "key-2")).runId).not.toBe(runId);
  });
});

test("a subworkflow is a run of its own, named by its parent", async () => {
  await define(core, `id: inner\nsteps:\n  work: { topic: job.inner }\noutput: { was: "\${steps.work.output}" }\n`);
  const outer = await define(core, "id: outer\nsteps:\n  sub: { type: subworkflow, input: { workflow_id: inner } }\n");
  const runId = await startRun(core, outer, { n: 1 });
  const job = await take(core, "job.inner");
  expect(job.task.workflowExecution?.workflowId).toBe(`${runId}:sub@1`);
  await complete(core, job, 7);
  const view = await shows(core, runId, ({ status }) => status === "succeeded");
  const childRunId = `${runId}:sub@1`;
  expect(view.steps.sub).toMatchObject({ child_run_id: childRunId, output: { child_status: "succeeded", output: { was: 7 } } });
  expect(agreed(await core.dag.runs.get("default", childRunId))).toMatchObject({
    view: { id: childRunId, status: "succeeded" },
    record: { parentRunId: runId },
  });
});

test("a cancelled run compensates what it has done, the last first, and ends as cancelled", async () => {
  const runId = await startRun(
    core,
    await define(
      core,
      `
id: saga
steps:
  book: { topic: job.book, compensate: { topic: job.unbook } }
  pay: { topic: job.pay, depends_on: [book], compensate: { topic: job.refund } }
  ship: { type: signal, depends_on: [pay] }
`,
    ),
  );
  await complete(core, await take(core, "job.book"), "b");
  await complete(core, await take(core, "job.pay"), "p");
  await shows(core, runId, ({ status }) => status === "waiting");
  agreed(await core.dag.runs.cancel(ada, runId, "changed my mind"));
  const refund = await take(core, "job.refund");
  expect(refund).toMatchObject({ id: "pay.compensate@1", input: "p" });
  await complete(core, refund);
  await complete(core, await take(core, "job.unbook"));
  const view = await shows(core, runId, ({ status }) => status === "cancelled");
  expect(view.compensations.map(({ step_id, status }) => `${step_id} ${status}`)).toEqual(["pay succeeded", "book succeeded"]);
  expect(view.error?.message).toBe("changed my mind");
  expect(await core.dag.runs.cancel(ada, runId, "")).toEqual({ ok: false, error: { kind: "run-ended" } });
});

test("the timeline is read in pages, whose lines stay where they are", async () => {
  const runId = await startRun(core, await define(core, chain));
  await complete(core, await take(core, "job.plan"), { plan: 1 });
  const first = agreed(await core.dag.runs.timeline("default", runId, { skip: 0, limit: 2 }));
  expect(first.map(({ type, step_id, job_id }) => [type, step_id, job_id])).toEqual([
    ["run_status", undefined, undefined],
    ["step_dispatched", "plan", `${runId}:plan@1`],
  ]);
  await complete(core, await take(core, "job.apply"));
  await shows(core, runId, ({ status }) => status === "succeeded");
  const whole = agreed(await core.dag.runs.timeline("default", runId, { skip: 0, limit: 100 }));
  expect(whole.slice(0, 2)).toEqual(first);
  expect(agreed(await core.dag.runs.timeline("default", runId, { skip: 2, limit: 100 }))).toEqual(whole.slice(2));
});

test("a rerun from a step takes over what came before it", async () => {
  const runId = await startRun(core, await define(core, chain));
  await complete(core, await take(core, "job.plan"), { plan: "old" });
  await fail(core, await take(core, "job.apply"), { nonRetryable: true });
  await shows(core, runId, ({ status }) => status === "failed");
  const rerun = { runId, fromStep: "apply", input: null, idempotencyKey: "again" };
  const { runId: again } = agreed(await core.dag.runs.rerun(ada, rerun));
  expect(agreed(await core.dag.runs.rerun(ada, rerun)).runId).toBe(again);
  const apply = await take(core, "job.apply");
  expect(apply.input).toEqual({ plan: "old" });
  await complete(core, apply);
  await shows(core, again, ({ status }) => status === "succeeded");
  expect(agreed(await core.dag.runs.get("default", again)).record).toMatchObject({ rerunOf: runId, rerunStep: "apply" });
  expect(await core.dag.runs.rerun(ada, { ...rerun, fromStep: "nothing" })).toMatchObject({ error: { message: "step not found" } });
});

test("a history may be longer than that of code: each job and each decision are three events", async () => {
  const small = await openCore({ limits: { ...defaultLimits, historyCountError: 50 } });
  const items = Array.from({ length: 40 }, (_, index) => index);
  const each = `id: each\nsteps:\n  a: { topic: job.a, for_each: "\${input}", max_parallel: 1, input: { n: "\${item}" } }\n`;
  const runId = await startRun(small, await define(small, each), items);
  for (const index of items) {
    const job = await take(small, "job.a");
    expect([job.id, job.input]).toEqual([`a[${index}]@1`, { n: index, item: index }]);
    await complete(small, job);
  }
  await shows(small, runId, ({ status }) => status === "succeeded");
  await small.stop();
  await small.store.close();
});

test.each([
  ["without a memo", false],
  ["with the memo of a run and an input that is none", true],
])("an execution that somebody starts on the task queue of runs, %s, fails and says why", async (_, hasMemo) => {
  await define(core, chain);
  const { sha256 } = agreed(await core.dag.workflows.get("default", "patching"));
  const request = {
    namespace: "default",
    workflowId: "strange",
    workflowType: make(WorkflowType, { name: "patching" }),
    taskQueue: make(TaskQueue, { name: "holdfast-dag" }),
    input: make(Payloads, { payloads: [toPayload({ runId: "strange", workflowId: "patching" })] }),
    memo: hasMemo ? runMemo({ ...strange, definition: sha256 }) : undefined,
    requestId: "1",
  };
  accepted(await core.services.startWorkflowExecution(make(StartWorkflowExecutionRequest, request), patient));
  const execution = { workflowId: "strange", runId: "" };
  const closed = make(GetWorkflowExecutionHistoryRequest, {
    namespace: "default",
    execution,
    waitNewEvent: true,
    historyEventFilterType: HistoryEventFilterType.CLOSE_EVENT,
  });
  const { history } = accepted(await core.services.getWorkflowExecutionHistory(closed, patient));
  const [event] = History.decode(history ?? new Uint8Array()).events;
  expect(event?.attributes).toMatchObject({
    $case: "workflowExecutionFailedEventAttributes",
    value: { failure: { message: "this task queue is for runs of declarative workflows: start them over the REST API" } },
  });
  expect(await core.dag.runs.get("default", "strange")).toMatchObject({ error: { kind: "unreadable-run" } });
});
const strange = {
  labels: {},
  triggeredBy: "",
  idempotencyKey: null,
  rerunOf: null,
  rerunStep: null,
  parentRunId: null,
  orgId: "",
  teamId: "",
  traceId: "",
};
