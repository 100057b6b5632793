import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalSchema, approvalView } from "./approval-view.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { bodyOf, optionalText, reasonFields, reasonOf } from "./reason.ts";
import { type Route, route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** A vote. With `job_hash` or `policy_snapshot` it counts only for what the voter has seen. */
const vote = (path: string, summary: string, verdict: "grant" | "reject"): Route =>
  route({
    method: "POST",
    path,
    summary,
    params: z.object({ id: z.string() }),
    body: bodyOf({ ...reasonFields, job_hash: optionalText, policy_snapshot: optionalText }),
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
        "reason-required",
        "job-hash-mismatch",
        "snapshot-mismatch",
      ),
    },
    idempotent: true,
    handle: async ({ headers, params: { id }, body }, { approvals }) => {
      const voter = principalOf(headers);
      if (!voter.ok) return voter;
      const voted = await approvals.vote(
        { namespace: tenantOf(headers), id },
        {
          voter: voter.value,
          verdict,
          reason: reasonOf(body),
          jobHash: body.job_hash ?? null,
          policySnapshot: body.policy_snapshot ?? null,
        },
      );
      return voted.ok ? ok({ json: approvalView(voted.value) }) : err(problemOf(voted.error));
    },
  });

export const approve = vote("/api/v1/approvals/:id/approve", "Grants, as one of as many as the rule asks for", "grant");
export const reject = vote("/api/v1/approvals/:id/reject", "Rejects: the action fails at once", "reject");
