// The matrix of step types: for each type and each way in which a step can go, either the smallest workflow in which it goes that way, or the
// reason why it cannot. The step itself is always `a`; `before` runs ahead of it and has a compensation.

export type StepType =
  | "job"
  | "activity"
  | "approval"
  | "notify"
  | "notice"
  | "http"
  | "condition"
  | "switch"
  | "parallel all"
  | "parallel any"
  | "parallel n of m"
  | "for_each"
  | "loop"
  | "delay"
  | "transform"
  | "storage"
  | "signal"
  | "subworkflow";

/** `compensation`: the step succeeds, a later one fails, and what the step has done is undone. */
export type Way = "success" | "failure" | "denial" | "granted" | "rejected" | "timeout" | "cancellation" | "compensation";

export type Case = {
  /** The steps, without `before`. */
  readonly steps: string;
  /** The status of `a` where it is not the one of the run. */
  readonly a?: string;
  /** Which steps ask the policy, when it is not `a`. */
  readonly asks?: string;
  /** What is undone, the first first, when it is not `a` and then `before`. */
  readonly undone?: readonly string[];
  /** A signal that the run gets when it waits, and what it carries. */
  readonly signal?: { readonly payload: unknown };
  /** How long the run may take. */
  readonly runTimeout?: string;
};
export type Cell = Case | { readonly cannot: string };

export const input = { kind: "x", list: [1, 2, 3] };
export const before = "before: { topic: job.echo, input: { n: 0 }, compensate: { topic: job.undo } }";
export const after = "last: { topic: job.fail, depends_on: [a] }";
export const taskQueue = "dag-steps";

const a = (fields: string, more = ""): string => `a: { depends_on: [before], ${fields} }\n${more}`;
/** Behind a step that never ends by itself, so that it has not begun when the run is cancelled. */
const later = (fields: string, more = ""): string =>
  `wait: { type: signal, depends_on: [before] }\na: { depends_on: [wait], ${fields} }\n${more}`;

const retries = "retries: { max_attempts: 3, backoff_ms: 1 }";
const forbidden = `risk_tags: [forbidden], ${retries}`;
const asked = `risk_tags: [asked]`;
const undo = "compensate: { topic: job.undo }";

const inside = "it is decided inside of the run: nothing is asked of the policy, nor of people";
const atOnce = "it ends in the moment in which it begins";
const insideOnly = {
  denial: { cannot: inside },
  granted: { cannot: inside },
  rejected: { cannot: inside },
  compensation: { cannot: "only what a worker or a subworkflow has done can be compensated" },
} as const;

/** What a worker or the server carries out, by what the step says of it. */
const carriedOut = (does: { readonly well: string; readonly badly: string; readonly slowly: string; readonly limit?: string }) =>
  ({
    success: { steps: a(does.well) },
    failure: { steps: a(does.badly) },
    denial: { steps: a(`${does.well}, ${forbidden}`) },
    granted: { steps: a(`${does.well}, ${asked}`) },
    rejected: { steps: a(`${does.well}, ${asked}, ${retries}`) },
    timeout: { steps: a(`${does.slowly}, timeout: ${does.limit ?? "100ms"}`) },
    cancellation: { steps: a(`${does.slowly}, heartbeat_timeout: 5s`) },
    compensation: { steps: a(`${does.well}, ${undo}`) },
  }) satisfies Row;

/** What starts other steps: `b` is the one that goes well or not. */
const composed = (of: string, inner: (b: string) => string, less: Partial<Row> = {}): Row => ({
  success: { steps: a(of, inner("topic: job.echo")) },
  failure: { steps: a(of, inner("topic: job.fail")) },
  denial: { steps: a(of, inner(`topic: job.echo, ${forbidden}`)), a: "cancelled", asks: "b" },
  granted: { steps: a(of, inner(`topic: job.echo, ${asked}`)), asks: "b" },
  rejected: { steps: a(of, inner(`topic: job.echo, ${asked}`)), a: "cancelled", asks: "b" },
  timeout: { steps: a(`${of}, timeout: 150ms`, inner("topic: job.slow, heartbeat_timeout: 5s")) },
  cancellation: { steps: a(of, inner("topic: job.slow, heartbeat_timeout: 5s")) },
  compensation: { steps: a(of, inner(`topic: job.echo, ${undo}`)), undone: ["b", "before"] },
  ...less,
});

/** An HTTP request by the server, to paths of the test's own endpoint. */
const request = (type: string, more: string, limit?: string): Row =>
  carriedOut({
    well: `type: ${type}, input: { url: "ENDPOINT/ok", ${more} }`,
    badly: `type: ${type}, input: { url: "ENDPOINT/refuse", ${more} }`,
    slowly: `type: ${type}, input: { url: "ENDPOINT/hang", ${more} }`,
    ...(limit === undefined ? {} : { limit }),
  });

type Row = { readonly [W in Way]: Cell };

export const cells: { readonly [T in StepType]: Row } = {
  job: carriedOut({ well: "topic: job.echo, input: { n: 1 }", badly: `topic: job.fail, ${retries}`, slowly: "topic: job.slow" }),

  activity: carriedOut({
    well: `type: activity, task_queue: ${taskQueue}, activity_type: greet`,
    badly: `type: activity, task_queue: ${taskQueue}, activity_type: job.fail`,
    slowly: `type: activity, task_queue: ${taskQueue}, activity_type: job.slow`,
  }),

  approval: {
    success: { cannot: "that people grant it is its success" },
    failure: { steps: a(`type: approval, input: { expires_after: "\${input.kind}" }`) },
    denial: { steps: a("type: approval, risk_tags: [forbidden]") },
    granted: { steps: a("type: approval") },
    rejected: { steps: a("type: approval") },
    timeout: { steps: a("type: approval, timeout: 200ms") },
    cancellation: { steps: a("type: approval") },
    compensation: { steps: a(`type: approval, ${undo}`) },
  },

  notify: request("notify", "text: hello"),
  notice: {
    success: { steps: a("type: notify, input: { level: warn, message: hello }") },
    failure: { steps: a(`type: notify, input: { message: "\${input.no.such + 1}" }`) },
    ...insideOnly,
    timeout: { cannot: atOnce },
    cancellation: { steps: later("type: notify") },
  },
  http: request("http", "method: POST, body: { n: 1 }"),

  condition: {
    success: { steps: a("type: condition, condition: 1 < 2") },
    failure: { steps: a("type: condition, condition: input.no.such + 1") },
    ...insideOnly,
    timeout: { cannot: atOnce },
    cancellation: { steps: later("type: condition, condition: 1 < 2") },
  },

  switch: {
    success: {
      steps: a(
        "type: switch, condition: input.kind, input: { cases: [{ when: x, target: b }], default: c }",
        "b: { topic: job.echo }\nc: { topic: job.echo }",
      ),
    },
    failure: {
      steps: a("type: switch, condition: input.no.such + 1, input: { cases: [{ when: 1, target: b }] }", "b: { topic: job.echo }"),
    },
    ...insideOnly,
    timeout: { cannot: atOnce },
    cancellation: {
      steps: later("type: switch, condition: input.kind, input: { cases: [{ when: x, target: b }] }", "b: { topic: job.echo }"),
    },
    compensation: {
      steps: a(
        "type: switch, condition: input.kind, input: { cases: [{ when: x, target: b }] }",
        `b: { topic: job.echo, ${undo} }\nlast: { topic: job.fail, depends_on: [b] }`,
      ),
      undone: ["b", "before"],
    },
  },

  "parallel all": composed("type: parallel, input: { steps: [b, c] }", (b) => `b: { ${b} }\nc: { topic: job.echo }`),

  // The other branch waits for a signal that nobody sends.
  "parallel any": composed("type: parallel, input: { steps: [b, c], strategy: any }", (b) => `b: { ${b} }\nc: { type: signal }`, {
    failure: {
      steps: a("type: parallel, input: { steps: [b, c], strategy: any }", "b: { topic: job.fail }\nc: { topic: job.fail }"),
    },
  }),

  "parallel n of m": composed(
    "type: parallel, input: { steps: [b, c, d], strategy: n_of_m, required: 2 }",
    (b) => `b: { ${b} }\nc: { type: transform, input: 1 }\nd: { type: signal }`,
    {
      failure: {
        steps: a(
          "type: parallel, input: { steps: [b, c, d], strategy: n_of_m, required: 2 }",
          "b: { topic: job.fail }\nc: { topic: job.fail }\nd: { type: signal }",
        ),
      },
    },
  ),

  for_each: {
    ...carriedOut({
      well: "topic: job.echo, for_each: input.list, max_parallel: 2",
      badly: "topic: job.fail, for_each: input.list, max_parallel: 2",
      slowly: "topic: job.slow, for_each: input.list, max_parallel: 2",
    }),
    compensation: {
      steps: a(`topic: job.echo, for_each: input.list, max_parallel: 1, ${undo}`),
      undone: ["a[2]", "a[1]", "a[0]", "before"],
    },
  },

  loop: composed("type: loop, input: { body: b, max_iterations: 2 }", (b) => `b: { ${b} }`, {
    denial: { steps: a("type: loop, input: { body: b, max_iterations: 2 }", `b: { topic: job.echo, ${forbidden} }`) },
    granted: { steps: a("type: loop, input: { body: b, max_iterations: 2 }", `b: { topic: job.echo, ${asked} }`) },
    rejected: { steps: a("type: loop, input: { body: b, max_iterations: 2 }", `b: { topic: job.echo, ${asked} }`) },
    compensation: {
      steps: a("type: loop, input: { body: b, max_iterations: 2 }", `b: { topic: job.echo, ${undo} }`),
      undone: ["a[1]", "a[0]", "before"],
    },
  }),

  delay: {
    success: { steps: a("type: delay, delay: 20ms") },
    failure: { steps: a(`type: delay, delay_until: "\${input.kind}"`) },
    ...insideOnly,
    // Its own time-out is the delay: what it can exceed is the time of the run.
    timeout: { steps: a("type: delay, delay: 1h"), runTimeout: "500ms", a: "cancelled" },
    cancellation: { steps: a("type: delay, delay: 1h") },
  },

  transform: {
    success: { steps: a(`type: transform, input: { kind: "\${input.kind}" }`) },
    failure: { steps: a(`type: transform, input: { n: "\${input.no.such + 1}" }`) },
    ...insideOnly,
    timeout: { cannot: atOnce },
    cancellation: { steps: later("type: transform, input: 1") },
  },

  storage: {
    success: { steps: a("type: storage, input: { operation: write, key: k, value: 1 }") },
    failure: { steps: a("type: storage, input: { operation: read, key: nothing }") },
    ...insideOnly,
    timeout: { cannot: atOnce },
    cancellation: { steps: later("type: storage, input: { operation: write, key: k, value: 1 }") },
  },

  signal: {
    success: { steps: a("type: signal, signal: paid"), signal: { payload: { by: "ada" } } },
    failure: { steps: a("type: signal, signal: paid, output_schema: { type: object }"), signal: { payload: 7 } },
    ...insideOnly,
    timeout: { steps: a("type: signal, signal: paid, timeout: 50ms") },
    cancellation: { steps: a("type: signal, signal: paid") },
  },

  subworkflow: {
    success: { steps: a("type: subworkflow, input: { workflow_id: inner }") },
    failure: { steps: a("type: subworkflow, input: { workflow_id: inner-fails }") },
    denial: { steps: a(`type: subworkflow, input: { workflow_id: inner-forbidden }, ${retries}`) },
    granted: { steps: a("type: subworkflow, input: { workflow_id: inner-asked }") },
    rejected: { steps: a("type: subworkflow, input: { workflow_id: inner-asked }") },
    timeout: { steps: a("type: subworkflow, input: { workflow_id: inner-waits }, timeout: 500ms") },
    cancellation: { steps: a("type: subworkflow, input: { workflow_id: inner-waits }") },
    compensation: { steps: a(`type: subworkflow, input: { workflow_id: inner }, ${undo}`) },
  },
};

export const innerWorkflows: { readonly [id: string]: string } = {
  inner: "a: { topic: job.echo }",
  "inner-fails": "a: { topic: job.fail }",
  "inner-forbidden": "a: { topic: job.echo }",
  "inner-asked": "a: { topic: job.echo }",
  "inner-waits": "a: { type: signal }",
};

export const policy = `default_decision: allow
rules:
  - { id: forbidden, match: { risk_tags: [forbidden] }, decision: deny, reason: nobody may }
  - { id: forbidden-child, match: { kinds: [child-workflow], names: [inner-forbidden] }, decision: deny, reason: nobody may }
  - { id: asked, match: { risk_tags: [asked] }, decision: require_approval, reason: somebody must look }
  - { id: asked-child, match: { kinds: [child-workflow], names: [inner-asked] }, decision: require_approval, reason: somebody must look }
`;
