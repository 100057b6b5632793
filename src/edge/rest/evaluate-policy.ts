import { ok } from "../../base/result.ts";
import { decide } from "../../governance/policy/decide.ts";
import { decisionSchema, decisionView } from "./decision-view.ts";
import { actionCodes, actionIn, policyRequest } from "./policy-request.ts";
import { route } from "./route.ts";

/** What the policy in force says about an action. Records nothing. */
export const evaluatePolicy = route({
  method: "POST",
  path: "/api/v1/policy/evaluate",
  summary: "What the policy in force says about an action",
  body: policyRequest,
  success: { json: decisionSchema },
  problems: actionCodes,
  handle: async ({ headers, body }, { kernel }) => {
    const action = actionIn(headers, body);
    return action.ok ? ok({ json: decisionView(decide(kernel.snapshot(), action.value)) }) : action;
  },
});
