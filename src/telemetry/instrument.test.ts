import { expect, test } from "vitest";
import { createRegistry, seriesMax } from "./instrument.ts";

test("a counter adds up for each set of labels", () => {
  const registry = createRegistry();
  const rpcs = registry.counter("rpcs_total", "Requests.", ["method", "code"]);
  rpcs.add(1, "Start", "OK");
  rpcs.add(2, "Start", "OK");
  rpcs.add(1, "Start", "NOT_FOUND");
  expect(registry.render()).toBe(
    [
      "# HELP rpcs_total Requests.",
      "# TYPE rpcs_total counter",
      'rpcs_total{method="Start",code="OK"} 3',
      'rpcs_total{method="Start",code="NOT_FOUND"} 1',
      "",
    ].join("\n"),
  );
});

test("a histogram counts what is at most each bound", () => {
  const registry = createRegistry();
  const seconds = registry.histogram("seconds", "Latency.", [], [0.01, 0.1]);
  for (const value of [0.01, 0.02, 5]) seconds.observe(value);
  expect(registry.render()).toBe(
    [
      "# HELP seconds Latency.",
      "# TYPE seconds histogram",
      'seconds_bucket{le="0.01"} 1',
      'seconds_bucket{le="0.1"} 2',
      'seconds_bucket{le="+Inf"} 3',
      "seconds_sum 5.03",
      "seconds_count 3",
      "",
    ].join("\n"),
  );
});

test("a gauge is set, moved, or read when someone looks", () => {
  const registry = createRegistry();
  const open = registry.gauge("polls_open", "Polls.", ["type"]);
  open.set(5, "workflow");
  open.add(-1, "workflow");
  expect(registry.render()).toContain('polls_open{type="workflow"} 4\n');
  let depth = 7;
  open.readFrom(() => [[depth, "activity"]]);
  depth = 8;
  expect(registry.render()).toContain('polls_open{type="activity"} 8\n');
});

test("without labels there is a zero before the first event", () => {
  const registry = createRegistry();
  registry.counter("commits_total", "Commits.", []);
  expect(registry.render()).toContain("commits_total 0\n");
});

test("label values are escaped", () => {
  const registry = createRegistry();
  registry.counter("named_total", "Names.", ["name"]).add(1, 'a"b\\c\nd');
  expect(registry.render()).toContain('named_total{name="a\\"b\\\\c\\nd"} 1\n');
});

test("label values without end are counted together past the bound", () => {
  const registry = createRegistry();
  const named = registry.counter("named_total", "Names.", ["name"]);
  for (let index = 0; index < seriesMax + 10; index++) named.add(1, `name-${index}`);
  const lines = registry.render().split("\n");
  expect(lines.filter((line) => line.startsWith("named_total{"))).toHaveLength(seriesMax + 1);
  expect(lines).toContain('named_total{name="other"} 10');
});
