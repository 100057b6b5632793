import { describe, expect, test } from "vitest";
import { inputOf, TestRun } from "../dag.test-kit.ts";
import type { Effect } from "./effect.ts";
import { advance, decide, initial } from "./evolve.ts";

const incident = `
id: incident-remediation
name: Incident remediation workflow
version: 1.0.0
steps:
  detect: {type: job, topic: job.incident.detect}
  classify: {type: job, topic: job.incident.classify, depends_on: [detect]}
  patch_plan: {type: job, topic: job.incident.patch.plan, depends_on: [classify]}
  approval_gate: {type: approval, depends_on: [patch_plan]}
  apply_patch:
    type: job
    topic: job.incident.patch.apply
    depends_on: [approval_gate]
    retries: {max_attempts: 2, backoff_ms: 5000}
  notify: {type: notify, depends_on: [apply_patch]}
`;

describe("a run", () => {
  test("goes from step to step, and closes", () => {
    const run = new TestRun(incident);
    expect(run.complete("detect@1")).toEqual(["classify@1"]);
    expect(run.complete("classify@1")).toEqual(["patch_plan@1"]);
    expect(run.complete("patch_plan@1")).toEqual(["approval_gate@1"]);
    expect(run.step("approval_gate").action?.status).toBe("waiting");
    expect(run.complete("approval_gate@1", { approved: true })).toEqual(["apply_patch@1"]);
    expect(run.fail("apply_patch@1")).toEqual(["timer apply_patch@1.retry"]);
    expect(run.fire("apply_patch@1.retry")).toEqual(["apply_patch@2"]);
    expect(run.complete("apply_patch@2")).toEqual(["close succeeded"]);
    expect(run.status).toBe("succeeded");
    expect(run.lines).toEqual([
      "run_status running",
      "step_dispatched detect running",
      "step_completed detect succeeded",
      "step_dispatched classify running",
      "step_completed classify succeeded",
      "step_dispatched patch_plan running",
      "step_completed patch_plan succeeded",
      "step_dispatched approval_gate running",
      "step_waiting approval_gate waiting",
      "step_approved approval_gate succeeded",
      "step_completed approval_gate succeeded",
      "step_dispatched apply_patch running",
      "step_retry_scheduled apply_patch pending",
      "step_dispatched apply_patch running",
      "step_completed apply_patch succeeded",
      "step_event_emitted notify succeeded",
      "run_status succeeded",
    ]);
  });

  test("wants its activities with all that policies and routing look at", () => {
    const run = new TestRun("other: {topic: job.other}");
    run.spec.steps.length;
    const { spec } = new TestRun(`
steps:
  apply:
    topic: job.apply
    worker_id: w7
    labels: {env: prod}
    route_labels: {zone: a}
    meta: {capability: write, risk_tags: [prod], requires: [git], labels: {team: ops}, actor_id: bot}
    risk_tags: [data]
    priority: critical
    timeout: 30s
    heartbeat_timeout: 5s
    input: {id: "\${input.id}"}
`);
    const state = advance(spec, initial(spec), {
      type: "RunStarted",
      at: 5,
      runId: "r9",
      workflowId: "wf",
      input: { id: 7 },
      context: {},
      labels: { ticket: "T-1" },
      callStack: [],
      kept: {},
    }).state;
    expect(decide(state)).toEqual([
      {
        type: "ScheduleActivity",
        activityId: "apply@1",
        jobId: "r9:apply@1",
        stepId: "apply",
        stepType: "job",
        itemIndex: null,
        attempt: 1,
        compensates: false,
        target: { to: "topic", topic: "job.apply" },
        input: { id: 7 },
        timeouts: { startToCloseMs: 30_000, heartbeatMs: 5_000, scheduleToStartMs: null, scheduleToCloseMs: null },
        priority: "critical",
        labels: {
          ticket: "T-1",
          team: "ops",
          env: "prod",
          zone: "a",
          worker_id: "w7",
          workflow_id: "wf",
          run_id: "r9",
          step_id: "apply",
        },
        workerId: "w7",
        capability: "write",
        riskTags: ["prod", "data"],
        requires: ["git"],
        packId: null,
        actorId: "bot",
        actorType: null,
        idempotencyKey: null,
      } satisfies Effect,
    ]);
  });

  test("answers that nobody waits for change nothing", () => {
    const run = new TestRun("a: {topic: job.a, retry: {max_retries: 1}}");
    run.fail("a@1");
    const before = run.state;
    for (const late of ["a@1", "a@2", "a@01", "b@1", "a[0]@1", "a.compensate@1", "nonsense"]) run.complete(late);
    expect({ ...run.state, updatedAt: 0 }).toEqual({ ...before, updatedAt: 0 });
  });

  test("ends with the output of the definition", () => {
    const run = new TestRun("output: {sum: '${steps.a.output.n}'}\nsteps: {a: {topic: job.a}}");
    run.complete("a@1", { n: 3 });
    expect(run.state.ending).toMatchObject({ status: "succeeded", output: { sum: 3 } });
  });

  test("takes only so long", () => {
    const run = new TestRun("timeout: 10s\nsteps: {a: {topic: job.a}}");
    expect(run.events.filter(({ type }) => type === "TimerStarted")).toMatchObject([{ timerId: "run.timeout" }]);
    expect(run.fire("run.timeout")).toEqual(["cancel a@1", "close timed_out"]);
  });

  test("is refused with an input that the definition does not want", () => {
    const run = new TestRun("input_schema: {type: object, required: [id]}\nsteps: {a: {topic: job.a}}");
    expect(run.status).toBe("failed");
    expect(run.state.ending?.error?.message).toBe("input schema validation failed: the value must have required property 'id'");
  });
});

describe("results of an action", () => {
  const text = "a: {topic: job.a, retries: {max_attempts: 3, backoff_ms: 10}}\nb: {topic: job.b, depends_on: [a]}";
  const fatal = { retryable: false, message: "no such disk" };
  test.each([
    // what happens                                              the run goes on with            status of the run
    [(run: TestRun) => run.complete("a@1"), ["b@1"], "open"],
    [(run: TestRun) => run.fail("a@1"), ["timer a@1.retry"], "open"],
    [(run: TestRun) => run.timeOut("a@1"), ["timer a@1.retry"], "open"],
    [(run: TestRun) => run.fail("a@1", fatal), ["close failed"], "failed"],
    [(run: TestRun) => run.deny("a@1"), ["close denied"], "denied"],
    [(run: TestRun) => run.canceled("a@1"), ["close failed"], "failed"],
    [(run: TestRun) => run.cancel(), ["cancel a@1", "close cancelled"], "cancelled"],
  ])("%s → %j, %s", (happens, effects, status) => {
    const run = new TestRun(text);
    expect(happens(run)).toEqual(effects);
    expect(run.status).toBe(status);
  });

  test("attempts end", () => {
    const run = new TestRun("a: {topic: job.a, retry: {max_retries: 2, initial_backoff_sec: 3, max_backoff_sec: 5}}");
    const pauses: number[] = [];
    for (const attempt of [1, 2]) {
      run.fail(`a@${attempt}`);
      pauses.push((run.step("a").action?.nextAttemptAt ?? 0) - run.now);
      run.fire(`a@${attempt}.retry`);
    }
    expect(run.timeOut("a@3")).toEqual(["close timed_out"]);
    expect(pauses).toEqual([3_000, 5_000]);
    expect(run.state.ending?.error?.message).toBe("step `a` timed out: too slow");
  });

  test("an output that breaks its schema is fatal", () => {
    const run = new TestRun("a: {topic: job.a, output_schema: {type: number}, retries: {max_attempts: 3}}");
    expect(run.complete("a@1", "text")).toEqual(["close failed"]);
    expect(run.lines).toContain("step_output_invalid a failed");
  });

  test("an input that breaks its schema, or has no value, is fatal before anything is asked of a worker", () => {
    expect(new TestRun("a: {topic: job.a, input: {n: x}, input_schema: {properties: {n: {type: number}}}}").status).toBe("failed");
    const run = new TestRun("a: {topic: job.a, input: {n: '${input.x + 1}'}}");
    expect([run.status, run.step("a").error?.message]).toEqual(["failed", expect.stringContaining("`input.x + 1`")]);
  });
});

describe("errors of a step", () => {
  test("continue_on_error: what depends on it goes on", () => {
    const run = new TestRun("a: {topic: job.a, continue_on_error: true}\nb: {topic: job.b, depends_on: [a]}");
    expect(run.fail("a@1")).toEqual(["b@1"]);
    expect(run.complete("b@1")).toEqual(["close succeeded"]);
    expect(run.statuses).toEqual({ a: "failed", b: "succeeded" });
  });

  const handled = `
a: {topic: job.a, on_error: rescue}
rescue: {topic: job.rescue, input: {why: "\${steps.a.error.message}"}}
b: {topic: job.b, depends_on: [a]}
c: {topic: job.c, depends_on: [rescue]}
`;
  test("on_error: the handler stands in", () => {
    const run = new TestRun(handled);
    expect(run.wanted).toEqual([]);
    run.happen({ type: "ActivityFailed", at: 1, activityId: "a@1", failure: { type: "E", message: "lost", retryable: true } });
    expect(inputOf(run, "rescue@1")).toEqual({ why: "lost" });
    expect(run.carryOut()).toEqual(["rescue@1"]);
    expect(run.complete("rescue@1").toSorted()).toEqual(["b@1", "c@1"]);
    run.complete("b@1");
    expect(run.complete("c@1")).toEqual(["close succeeded"]);
  });

  test("on_error: a handler that is not needed is passed over, and so is what only it leads to", () => {
    const run = new TestRun(handled);
    expect(run.complete("a@1")).toEqual(["b@1"]);
    expect(run.complete("b@1")).toEqual(["close succeeded"]);
    expect(run.statuses).toEqual({ a: "succeeded", rescue: "cancelled", b: "succeeded", c: "cancelled" });
  });

  test("on_error: a handler that fails fails the run", () => {
    const run = new TestRun(handled);
    run.fail("a@1");
    expect(run.fail("rescue@1")).toEqual(["close failed"]);
  });

  test("on_error: a handler that is over stands in for who calls it later", () => {
    const run = new TestRun("a: {topic: job.a, on_error: h}\nb: {topic: job.b, on_error: h}\nh: {topic: job.h, continue_on_error: true}");
    run.fail("a@1");
    run.fail("h@1");
    expect(run.fail("b@1")).toEqual(["close succeeded"]);
  });

  test("neither lets a denied run go on", () => {
    for (const text of [handled, "a: {topic: job.a, continue_on_error: true}"])
      expect(new TestRun(text).deny("a@1")).toEqual(["close denied"]);
  });
});

describe("compensation", () => {
  const saga = `
book: {topic: job.book, compensate: {topic: job.unbook, input: {id: "\${output.id}"}}}
pay: {topic: job.pay, depends_on: [book], compensate: {topic: job.refund, retries: {max_attempts: 2, backoff_ms: 1}}}
ship: {topic: job.ship, depends_on: [pay], compensate: {topic: job.unship}}
`;
  test("undoes what was done, the last first", () => {
    const run = new TestRun(saga);
    run.complete("book@1", { id: 4 });
    run.complete("pay@1");
    run.happen({ type: "ActivityFailed", at: run.now, activityId: "ship@1", failure: { type: "E", message: "", retryable: false } });
    expect(run.carryOut()).toEqual(["pay.compensate@1"]);
    expect(run.fail("pay.compensate@1")).toEqual(["timer pay.compensate@1.retry"]);
    expect(run.fire("pay.compensate@1.retry")).toEqual(["pay.compensate@2"]);
    run.happen({ type: "ActivityCompleted", at: run.now, activityId: "pay.compensate@2", output: null });
    expect(inputOf(run, "book.compensate@1")).toEqual({ id: 4 });
    expect(run.carryOut()).toEqual(["book.compensate@1"]);
    expect(run.status).toBe("open");
    expect(run.complete("book.compensate@1")).toEqual(["close failed"]);
  });

  test("a compensation that fails, or is denied, is recorded, and the others go on", () => {
    const run = new TestRun(saga);
    run.complete("book@1", { id: 4 });
    run.complete("pay@1");
    expect(run.cancel()).toEqual(["cancel ship@1"]);
    // It was too late to stop it.
    expect(run.complete("ship@1")).toEqual(["ship.compensate@1"]);
    expect(run.deny("ship.compensate@1")).toEqual(["pay.compensate@1"]);
    expect(run.fail("pay.compensate@1", { retryable: false })).toEqual(["book.compensate@1"]);
    expect(run.complete("book.compensate@1")).toEqual(["close cancelled"]);
    expect(run.state.compensation?.results.map(({ status }) => status)).toEqual(["denied", "failed", "succeeded"]);
  });

  test("a denial stops the run as it is, unless the definition wants it undone", () => {
    const denied = (text: string) => {
      const run = new TestRun(text);
      run.complete("book@1", { id: 4 });
      return run.deny("pay@1");
    };
    expect(denied(saga)).toEqual(["close denied"]);
    expect(denied(`compensate_on: [denied]\nsteps:\n${saga.replace(/^/gm, "  ")}`)).toEqual(["book.compensate@1"]);
  });

  test("a cancellation while a run is undone does not stop that", () => {
    const run = new TestRun(saga);
    run.complete("book@1");
    run.fail("pay@1");
    expect(run.cancel()).toEqual([]);
    expect(run.complete("book.compensate@1")).toEqual(["close failed"]);
  });

  test("items and turns are undone each for itself", () => {
    const run = new TestRun(
      `
all: {topic: job.make, for_each: input.of, compensate: {topic: job.unmake, input: {of: "\${item}"}}}
bad: {topic: job.bad, depends_on: [all]}
`,
      { input: { of: ["x", "y"] } },
    );
    run.complete("all[1]@1");
    run.complete("all[0]@1");
    expect(run.fail("bad@1")).toEqual(["all[0].compensate@1"]);
    expect(run.complete("all[0].compensate@1")).toEqual(["all[1].compensate@1"]);
  });
});
