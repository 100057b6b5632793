import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { decide } from "../../governance/policy/decide.ts";
import { parsePolicy } from "../../governance/policy/policy.ts";
import { simulate } from "../../governance/policy/simulate.ts";
import { snapshotOf } from "../../governance/policy/snapshot.ts";
import { decisionFields, decisionSchema, decisionView } from "./decision-view.ts";
import { actionCodes, actionIn, policyRequest } from "./policy-request.ts";
import { badRequest } from "./problem.ts";
import { route } from "./route.ts";

/** Without a candidate, what is decided now alone. */
const simulationSchema = z.object({ ...decisionFields, changed: z.optional(z.boolean()), current: z.optional(decisionSchema) });

/** What a candidate policy, given as YAML or JSON in `content`, would say about an action, beside what is decided now. Records nothing. */
export const simulatePolicy = route({
  method: "POST",
  path: "/api/v1/policy/simulate",
  summary: "What a candidate policy would say about an action, beside what is decided now",
  body: z.extend(policyRequest, { content: z.optional(z.string("expected a text")) }),
  success: { json: simulationSchema },
  problems: { ...actionCodes, "bad-policy": 400 },
  handle: async ({ headers, body }, { kernel }) => {
    const action = actionIn(headers, body);
    if (!action.ok) return action;
    if (body.content === undefined) return ok({ json: decisionView(decide(kernel.snapshot(), action.value)) });
    const { policy, problems } = parsePolicy(body.content);
    if (policy === null) {
      const errors = problems.filter(({ severity }) => severity === "error");
      return err(badRequest("bad-policy", errors.map(({ line, column, message }) => `${line}:${column}: ${message}`).join("; ")));
    }
    const { current, candidate, changed } = simulate(kernel.snapshot(), snapshotOf([{ id: "candidate", policy }]), action.value);
    return ok({ json: { ...decisionView(candidate), changed, current: decisionView(current) } });
  },
});
