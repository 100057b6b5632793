import { describe, expect, test } from "vitest";
import { TestRun } from "./dag.test-kit.ts";
import { rerunFrom } from "./rerun.ts";

const text = `
a: {topic: job.a, output_path: from.a}
b: {topic: job.b, depends_on: [a]}
c: {topic: job.c, depends_on: [b]}
d: {topic: job.d, depends_on: [a], output_path: from.d}
`;

function rerun(run: TestRun, step: string): TestRun {
  const found = rerunFrom(run.spec, run.state, step);
  if (!found.ok) throw new Error(found.error);
  const { kept, context } = found.value;
  return new TestRun(run.spec, { runId: "r2", kept, context });
}

test("keeps what the step depends on, and runs all else again", () => {
  const run = new TestRun(text);
  run.complete("a@1", 1);
  run.complete("b@1", 2);
  run.complete("d@1", 3);
  run.fail("c@1");
  const again = rerun(run, "c");
  expect(again.statuses).toEqual({ a: "succeeded", b: "succeeded", c: "running", d: "running" });
  expect(again.state.context).toEqual({ from: { a: 1 } });
  expect(again.step("b").output).toBe(2);
  again.complete("d@1");
  expect(again.complete("c@1")).toEqual(["close succeeded"]);
});

test("a step that was never reached is not taken for one that was not needed", () => {
  const run = new TestRun(text);
  run.fail("a@1");
  expect(rerunFrom(run.spec, run.state, "c")).toEqual({ ok: false, error: "dependency a not succeeded" });
});

describe("what is refused", () => {
  test.each([
    [text, "nope", "step not found"],
    [text, "c", "dependency b not succeeded"],
    ["a: {topic: job.a, on_error: h}\nh: {topic: job.h}", "h", "`h` handles errors: rerun from a step that it handles"],
    ["s: {type: switch, condition: input.x, input: {cases: {a: t}}}\nt: {topic: job.t}", "t", "`t` was not taken by `s`"],
    ["p: {type: parallel, input: {steps: [a]}}\na: {topic: job.a}", "a", "`a` is started by `p`: rerun from there"],
  ])("%#: %s of %s", (definition, step, error) => {
    const run = new TestRun(definition);
    if (definition === text) run.complete("a@1");
    expect(rerunFrom(run.spec, run.state, step)).toEqual({ ok: false, error });
  });
});

test("branches, cases, turns and handlers stay as they were decided", () => {
  const run = new TestRun(`
which: {type: switch, condition: input.x, input: {cases: {left: l}, default: r}}
l: {topic: job.l}
r: {topic: job.r}
any: {type: parallel, depends_on: [l, r], input: {steps: [p, q], strategy: any}}
p: {topic: job.p, on_error: rescue}
q: {topic: job.q}
rescue: {topic: job.rescue}
loop: {type: loop, depends_on: [any], input: {body: turn, max_iterations: 1}}
turn: {topic: job.turn}
last: {topic: job.last, depends_on: [turn]}
`);
  run.complete("r@1");
  run.complete("p@1");
  run.complete("loop[0]@1", 9);
  run.fail("last@1");
  const again = rerun(run, "last");
  expect(again.statuses).toEqual({ ...run.statuses, last: "running" });
  expect(again.step("turn").output).toBe(9);
  expect(again.complete("last@1")).toEqual(["close succeeded"]);
  const earlier = rerun(run, "r");
  expect(earlier.statuses).toMatchObject({ which: "succeeded", l: "cancelled", r: "running", any: "pending" });
});
