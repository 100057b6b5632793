import { expect, test } from "vitest";
import { parsePolicy } from "../governance/policy/policy.ts";
import { notEnforcedYet } from "./not-enforced-yet.ts";

test.each([
  // what a policy asks for                                                                what the refusal names
  ["limits: [{ topics: [a], rate: { max: 1, per: 1s } }]", "`limits`"],
  ["tenants: { shop: { max_concurrent_jobs: 3 } }", "`tenants.max_concurrent_jobs`"],
  ["rules: [{ id: r, match: { kinds: [child-workflow] }, decision: deny }]", "a rule for the kind `child-workflow`"],
  ["rules: [{ id: r, decision: allow, constraints: { rates: [{ max: 1, per: 1s }] } }]", "`constraints.rates`"],
  ["rules: [{ id: r, decision: allow, constraints: { spend: [{ unit: money, max: 5 }] } }]", "`constraints.spend`"],
  [
    "rules: [{ id: r, decision: allow, constraints: { budgets: { max_concurrent_jobs: 2 } } }]",
    "`constraints.budgets.max_concurrent_jobs`",
  ],
])("what the server cannot enforce is named: %s", (text, named) => {
  const { policy, problems } = parsePolicy(text);
  expect(policy === null ? problems : notEnforcedYet(policy)).toEqual([named]);
});
