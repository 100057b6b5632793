import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalSchema, approvalView } from "./approval-view.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { bodyOf, reasonFields, reasonOf } from "./reason.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** Takes the caller's own request back: the action is refused. */
export const withdraw = route({
  method: "POST",
  path: "/api/v1/approvals/:id/withdraw",
  summary: "Takes the caller's own request back: the action is refused",
  params: z.object({ id: z.string() }),
  body: bodyOf(reasonFields),
  success: { json: approvalSchema },
  problems: {
    ...principalCodes,
    ...refusalCodes("no-such-namespace", "no-such-approval", "not-pending", "too-late", "bad-reason", "busy", "not-the-requester"),
  },
  idempotent: true,
  handle: async ({ headers, params: { id }, body }, { approvals }) => {
    const by = principalOf(headers);
    if (!by.ok) return by;
    const withdrawn = await approvals.withdraw({ namespace: tenantOf(headers), id }, { by: by.value, reason: reasonOf(body) });
    return withdrawn.ok ? ok({ json: approvalView(withdrawn.value) }) : err(problemOf(withdrawn.error));
  },
});
