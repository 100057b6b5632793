import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { bundleIdIn, conditionCodes, seenIn } from "./bundle-view.ts";
import { headerOf } from "./header.ts";
import { policyCodes, policyProblem } from "./policy-problem.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { badRequest } from "./problem.ts";
import { route } from "./route.ts";

/** Deletes a draft. What is in force stays until the next publication. */
export const deleteBundle = route({
  method: "DELETE",
  path: "/api/v1/policy/bundles/:id",
  summary: "Deletes a draft: what is in force stays until the next publication",
  params: z.object({ id: z.string() }),
  success: { json: z.object({ id: z.string() }) },
  problems: {
    ...principalCodes,
    ...conditionCodes,
    ...policyCodes("no-such-bundle", "bad-bundle-id", "bundle-of-file", "bundle-changed"),
  },
  handle: async ({ headers, params }, { policies }) => {
    const by = principalOf(headers);
    if (!by.ok) return by;
    const seen = seenIn(headerOf(headers, "if-match"), null);
    if (seen === null) return err(badRequest("bad-condition", "expected `If-Match` with one tag"));
    const id = bundleIdIn(params.id);
    const removed = await policies.remove({ id, seen, by: by.value, author: "", message: "" });
    return removed.ok ? ok({ json: { id } }) : err(policyProblem(removed.error));
  },
});
