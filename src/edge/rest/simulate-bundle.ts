import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { simulate } from "../../governance/policy/simulate.ts";
import { bundleIdIn } from "./bundle-view.ts";
import { decisionView, simulationFields } from "./decision-view.ts";
import { brokenPolicyCode, policyCodes, policyProblem } from "./policy-problem.ts";
import { actionCodes, actionIn, policyRequest } from "./policy-request.ts";
import { route } from "./route.ts";

/** What would be decided about an action if a bundle's draft, or `content`, were published, beside what is decided now. Records nothing. */
export const simulateBundle = route({
  method: "POST",
  path: "/api/v1/policy/bundles/:id/simulate",
  summary: "What would be decided about an action if a bundle's draft, or `content`, were published",
  params: z.object({ id: z.string() }),
  body: z.strictObject({ request: policyRequest, content: z.optional(z.string("expected a text")) }),
  success: { json: z.object(simulationFields) },
  problems: {
    ...actionCodes,
    ...brokenPolicyCode,
    ...policyCodes("no-such-bundle"),
  },
  handle: async ({ headers, params, body }, { kernel, policies }) => {
    const action = actionIn(headers, body.request);
    if (!action.ok) return action;
    const snapshot = await policies.candidate(bundleIdIn(params.id), body.content ?? null);
    if (!snapshot.ok) return err(policyProblem(snapshot.error));
    const { current, candidate, changed } = simulate(kernel.snapshot(), snapshot.value, action.value);
    return ok({ json: { ...decisionView(candidate), changed, current: decisionView(current) } });
  },
});
