import { into, mapping, positionOf, type ReadBy, report, text, word } from "../../language/reader.ts";
import { readActionFields } from "./action-file.ts";
import { readConstraints } from "./constraints.ts";
import { effectWords } from "./effect.ts";

/** How a test case names the outcome that no rule decided. */
export const noRule = "none";

const readExpectation = into(
  mapping({
    decision: word(effectWords),
    /** The id of the rule, or `none` when the default must decide. */
    rule: text,
    /** A part of the reason. */
    reason: text,
    constraints: readConstraints,
    /** The rule in observe mode that would have decided, or `none`. */
    observed: text,
    /** What the catalogue must make of the action. */
    topic: text,
  }),
  ({ decision, rule = null, reason = null, constraints = null, observed = null, topic = null }, at) =>
    decision === undefined ? report(at, "a test must expect a `decision`") : { decision, rule, reason, constraints, observed, topic },
);

export const readTestCase = into(mapping({ name: text, action: readActionFields, expect: readExpectation }), (fields, at) => {
  const { action = {}, expect } = fields;
  if (expect === undefined) return report(at, "a test needs `expect`");
  const { line } = positionOf(at);
  return { name: fields.name ?? `the test in line ${line}`, line, action, expect };
});
/** What a policy must say about an action. */
export type TestCase = ReadBy<typeof readTestCase>;
