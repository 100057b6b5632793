import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalSchema, approvalView } from "./approval-view.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { bodyOf, reasonFields, reasonOf } from "./reason.ts";
import { route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** Hands the caller's right to decide over to another principal. */
export const delegate = route({
  method: "POST",
  path: "/api/v1/approvals/:id/delegate",
  summary: "Hands the caller's right to decide over to another principal",
  params: z.object({ id: z.string() }),
  body: bodyOf({ to: z.string("expected the id of a principal"), ...reasonFields }),
  success: { json: approvalSchema },
  problems: {
    ...principalCodes,
    ...refusalCodes(
      "no-such-namespace",
      "no-such-approval",
      "not-pending",
      "too-late",
      "bad-reason",
      "busy",
      "self-approval",
      "not-an-approver",
      "not-a-person",
      "already-voted",
      "already-delegated",
      "too-many-delegations",
      "bad-delegate",
    ),
  },
  idempotent: true,
  handle: async ({ headers, params: { id }, body }, { approvals }) => {
    const from = principalOf(headers);
    if (!from.ok) return from;
    const delegated = await approvals.delegate(
      { namespace: tenantOf(headers), id },
      { from: from.value, to: body.to.trim(), reason: reasonOf(body) },
    );
    return delegated.ok ? ok({ json: approvalView(delegated.value) }) : err(problemOf(delegated.error));
  },
});
