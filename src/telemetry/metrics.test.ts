import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

const metrics = createMetrics();

test("every line that the server exposes is a comment or a sample", () => {
  metrics.rpcSeconds.observe(0.002, "StartWorkflowExecution");
  metrics.tasksDispatched.add(1, "workflow", "sync");
  const lines = metrics.render().trimEnd().split("\n");
  expect(lines.filter((line) => !/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [\d.e+-]+)$/.test(line))).toEqual([]);
});

test("docs/operations.md has each metric", () => {
  const docs = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const documented = [...docs.matchAll(/^\| `((?:holdfast|process)_\w+)` \|/gm)].map(([, name]) => name);
  const exposed = [...metrics.render().matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  expect(documented.sort()).toEqual(exposed.sort());
});
