import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { effects, modes } from "../../governance/policy/effect.ts";
import { explain } from "../../governance/policy/explain.ts";
import { decisionFields, decisionView } from "./decision-view.ts";
import { actionCodes, actionIn, policyRequest } from "./policy-request.ts";
import { route } from "./route.ts";
import { count, listOf, named } from "./schema.ts";

const explanationSchema = named(
  "Explanation",
  z.object({
    ...decisionFields,
    rules: listOf(
      z.object({
        bundle: z.string(),
        id: z.string(),
        line: count,
        effect: z.enum(effects),
        mode: z.enum(modes),
        result: z.enum(["decided", "observed", "not-matched", "not-reached"]),
        mismatches: listOf(z.object({ field: z.string(), wanted: z.string(), found: z.string(), unclear: z.boolean() })),
      }),
    ),
  }),
);

/** The same, with every rule that was tried and why it did not match. */
export const explainPolicy = route({
  method: "POST",
  path: "/api/v1/policy/explain",
  summary: "The same, with every rule that was tried and why it did not match",
  body: policyRequest,
  success: { json: explanationSchema },
  problems: actionCodes,
  handle: async ({ headers, body }, { kernel }) => {
    const action = actionIn(headers, body);
    if (!action.ok) return action;
    const { decision, rules } = explain(kernel.snapshot(), action.value);
    return ok({ json: { ...decisionView(decision), rules } });
  },
});
