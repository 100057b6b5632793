import { describe, expect, test } from "vitest";
import { TestRun } from "../dag.test-kit.ts";
import { runStatus, runView } from "./run.ts";
import { timelineEvent } from "./timeline.ts";

test("a run as the API shows it", () => {
  const run = new TestRun(
    `
org_id: acme
steps:
  a: {topic: job.a, output_path: a, retries: {max_attempts: 2, backoff_ms: 1000}, compensate: {topic: job.undo}}
  all: {topic: job.one, for_each: input.list, depends_on: [a]}
`,
    { input: { list: ["x"] }, labels: { ticket: "T" } },
  );
  run.now = 1_001_000;
  run.fail("a@1");
  expect(runView(run.spec, run.state).steps.a).toEqual({
    step_id: "a",
    status: "pending",
    started_at: "1970-01-01T00:16:40.000Z",
    completed_at: null,
    next_attempt_at: "1970-01-01T00:16:42.000Z",
    attempts: 2,
    input: { list: ["x"] },
    output: null,
    error: { message: "broken" },
    job_id: "r1:a@2",
  });
  run.fire("a@1.retry");
  run.complete("a@2", { n: 1 });
  run.fail("all[0]@1", { message: "no" });
  run.now = 1_002_000;
  run.complete("a.compensate@1");
  expect(runView(run.spec, run.state)).toMatchObject({
    id: "r1",
    workflow_id: "w1",
    org_id: "acme",
    input: { list: ["x"] },
    context: { a: { n: 1 } },
    status: "failed",
    started_at: "1970-01-01T00:16:40.000Z",
    completed_at: "1970-01-01T00:16:42.000Z",
    output: null,
    error: { message: "step `all` failed: item 0: no", step_id: "all" },
    labels: { ticket: "T" },
    steps: {
      a: { status: "succeeded", attempts: 2, output: { n: 1 } },
      all: {
        status: "failed",
        job_id: "",
        children: { "all[0]": { step_id: "all[0]", status: "failed", job_id: "r1:all[0]@1", item: "x", error: { message: "no" } } },
      },
    },
    compensations: [{ step_id: "a", status: "succeeded", attempts: 1, job_id: "r1:a.compensate@1", error: null }],
  });
});

describe("the status of an open run", () => {
  test.each([
    ["a: {topic: job.a}", "running"],
    ["a: {type: approval}", "waiting"],
    ["a: {type: signal}", "waiting"],
    ["a: {type: approval}\nb: {topic: job.b}", "running"],
    ["a: {type: approval, for_each: input.list}", "waiting"],
    ["a: {type: delay, delay: 1h}", "running"],
  ])("%s → %s", (text, status) => {
    expect(runStatus(new TestRun(text, { input: { list: [1] } }).state)).toBe(status);
  });
});

test("a line of the timeline as the API shows it", () => {
  const run = new TestRun("a: {topic: job.a}");
  run.fail("a@1", { message: "no" });
  expect(run.timeline.map((entry) => timelineEvent({ runId: "r1", workflowId: "w1" }, entry))).toEqual([
    { time: "1970-01-01T00:16:40.000Z", type: "run_status", run_id: "r1", workflow_id: "w1", status: "running" },
    {
      time: "1970-01-01T00:16:40.000Z",
      type: "step_dispatched",
      run_id: "r1",
      workflow_id: "w1",
      step_id: "a",
      job_id: "r1:a@1",
      status: "running",
    },
    {
      time: "1970-01-01T00:16:40.000Z",
      type: "step_completed",
      run_id: "r1",
      workflow_id: "w1",
      step_id: "a",
      job_id: "r1:a@1",
      status: "failed",
      message: "no",
    },
    {
      time: "1970-01-01T00:16:40.000Z",
      type: "run_status",
      run_id: "r1",
      workflow_id: "w1",
      status: "failed",
      message: "step `a` failed: no",
    },
  ]);
});
