import { expect, test } from "vitest";
import { actionOf } from "../action.ts";
import { inputOfValues } from "../action-input.ts";
import { explain } from "./explain.ts";
import { snapshotFrom } from "./policy.test-kit.ts";

test("every rule tried, and all that keeps it from matching", () => {
  const snapshot = snapshotFrom(`
rules:
- {id: other, match: {topics: [job.b], labels: {env: prod, team: x}, risk_tags: [money]}, decision: deny}
- {id: large, match: {topics: [job.a]}, when: input.amount > 1000, decision: deny}
- {id: trial, match: {topics: [job.*]}, decision: deny, mode: observe}
- {id: reads, match: {topics: [job.*]}, decision: allow}
- {id: last, decision: deny}`);
  const { decision, rules } = explain(
    snapshot,
    actionOf({ topic: "job.a", labels: new Map([["env", "dev"]]), input: inputOfValues([{ amount: 5 }]) }),
  );
  expect(decision).toMatchObject({ effect: "ALLOW", ruleId: "reads" });
  expect(
    rules.map(({ id, line, result, mismatches }) => [
      `${id} in line ${line}: ${result}`,
      ...mismatches.map(({ field, wanted, found }) => `${field}: wanted ${wanted}, found ${found}`),
    ]),
  ).toEqual([
    [
      "other in line 3: not-matched",
      "topics: wanted job.b, found job.a",
      "risk_tags: wanted any of money, found none",
      "labels: wanted env=prod, team=x, found env=dev, team=(none)",
    ],
    ["large in line 4: not-matched", "when: wanted input.amount > 1000, found false"],
    ["trial in line 5: observed"],
    ["reads in line 6: decided"],
    ["last in line 7: not-reached"],
  ]);
});

test("a rule that decides because it cannot be told says so", () => {
  const { decision, rules } = explain(snapshotFrom("rules: [{id: a, when: input.n > 1, decision: allow}]"), actionOf({ topic: "x" }));
  expect(decision.effect).toBe("DENY");
  expect(rules).toMatchObject([{ result: "decided", mismatches: [{ field: "when", found: "no such key: n", unclear: true }] }]);
});
