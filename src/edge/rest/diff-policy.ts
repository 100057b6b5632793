import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { policyCodes, policyProblem } from "./policy-problem.ts";
import { changeSchema } from "./publication-view.ts";
import { text } from "./query.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";

/** What turns one snapshot into another; `to` is the one in force when it is left out. */
export const diffPolicy = route({
  method: "GET",
  path: "/api/v1/policy/diff",
  summary: "Which rules and settings differ between two snapshots",
  query: z.strictObject({ from: text, to: z.optional(text) }),
  success: { json: z.object({ from: z.string(), to: z.string(), changes: listOf(changeSchema) }) },
  problems: policyCodes("no-such-snapshot"),
  handle: async ({ query: { from, to } }, { kernel, policies }) => {
    const after = to ?? kernel.snapshot().hash;
    const changes = await policies.diff(from, after);
    return changes.ok ? ok({ json: { from, to: after, changes: changes.value } }) : err(policyProblem(changes.error));
  },
});
