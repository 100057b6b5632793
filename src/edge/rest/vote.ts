import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalView } from "./approval-view.ts";
import { principalOf } from "./principal.ts";
import { problemOf } from "./problem.ts";
import { bodyOf, optionalText, reasonFields, reasonOf } from "./reason.ts";
import { type Route, route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** A vote. With `job_hash` or `policy_snapshot` it counts only for what the voter has seen. */
const vote = (path: string, verdict: "grant" | "reject"): Route =>
  route({
    method: "POST",
    path,
    params: z.object({ id: z.string() }),
    body: bodyOf({ ...reasonFields, job_hash: optionalText, policy_snapshot: optionalText }),
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

export const approve = vote("/api/v1/approvals/:id/approve", "grant");
export const reject = vote("/api/v1/approvals/:id/reject", "reject");
