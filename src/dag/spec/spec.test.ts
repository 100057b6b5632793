import { describe, expect, test } from "vitest";
import { parseDagSpec } from "./parse.ts";

const problemsOf = (text: string): readonly string[] =>
  parseDagSpec(text).problems.map(
    ({ severity, line, column, message }) => `${severity === "error" ? "" : "warning "}${line}:${column} ${message}`,
  );

test("YAML and JSON are read alike", () => {
  const yaml = parseDagSpec("id: w\nversion: 1.0.0\nsteps:\n  a: {type: job, topic: job.a}\n  b: {type: notify, depends_on: [a]}\n");
  const json = parseDagSpec(
    JSON.stringify({ id: "w", version: "1.0.0", steps: { a: { type: "job", topic: "job.a" }, b: { type: "notify", depends_on: ["a"] } } }),
  );
  expect(yaml.problems).toEqual([]);
  expect(json).toEqual(yaml);
  expect(yaml.spec).toMatchObject({ id: "w", version: "1.0.0", order: [0, 1] });
});

test("every key of an established definition is known", () => {
  const definition = {
    id: "w",
    org_id: "o",
    team_id: "t",
    name: "W",
    description: "d",
    version: "3",
    timeout_sec: 60,
    created_by: "me",
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    input_schema: { type: "object" },
    parameters: [{ name: "x" }],
    config: { a: 1 },
    steps: {
      a: {
        id: "a",
        name: "A",
        type: "worker",
        worker_id: "w1",
        topic: "job.a",
        depends_on: [],
        condition: "input.x == 'y'",
        for_each: "input.list",
        max_parallel: 3,
        input: { id: "${item.id}", text: "about ${item.id}: ${input.x}" },
        input_schema: { type: "object" },
        output_path: "results.a",
        output_schema: { type: "string" },
        meta: {
          actor_id: "x",
          actor_type: "service",
          idempotency_key: "k",
          pack_id: "p",
          capability: "c",
          risk_tags: [],
          requires: [],
          labels: {},
        },
        on_error: "b",
        retry: { max_retries: 2, initial_backoff_sec: 1, max_backoff_sec: 30, multiplier: 2 },
        timeout_sec: 30,
        route_labels: { zone: "a" },
        policy_gate: "require_approval",
      },
      b: { type: "delay", delay_sec: 5, delay_until: "2027-01-01T00:00:00Z" },
    },
  };
  expect(parseDagSpec(JSON.stringify(definition)).problems).toEqual([]);
});

describe("what is refused", () => {
  test.each([
    // definition                                                          problem
    ["{}", "1:1 a workflow needs `steps`"],
    ["steps: {}", "1:1 a workflow needs `steps`"],
    ["stepz: {}", "1:1 unknown key `stepz`, did you mean `steps`?"],
    ["steps:\n  a: {type: jop}", /^2:13 expected one of .*, did you mean `job`\?$/],
    ["steps:\n  a: {}\n  b: {dependson: [a]}", "3:7 unknown key `dependson`, did you mean `depends_on`?"],
    ["steps:\n  fetch: {}\n  b: {depends_on: [fetsh]}", "3:20 there is no step `fetsh`, did you mean `fetch`?"],
    ["steps:\n  a b: {}", "2:8 a step cannot be called `a b`: use letters, digits, `_` and `-`"],
    ["steps:\n  constructor: {}", "2:16 a step cannot be called `constructor`: use letters, digits, `_` and `-`"],
    ["steps:\n  a: {id: b}", "2:6 the step is called `a` here, and `b` by its `id`"],
    ["steps:\n  a: {input: {x: '${input.y'}}", "2:18 `${` is never closed"],
    ["steps:\n  a: {input: {x: '${inputs.y}'}}", /^2:21 `inputs` is not known here/],
    ["steps:\n  a: {input: {x: '${input.y +}'}}", /^2:\d+ the expression is refused/],
    ["steps:\n  a: {input: {x: '${item}'}}", "2:18 `item` is not known here: it belongs to a step with `for_each`"],
    ["steps:\n  a: {input: {x: '${steps.b.output}'}}", "2:18 there is no step `b`, did you mean `a`?"],
    ["steps:\n  a: {type: condition}", "2:6 a condition step needs `condition`"],
    ["steps:\n  a: {type: delay}", "2:6 a delay needs `delay`, `delay_sec` or `delay_until`"],
    ["steps:\n  a: {type: delay, delay_until: soon}", "2:33 expected a time such as `2027-03-01T08:00:00Z`"],
    ["steps:\n  a: {type: activity, task_queue: q}", "2:6 an activity needs `task_queue` and `activity_type`"],
    ["steps:\n  a: {type: http, input: {uri: x}}", "2:27 unknown key `uri`, did you mean `url`?"],
    ["steps:\n  a: {type: approval, input: {approver: x}}", "2:31 unknown key `approver`, did you mean `approvers`?"],
    ["steps:\n  a: {type: approval, retries: {max_attempts: 2}}", "2:6 an approval is asked once: it has no retries"],
    ["steps:\n  a: {retries: {max_attempts: 2}, retry: {max_retries: 1}}", "2:16 `retries` says again what `retry` has said"],
    ["steps:\n  a: {input_schema: {type: strng}}", /^2:21 the schema is refused/],
    ["steps:\n  a: {input_schema_id: acme/order}", "2:24 there is no schema `acme/order`"],
    ["steps:\n  a: {on_error: a}", "2:17 a step cannot handle its own errors"],
    ["steps:\n  p: {type: parallel, input: {steps: [a], strategy: n_of_m}}\n  a: {}", "2:30 `strategy: n_of_m` needs `required`"],
    ["steps:\n  p: {type: parallel, input: {steps: [a], required: 2}}\n  a: {}", "2:30 2 of 1 steps cannot succeed"],
    [
      "steps:\n  p: {type: parallel, input: {steps: [a]}}\n  q: {type: parallel, input: {steps: [a]}}\n  a: {}",
      "3:39 `a` is started by another step already",
    ],
    [
      "steps:\n  l: {type: loop, input: {body: p}}\n  p: {type: parallel, input: {steps: [a]}}\n  a: {}",
      "2:33 `p` is a parallel, and the body of a loop is a single action: use a subworkflow",
    ],
    [
      "steps:\n  s: {type: switch, condition: input.x, for_each: input.y, input: {cases: {a: b}}}\n  b: {}",
      "2:51 `for_each` repeats one action, and this is a switch: use a subworkflow",
    ],
    [
      "steps:\n  a: {type: transform, input: {}, compensate: {topic: x}}",
      "2:47 only what a worker or a subworkflow has done can be compensated",
    ],
    ["steps:\n  a: {compensate: {}}", "2:19 a compensation needs `topic`, or `task_queue` and `activity_type`"],
  ])("%s", (text, problem) => {
    const found = problemsOf(text);
    expect(found[0]).toEqual(typeof problem === "string" ? problem : expect.stringMatching(problem));
    expect(parseDagSpec(text).spec).toBe(null);
  });
});

describe("cycles are named with their path", () => {
  test.each([
    ["a: {depends_on: [a]}", "a → a"],
    ["a: {depends_on: [c]}, b: {depends_on: [a]}, c: {depends_on: [b]}", "a → c → b → a"],
    ["x: {}, p: {type: parallel, input: {steps: [a]}}, a: {depends_on: [y]}, y: {depends_on: [p]}", "p → a → y → p"],
    ["a: {on_error: h}, h: {depends_on: [b]}, b: {depends_on: [a]}", "h → b → h"],
  ])("%s", (steps, path) => {
    expect(problemsOf(`steps: {${steps}}`)).toEqual([expect.stringContaining(`steps wait for each other: ${path}`)]);
  });
});

test("what a loop calls its items is its own", () => {
  expect(parseDagSpec("steps: {a: {condition: 'input.list.exists(item, item.ok && item.ok)'}}").problems).toEqual([]);
});

describe("what is warned of", () => {
  test.each([
    ["a: {}, b: {input: {x: '${steps.a.output}'}}", "`a` may not have ended: `b` does not depend on it"],
    ["a: {delay_sec: 3}", "`delay`, `delay_sec`, `delay_until`: only for delay steps"],
    ["a: {max_parallel: 3}", "`max_parallel`: only for `for_each` and parallel steps"],
  ])("%s", (steps, warning) => {
    const { spec, problems } = parseDagSpec(`steps: {${steps}}`);
    expect(spec).not.toBe(null);
    expect(problems).toMatchObject([{ severity: "warning", message: warning }]);
  });
});

test("schemas of their own are found by their id", () => {
  const text = "steps: {a: {output_schema_id: acme/order}}";
  expect(parseDagSpec(text, { schemaOf: (id) => (id === "acme/order" ? { type: "number" } : undefined) }).problems).toEqual([]);
});

test("a chain longer than the call stack is read", () => {
  const steps = Array.from({ length: 5_000 }, (_, index) => `  s${index}: {${index > 0 ? `depends_on: [s${index - 1}]` : ""}}`);
  expect(parseDagSpec(`steps:\n${steps.join("\n")}`).spec?.order.at(-1)).toBe(4_999);
});
