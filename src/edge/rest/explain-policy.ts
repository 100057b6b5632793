import { ok } from "../../base/result.ts";
import { explain } from "../../governance/policy/explain.ts";
import { decisionView } from "./decision-view.ts";
import { actionIn, policyRequest } from "./policy-request.ts";
import { route } from "./route.ts";

/** The same, with every rule that was tried and why it did not match. */
export const explainPolicy = route({
  method: "POST",
  path: "/api/v1/policy/explain",
  body: policyRequest,
  handle: async ({ headers, body }, { kernel }) => {
    const action = actionIn(headers, body);
    if (!action.ok) return action;
    const { decision, rules } = explain(kernel.snapshot(), action.value);
    return ok({ json: { ...decisionView(decision), rules } });
  },
});
