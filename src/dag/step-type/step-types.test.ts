import { describe, expect, test } from "vitest";
import { inputOf, runStart, specFrom, TestRun } from "../dag.test-kit.ts";
import { decide, evolve, initial } from "../decider/evolve.ts";

describe("condition", () => {
  test.each([
    ["input.n > 3", { n: 4 }, true],
    ["input.n > 3", { n: 2 }, false],
    ["!input.missing", {}, true],
    ["input.n > 3 && input.ok", { n: 4, ok: false }, false],
  ])("%s of %j → %s, and what depends on it runs in either case", (condition, input, value) => {
    const run = new TestRun(`is: {type: condition, condition: "${condition}"}\nnext: {topic: job.n, depends_on: [is]}`, { input });
    expect(run.step("is").output).toBe(value);
    expect(run.step("next").status).toBe("running");
  });

  test("of another step: false passes it over in silence", () => {
    const run = new TestRun("a: {topic: job.a, condition: input.go}\nb: {topic: job.b, depends_on: [a]}");
    expect(run.statuses).toEqual({ a: "succeeded", b: "running" });
    expect(run.step("a").output).toBe(null);
  });

  test("an expression without a value fails the step", () => {
    expect(new TestRun("a: {topic: job.a, condition: 'input.x.y + 1 > 2'}").status).toBe("failed");
  });
});

describe("switch", () => {
  const text = `
which:
  type: switch
  condition: input.kind
  input:
    cases: [{when: big, next: approve}, {match: 2, target: count}]
    default_step: other
approve: {topic: job.approve, depends_on: [which]}
count: {topic: job.count}
other: {topic: job.other, depends_on: [which]}
last: {topic: job.last, depends_on: [approve, count, other]}
more: {topic: job.more, depends_on: [count]}
`;
  test.each([
    ["big", "approve", { matched_case: 0, matched_value: "big", target_step: "approve" }],
    [2, "count", { matched_case: 1, matched_value: 2, target_step: "count" }],
    ["small", "other", { matched_case: "default", matched_value: "small", target_step: "other" }],
  ])("%j → %s", (kind, taken, output) => {
    const run = new TestRun(text, { input: { kind } });
    expect(run.step("which").output).toEqual(output);
    const others = ["approve", "count", "other"].filter((id) => id !== taken);
    expect(others.map((id) => [run.step(id).status, run.step(id).error?.message])).toEqual(
      others.map(() => ["cancelled", "switch_branch_not_taken"]),
    );
    run.complete(`${taken}@1`);
    if (taken === "count") run.complete("more@1");
    expect(run.complete("last@1")).toEqual(["close succeeded"]);
    expect(run.statuses.more).toBe(taken === "count" ? "succeeded" : "cancelled");
  });

  test("without a default, no branch is taken", () => {
    const run = new TestRun("s: {type: switch, condition: input.x, input: {cases: {a: t}}}\nt: {topic: job.t}");
    expect([run.status, run.statuses]).toEqual(["succeeded", { s: "succeeded", t: "cancelled" }]);
  });
});

describe("parallel", () => {
  const text = (settings: string): string => `
fan: {type: parallel, input: {steps: [a, b, c], ${settings}}}
a: {topic: job.a}
b: {topic: job.b, depends_on: [fan]}
c: {topic: job.c}
next: {topic: job.next, depends_on: [fan]}
`;
  test("all: ends with the last", () => {
    const run = new TestRun(text("strategy: all"));
    run.complete("b@1", "B");
    run.complete("a@1", "A");
    expect(run.complete("c@1", "C")).toEqual(["next@1"]);
    expect(run.step("fan").output).toEqual({ a: "A", b: "B", c: "C" });
  });
  test("all: fails with the first", () => {
    const run = new TestRun(text("strategy: all"));
    expect(run.fail("b@1")).toEqual(["cancel a@1", "cancel c@1", "close failed"]);
    expect(run.state.ending?.stepId).toBe("fan");
  });
  test("any: the first decides, and the others are cancelled", () => {
    const run = new TestRun(text("strategy: any"));
    expect(run.fail("a@1")).toEqual([]);
    expect(run.complete("c@1", 1)).toEqual(["cancel b@1", "next@1"]);
    expect(run.step("fan").output).toEqual({ c: 1 });
    expect(run.complete("next@1")).toEqual(["close succeeded"]);
  });
  test("n of m", () => {
    const run = new TestRun(text("strategy: n-of-m, required: 2"));
    run.complete("a@1");
    expect(run.complete("b@1")).toEqual(["cancel c@1", "next@1"]);
    const bad = new TestRun(text("required: 2"));
    bad.fail("a@1");
    expect(bad.fail("b@1")).toEqual(["cancel c@1", "close failed"]);
  });
  test("a denied branch stops the run, however many must succeed", () => {
    expect(new TestRun(text("strategy: any")).deny("a@1")).toEqual(["cancel b@1", "cancel c@1", "close denied"]);
  });
  test("max_parallel", () => {
    const run = new TestRun(text("max_parallel: 1"));
    expect(run.statuses).toMatchObject({ a: "running", b: "pending", c: "pending" });
    expect(run.complete("a@1")).toEqual(["b@1"]);
  });
  test("max_parallel: a branch whose handler waits for another one does not take its place", () => {
    const run = new TestRun(`
fan: {type: parallel, input: {steps: [a, b], strategy: any, max_parallel: 1}}
a: {topic: job.a, on_error: h}
b: {topic: job.b}
h: {topic: job.h, depends_on: [b]}
`);
    expect(run.statuses).toMatchObject({ a: "pending", b: "running" });
  });
  test("takes only so long", () => {
    const run = new TestRun("fan: {type: parallel, timeout: 1m, input: {steps: 'a, b'}}\na: {topic: job.a}\nb: {topic: job.b}");
    expect(run.fire("fan@1.timeout")).toEqual(["cancel a@1", "cancel b@1", "close timed_out"]);
  });
});

describe("for_each", () => {
  const text = `
all: {topic: job.one, for_each: "\${input.list}", max_parallel: 2, input: {name: "n-\${item.n}", at: "\${foreach_index}"}}
next: {topic: job.next, depends_on: [all]}
`;
  const input = { list: [{ n: 1 }, { n: 2 }, { n: 3 }] };
  test("runs so many at once, and gives the list of outputs", () => {
    const run = new TestRun(text, { input });
    expect(Object.keys(run.step("all").group?.actions ?? {})).toEqual(["0", "1"]);
    expect(run.complete("all[1]@1", "two")).toEqual(["all[2]@1"]);
    run.complete("all[0]@1", "one");
    expect(run.complete("all[2]@1", "three")).toEqual(["next@1"]);
    expect(run.step("all").output).toEqual(["one", "two", "three"]);
  });
  test("each gets its own input, with its item", () => {
    const run = new TestRun(text, { input });
    run.happen({ type: "ActivityCompleted", at: 1, activityId: "all[0]@1", output: null });
    expect(inputOf(run, "all[2]@1")).toEqual({ name: "n-3", at: 2, item: { n: 3 } });
  });
  test.each([
    // for_each                                    input of the run                                input of the second item
    [
      "topic: job.one, for_each: input.hosts.list",
      { hosts: { list: ["a", "b"], port: 80 }, n: 1 },
      { hosts: { port: 80 }, n: 1, item: "b" },
    ],
    ["topic: job.one, for_each: input", ["a", "b"], { item: "b" }],
    ["topic: job.one, for_each: ctx.list", { list: ["a"] }, { list: ["a"], item: "b" }],
    ["type: subworkflow, input: {workflow_id: other}, for_each: input.list", { list: ["a", "b"], n: 1 }, { n: 1, item: "b" }],
  ])("%s, without an input of its own: it gets that of the run, with its item in place of the list", (step, of, expected) => {
    const spec = specFrom(`all: {${step}}`);
    const state = evolve(spec, initial(spec), { type: "RunStarted", at: 1, ...runStart, input: of, context: { list: ["a", "b"] } });
    const inputs = decide(state).map((effect) => ("input" in effect ? effect.input : null));
    expect(inputs[1]).toEqual({ ...expected, foreach_index: 1 });
  });
  test("the first that fails fails the step", () => {
    const run = new TestRun(text, { input });
    expect(run.fail("all[1]@1")).toEqual(["cancel all[0]@1", "close failed"]);
    expect(run.step("all").error?.message).toBe("item 1: broken");
  });
  test("continue_on_error: the others go on", () => {
    const run = new TestRun("all: {topic: job.one, for_each: input.list, continue_on_error: true}", { input });
    run.fail("all[0]@1");
    run.complete("all[1]@1");
    expect(run.complete("all[2]@1")).toEqual(["close succeeded"]);
    expect(run.step("all").error?.message).toBe("1 of 3 items failed");
  });
  test("nothing to do is success; no list is failure", () => {
    expect(new TestRun("all: {topic: job.one, for_each: input.list}", { input: { list: [] } }).status).toBe("succeeded");
    expect(new TestRun("all: {topic: job.one, for_each: input.list}").status).toBe("failed");
  });
  test("over what happens at once", () => {
    const run = new TestRun("all: {type: transform, for_each: input.list, max_parallel: 1, input: {double: '${item.n * 2.0}'}}", { input });
    expect(run.step("all").output).toEqual([{ double: 2 }, { double: 4 }, { double: 6 }]);
  });
});

describe("loop", () => {
  test("until what a turn gave is good", () => {
    const run = new TestRun(`
tries: {type: loop, input: {body: try, until: loop.previous_output.ok, max_iterations: 3}}
try: {topic: job.try, input: {turn: "\${loop.iteration}"}}
next: {topic: job.next, depends_on: [try]}
`);
    expect(run.complete("tries[0]@1", { ok: false })).toEqual(["tries[1]@1"]);
    expect(run.complete("tries[1]@1", { ok: true })).toEqual(["next@1"]);
    expect(run.step("tries").output).toEqual({ iterations: 2, last_output: { ok: true } });
    expect(run.step("try").output).toEqual({ ok: true });
  });
  test.each([
    ["max_iterations: 4", "succeeded", 4],
    ["while: loop.index < 3", "succeeded", 3],
    ["while: input.never", "succeeded", 0],
    ["until: input.never, max_iterations: 2", "failed", 2],
    ["while: 'loop_index < 5', max_iterations: 2", "failed", 2],
  ])("%s → %s after %s turns", (settings, status, turns) => {
    const run = new TestRun(`l: {type: loop, input: {body: t, ${settings}}}\nt: {type: transform, input: {n: "\${loop_index}"}}`);
    expect([run.status, run.step("l").group?.actions.length]).toEqual([status, turns]);
  });
  test("a turn is tried again as its body says", () => {
    const run = new TestRun(
      "l: {type: loop, input: {body: t, max_iterations: 1}}\nt: {topic: job.t, retries: {max_attempts: 2, backoff_ms: 1}}",
    );
    expect(run.fail("l[0]@1")).toEqual(["timer l[0]@1.retry"]);
    expect(run.fire("l[0]@1.retry")).toEqual(["l[0]@2"]);
    expect(run.fail("l[0]@2")).toEqual(["close failed"]);
  });
});

describe("delay", () => {
  const timerOf = (text: string, input = {}) => {
    const run = new TestRun(text, { input });
    return run.events.filter(({ type }) => type === "TimerStarted").length === 1 ? run : null;
  };
  test.each([
    ["w: {type: delay, delay: 1h}", {}],
    ["w: {type: delay, delay_sec: 0.5}", {}],
    ["w: {type: delay, delay_until: 2027-01-01T00:00:00Z}", {}],
    ["w: {type: delay, delay_until: '${input.when}'}", { when: "2027-01-01T00:00:00+02:00" }],
    ["w: {type: delay, timeout_sec: 3}", {}],
  ])("%s", (text, input) => {
    const run = timerOf(text, input);
    expect(run?.fire("w@1.delay")).toEqual(["close succeeded"]);
  });
  test("what is over is not waited for; what is no time fails", () => {
    expect(new TestRun("w: {type: delay, delay_until: 1970-01-01T00:00:00Z}").status).toBe("succeeded");
    expect(new TestRun("w: {type: delay, delay_until: '${input.when}'}").status).toBe("failed");
  });
  test("is cancelled with the run", () => {
    expect(new TestRun("w: {type: delay, delay: 1h}").cancel()).toEqual(["cancel timer w@1.delay", "close cancelled"]);
  });
});

describe("signal", () => {
  test("waits for it, and gives what it carried", () => {
    const run = new TestRun("go: {type: signal, timeout: 1h}\nb: {topic: job.b, depends_on: [go], input: {by: '${steps.go.output.by}'}}");
    expect(run.signal("other")).toEqual([]);
    expect(run.signal("go", { by: "ada" })).toEqual(["cancel timer go@1.timeout", "b@1"]);
  });
  test("a signal that came before is kept", () => {
    const run = new TestRun("a: {topic: job.a}\ngo: {type: signal, signal: ready, depends_on: [a]}");
    run.signal("ready", 7);
    expect(run.complete("a@1")).toEqual(["close succeeded"]);
    expect(run.step("go").output).toBe(7);
  });
  test("times out", () => {
    expect(new TestRun("go: {type: signal, timeout: 1h}").fire("go@1.timeout")).toEqual(["close timed_out"]);
  });
  test("a signal is taken once", () => {
    const run = new TestRun("a: {type: signal, signal: s}\nb: {type: signal, signal: s}");
    run.signal("s", 1);
    expect(run.statuses).toEqual({ a: "succeeded", b: "running" });
    expect(run.signal("s", 2)).toEqual(["close succeeded"]);
  });
});

describe("subworkflow", () => {
  const text = `
sub: {type: subworkflow, input: {workflow_id: "\${input.which}", input_mapping: {n: "\${input.n}"}}, output_mapping: {got: "\${child.output.x}"}, retry: {max_retries: 1}}
`;
  test("starts a child with its input, and gives its output", () => {
    const run = new TestRun(text, { input: { which: "other", n: 1 }, callStack: ["outer"] });
    expect(run.childCompleted("sub@1", { x: 5 })).toEqual(["close succeeded"]);
    expect(run.step("sub").output).toEqual({ got: 5 });
  });
  test("wants it so", () => {
    const run = new TestRun(`a: {topic: job.a}\n${text.trim().replace("retry: {max_retries: 1}", "depends_on: [a]")}`, {
      input: { which: "other", n: 1 },
      callStack: ["outer"],
    });
    run.happen({ type: "ActivityCompleted", at: 1, activityId: "a@1", output: null });
    expect(decide(run.state)).toEqual([
      {
        type: "StartChild",
        childId: "sub@1",
        jobId: "r1:sub@1",
        stepId: "sub",
        workflowId: "other",
        input: { n: 1 },
        timeoutMs: null,
        labels: {},
        callStack: ["outer", "w1"],
      },
    ]);
  });
  test("a definition inside of itself is refused", () => {
    const run = new TestRun(text, { input: { which: "outer" }, callStack: ["outer"] });
    expect(run.step("sub").error?.message).toBe("circular workflow reference detected: outer → w1 → outer");
  });
  test("a child that fails is tried again; one that was denied is not", () => {
    const start = { input: { which: "other" } };
    const failing = new TestRun(text, start);
    const failure = { type: "DagRunFailed", message: "no", retryable: true };
    failing.happen({ type: "ChildFailed", at: 1, childId: "sub@1", failure });
    expect(failing.carryOut()).toEqual(["timer sub@1.retry"]);
    const denied = new TestRun(text, start);
    denied.happen({ type: "ChildFailed", at: 1, childId: "sub@1", failure: { ...failure, type: "PolicyDenied" } });
    expect(denied.carryOut()).toEqual(["close denied"]);
  });
});

describe("approval", () => {
  const text = `
gate:
  type: approval
  name: Patch the database
  timeout: 4h
  input: {approvers: {roles: [dba]}, quorum: 2, context: {plan: "\${input.plan}"}}
`;
  test("asks people, in a built-in activity", () => {
    const { spec } = new TestRun(text);
    const run = new TestRun(spec, { input: { plan: "x" } });
    expect(run.step("gate").action?.input).toEqual({
      approvers: { roles: ["dba"] },
      quorum: 2,
      context: { plan: "x" },
      title: "Patch the database",
      expires_after: "4h",
    });
    expect(spec.steps[0]?.kind).toMatchObject({ target: { taskQueue: "holdfast", activityType: "holdfast.approval" } });
  });
  test.each([
    ["ApprovalRejected", "denied"],
    ["PolicyDenied", "denied"],
    ["ApprovalExpired", "timed_out"],
  ])("%s → %s", (type, status) => {
    const run = new TestRun(text);
    run.fail("gate@1", { type, retryable: false });
    expect([run.status, run.step("gate").status]).toEqual([status, status]);
  });
});

describe("storage and output_path", () => {
  test("write, read and delete what the run remembers", () => {
    const run = new TestRun(
      `
w: {type: storage, input: {operation: write, key: a.b, value: "\${input.n}"}}
r: {type: storage, input: {operation: read, key: a.b}, depends_on: [w]}
d: {type: storage, input: {operation: delete, key: a.b}, depends_on: [r]}
t: {type: transform, depends_on: [d], output_path: x.y, input: {was: "\${steps.r.output.value}"}}
`,
      { input: { n: 3 } },
    );
    expect([run.status, run.state.context]).toEqual(["succeeded", { a: {}, x: { y: { was: 3 } } }]);
  });
  test("to read what is not there fails", () => {
    expect(new TestRun("r: {type: storage, input: {operation: read, key: a}}").status).toBe("failed");
  });
});

describe("notify", () => {
  test("without a receiver, it stands in the timeline", () => {
    const run = new TestRun("n: {type: notify, name: Done, input: {level: warn, code: '${input.c}'}}", { input: { c: 7 } });
    const payload = { level: "WARN", code: 7, component: "workflow-engine", message: "Done" };
    expect([run.status, run.step("n").output]).toEqual(["succeeded", payload]);
    expect(run.timeline.find(({ type }) => type === "step_event_emitted")?.data).toEqual({ payload });
  });
  test("with one, it is a message in the words of the activity", () => {
    const run = new TestRun("n: {type: notify, input: {channel: ops, message: 'is ${input.x}', level: error}}", { input: { x: "up" } });
    expect(run.step("n").action?.input).toEqual({ channel: "ops", text: "is up", severity: "error" });
    expect(run.complete("n@1")).toEqual(["close succeeded"]);
    expect(new TestRun("n: {type: notify, input: {channel: ops}}").step("n").action?.input).toEqual({ channel: "ops", text: "n" });
  });
});

describe("http, notify and activity", () => {
  test.each([
    ["h: {type: http, input: {url: 'https://example.org', method: POST}}", "holdfast", "holdfast.http"],
    ["n: {type: notify, input: {channel: ops, message: hello}}", "holdfast", "holdfast.notify"],
    ["a: {type: activity, task_queue: python, activity_type: train}", "python", "train"],
    ["a: {task_queue: python, activity_type: train}", "python", "train"],
  ])("%s → %s, %s", (text, taskQueue, activityType) => {
    expect(new TestRun(text).spec.steps[0]?.kind).toMatchObject({ target: { to: "task-queue", taskQueue, activityType } });
  });
  test.each([["job"], ["worker"], ["llm"], ["container"], ["script"], ["input"], ["http"]])("%s with a topic is a job", (type) => {
    const kind = { type: "job", target: { to: "topic", topic: "job.x" } };
    expect(new TestRun(`a: {type: ${type}, topic: job.x}`).spec.steps[0]?.kind).toMatchObject(kind);
  });
  test("a job without input gets that of the run", () => {
    expect(new TestRun("a: {topic: job.x}", { input: { id: 1 } }).step("a").action?.input).toEqual({ id: 1 });
  });
});

test.each([
  // What the server carries out is missed soon after it has died; a worker says itself how often it is heard of.
  ["type: approval", 10_000],
  ["type: approval, heartbeat_timeout: 1m", 60_000],
  ["type: http, input: {url: 'https://a.example/'}", 10_000],
  ["type: notify, input: {channel: ops}", 10_000],
  ["topic: job.a", null],
  ["type: activity, task_queue: q, activity_type: t", null],
])("%s → a heartbeat within %j ms", (fields, heartbeatMs) => {
  expect(specFrom(`a: {${fields}}`).steps[0]?.kind).toMatchObject({ timeouts: { heartbeatMs } });
});
