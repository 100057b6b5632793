import { expect, test } from "vitest";
import { specFrom } from "./dag.test-kit.ts";
import { dryRun } from "./dry-run.ts";

const spec = specFrom(`
input_schema: {type: object, required: [id]}
steps:
  apply:
    topic: job.apply
    depends_on: [detect]
    condition: input.go
    capability: write
    labels: {env: prod}
    input: {id: "\${input.id}", found: "\${steps.detect.output.found}"}
    compensate: {topic: job.undo}
  detect: {type: activity, task_queue: py, activity_type: detect, for_each: input.list, risk_tags: [data]}
  sum: {type: transform, input: {}, depends_on: [detect]}
  other: {type: subworkflow, input: {workflow_id: "\${input.id}"}}
`);

test("the steps in order, with what they would do", () => {
  const plan = dryRun(spec, { input: { id: 7 }, workflowId: "w" });
  expect(plan.ok && plan.value.map(({ stepId, runs, repeats }) => [stepId, runs, repeats])).toEqual([
    ["detect", "always", { forEach: "input.list" }],
    ["apply", { if: "input.go" }, "once"],
    ["sum", "always", "once"],
    ["other", "always", "once"],
  ]);
  expect(plan.ok && plan.value[1]).toMatchObject({
    dependsOn: ["detect"],
    action: {
      type: "job",
      target: { to: "topic", topic: "job.apply" },
      capability: "write",
      labels: { env: "prod" },
      input: { id: 7, found: "${steps.detect.output.found}" },
    },
    compensation: { target: { to: "topic", topic: "job.undo" }, input: "${output}" },
  });
  expect(plan.ok && plan.value.slice(2).map(({ action }) => action)).toEqual([null, { kind: "child", workflowId: 7, input: { id: 7 } }]);
});

test("an input that the definition does not want is refused", () => {
  expect(dryRun(spec, { input: {}, workflowId: "w" })).toMatchObject({ ok: false });
});
