import * as z from "zod/mini";
import { err, ok, type Result } from "../../base/result.ts";
import type { Principal } from "../../governance/action.ts";
import type { Approval } from "../../protocol/generated/holdfast/state/v1/governance.ts";
import type { ApprovalsRefusal } from "../../service/approvals/approvals.ts";
import { approvalSchema, approvalView } from "./approval-view.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { problemOf, refusalCodes } from "./problem.ts";
import { bodyOf, optionalText, reasonFields, reasonOf } from "./reason.ts";
import { type RestServices, type Route, route } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** What can be wrong whatever somebody does to an approval. */
const always = ["no-such-namespace", "no-such-approval", "not-pending", "too-late", "bad-reason", "busy"] as const;
/** And when it is theirs to decide. */
const ofApprovers = ["self-approval", "not-an-approver", "not-a-person", "already-voted", "already-delegated"] as const;

type Reason = Parameters<typeof reasonOf>[0];
type Asked = { readonly of: { readonly namespace: string; readonly id: string }; readonly principal: Principal; readonly reason: string };

/** What a principal does to an approval; answered with the approval as it then is. */
const approvalAct = <B extends Reason>({
  verb,
  summary,
  body,
  refusals,
  act,
}: {
  readonly verb: string;
  readonly summary: string;
  readonly body: z.ZodMiniType<B>;
  /** Besides those of every act. */
  readonly refusals: readonly ApprovalsRefusal[];
  act(approvals: RestServices["approvals"], asked: Asked & { readonly body: B }): Promise<Result<Approval, ApprovalsRefusal>>;
}): Route =>
  route({
    method: "POST",
    path: `/api/v1/approvals/:id/${verb}`,
    summary,
    params: z.object({ id: z.string() }),
    body,
    success: { json: approvalSchema },
    problems: { ...principalCodes, ...refusalCodes(...always, ...refusals) },
    idempotent: true,
    handle: async ({ headers, params: { id }, body }, { approvals }) => {
      const principal = principalOf(headers);
      if (!principal.ok) return principal;
      const of = { namespace: tenantOf(headers), id };
      const acted = await act(approvals, { of, principal: principal.value, reason: reasonOf(body), body });
      return acted.ok ? ok({ json: approvalView(acted.value) }) : err(problemOf(acted.error));
    },
  });

/** With `job_hash` or `policy_snapshot` a vote counts only for what the voter has seen. */
const vote = (verb: string, summary: string, verdict: "grant" | "reject"): Route =>
  approvalAct({
    verb,
    summary,
    body: bodyOf({ ...reasonFields, job_hash: optionalText, policy_snapshot: optionalText }),
    refusals: [...ofApprovers, "reason-required", "job-hash-mismatch", "snapshot-mismatch"],
    act: (approvals, { of, principal, reason, body }) =>
      approvals.vote(of, {
        voter: principal,
        verdict,
        reason,
        jobHash: body.job_hash ?? null,
        policySnapshot: body.policy_snapshot ?? null,
      }),
  });

export const approve = vote("approve", "Grants, as one of as many as the rule asks for", "grant");
export const reject = vote("reject", "Rejects: the action fails at once", "reject");

export const delegate = approvalAct({
  verb: "delegate",
  summary: "Hands the caller's right to decide over to another principal",
  body: bodyOf({ to: z.string("expected the id of a principal"), ...reasonFields }),
  refusals: [...ofApprovers, "too-many-delegations", "bad-delegate"],
  act: (approvals, { of, principal, reason, body }) => approvals.delegate(of, { from: principal, to: body.to.trim(), reason }),
});

export const withdraw = approvalAct({
  verb: "withdraw",
  summary: "Takes the caller's own request back: the action is refused",
  body: bodyOf(reasonFields),
  refusals: ["not-the-requester"],
  act: (approvals, { of, principal, reason }) => approvals.withdraw(of, { by: principal, reason }),
});
