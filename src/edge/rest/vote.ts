import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { approvalView } from "./approval-view.ts";
import { principalOf } from "./principal.ts";
import { problemOf } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const optionalText = z.optional(z.nullable(z.string("expected a text")));

/** A vote. With `job_hash` or `policy_snapshot` it counts only for what the voter has seen. */
const vote = (path: string, verdict: "grant" | "reject"): Route =>
  route({
    method: "POST",
    path,
    params: z.object({ id: z.string() }),
    body: z.strictObject(
      { reason: optionalText, note: optionalText, job_hash: optionalText, policy_snapshot: optionalText },
      { error: (issue) => (issue.code === "invalid_type" ? "expected an object" : undefined) },
    ),
    handle: async ({ headers, params: { id }, body }, { approvals }) => {
      const voter = principalOf(headers);
      if (!voter.ok) return voter;
      const voted = await approvals.vote(
        { namespace: tenantOf(headers), id },
        {
          voter: voter.value,
          verdict,
          reason: [body.reason, body.note].filter((given) => given).join("\n"),
          jobHash: body.job_hash ?? null,
          policySnapshot: body.policy_snapshot ?? null,
        },
      );
      return voted.ok ? ok({ json: approvalView(voted.value) }) : err(problemOf(voted.error));
    },
  });

export const approve = vote("/api/v1/approvals/:id/approve", "grant");
export const reject = vote("/api/v1/approvals/:id/reject", "reject");
