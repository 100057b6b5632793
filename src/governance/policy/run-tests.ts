import { canonicalJson } from "../../base/canonical-json.ts";
import { actionOfFields } from "./action-file.ts";
import { type Decision, decide } from "./decide.ts";
import type { Snapshot } from "./snapshot.ts";
import { noRule, type TestCase } from "./test-case.ts";

export type TestResult = {
  readonly bundle: string;
  readonly name: string;
  readonly line: number;
  readonly decision: Decision;
  /** One sentence for each thing that is not as expected; none for a test that passed. */
  readonly failures: readonly string[];
};

/** Runs the test cases of all bundles against the whole snapshot. */
export const runTests = (snapshot: Snapshot): readonly TestResult[] =>
  snapshot.bundles.flatMap(({ id, policy }) =>
    policy.tests.map((test) => {
      const decision = decide(snapshot, actionOfFields(test.action));
      return { bundle: id, name: test.name, line: test.line, decision, failures: failuresOf(test, decision) };
    }),
  );

function failuresOf({ expect }: TestCase, decision: Decision): readonly string[] {
  const compared = [
    ["decision", expect.decision, decision.effect],
    ["rule", expect.rule, decision.ruleId ?? noRule],
    ["observed", expect.observed, decision.observed?.ruleId ?? noRule],
    ["topic", expect.topic, decision.action.topic],
    ["constraints", expect.constraints && canonicalJson(expect.constraints), canonicalJson(decision.constraints)],
  ] as const;
  const failures = compared
    .filter(([, wanted, found]) => wanted !== null && wanted !== found)
    .map(([what, wanted, found]) => `expected ${what} ${wanted}, got ${found}`);
  if (failures.length > 0 && decision.reason !== "") failures.push(`it says: ${decision.reason}`);
  if (expect.reason !== null && !decision.reason.includes(expect.reason))
    failures.push(`expected a reason with "${expect.reason}", got "${decision.reason}"`);
  return failures;
}
