import { expect, test } from "vitest";
import { parsePolicy } from "../../governance/policy/policy.ts";
import { notEnforcedYet } from "./not-enforced-yet.ts";

test.each([
  // what a policy asks for                                                                what the refusal names
  ["rules: [{ id: r, match: { kinds: [schedule] }, decision: deny }]", "a rule for the kind `schedule`"],
  [
    "rules: [{ id: r, match: { kinds: [workflow-start] }, decision: allow, constraints: { rates: [{ max: 1, per: 1s }] } }]",
    "`rates`, `spend` or `max_concurrent_jobs` for actions that no worker carries out",
  ],
])("what the server cannot enforce is named: %s", (text, named) => {
  const { policy, problems } = parsePolicy(text);
  expect(policy === null ? problems : notEnforcedYet(policy)).toEqual([named]);
});
