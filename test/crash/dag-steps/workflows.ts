// A small workflow for each type of step, and for the ways in which the server itself goes on with a run.

// What the server handed out as it died reaches nobody: it times out, and is tried again.
const patient = "timeout: 1s, retries: { max_attempts: 9, backoff_ms: 10 }";
const echo = (more = ""): string => `{ topic: job.echo, ${patient}${more === "" ? "" : `, ${more}`} }`;

export const taskQueue = "crash-steps";
export const input = { kind: "x", list: [1, 2, 3] };

export const workflows = {
  job: `a: ${echo("input: { n: 1 }")}`,
  activity: `a: { type: activity, task_queue: ${taskQueue}, activity_type: job.echo, ${patient} }`,
  approval: `a: { type: approval }\nb: ${echo("depends_on: [a]")}`,
  held: `a: ${echo("risk_tags: [asked]")}`,
  denied: `a: ${echo("compensate: { topic: job.undo }")}\nb: ${echo("depends_on: [a], risk_tags: [forbidden]")}`,
  notify: `a: { type: notify, input: { url: "ENDPOINT", text: hello }, ${patient} }`,
  http: `a: { type: http, input: { method: POST, url: "ENDPOINT", body: { n: 1 } }, ${patient} }`,
  inside: [
    "a: { type: condition, condition: 1 < 2 }",
    `b: { type: transform, depends_on: [a], input: { kind: "\${input.kind}" } }`,
    "c: { type: storage, depends_on: [b], input: { operation: write, key: k, value: 1 } }",
    "d: { type: notify, depends_on: [c], input: { message: hello } }",
  ].join("\n"),
  switch: `a: { type: switch, condition: input.kind, input: { cases: [{ when: x, target: b }], default: c } }\nb: ${echo()}\nc: ${echo()}`,
  "parallel-all": `a: { type: parallel, input: { steps: [b, c] } }\nb: ${echo()}\nc: ${echo()}`,
  "parallel-any": `a: { type: parallel, input: { steps: [b, c], strategy: any } }\nb: ${echo()}\nc: { type: signal, signal: nobody }`,
  "parallel-n-of-m": `a: { type: parallel, input: { steps: [b, c, d], required: 2 } }\nb: ${echo()}\nc: ${echo()}\nd: { type: signal, signal: nobody }`,
  "for-each": `a: { topic: job.echo, for_each: input.list, max_parallel: 2, ${patient} }`,
  loop: `a: { type: loop, input: { body: b, max_iterations: 2 } }\nb: ${echo()}`,
  delay: "a: { type: delay, delay: 50ms }",
  signal: "a: { type: signal, signal: paid, timeout: 1h }",
  subworkflow: "a: { type: subworkflow, input: { workflow_id: inner } }",
  compensation: [
    `a: ${echo(`compensate: { topic: job.undo, ${patient} }`)}`,
    `b: { topic: job.echo, for_each: input.list, max_parallel: 1, depends_on: [a], ${patient}, compensate: { topic: job.undo, ${patient} } }`,
    `c: { topic: job.fail, depends_on: [b], ${patient} }`,
  ].join("\n"),
  cancellation: `a: ${echo(`compensate: { topic: job.undo, ${patient} }`)}\nb: { type: signal, signal: cancel-me, depends_on: [a] }`,
} as const;
export type Name = keyof typeof workflows;
export const names = Object.keys(workflows) as readonly Name[];

export const inner = `a: ${echo()}`;

export const policy = `default_decision: allow
rules:
  - { id: forbidden, match: { risk_tags: [forbidden] }, decision: deny, reason: nobody may }
  - { id: asked, match: { risk_tags: [asked] }, decision: require_approval, reason: somebody must look }
`;
