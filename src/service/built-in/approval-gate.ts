import { type ApprovalInput, readApprovalInput, strictestTerms } from "../../governance/approval/approval-input.ts";
import type { Decision } from "../../governance/policy/decide.ts";
import { serverTaskQueue } from "./server-task-queue.ts";

/** The activity that does nothing but wait for an approval. */
export const approvalActivity = "holdfast.approval";

export const asksForApproval = ({
  kind,
  name,
  taskQueue,
}: {
  readonly kind: string;
  readonly name: string;
  readonly taskQueue: string;
}): boolean => kind === "activity" && name === approvalActivity && taskQueue === serverTaskQueue;

/** A decision, and what the activity says to people if it is itself a request for approval. */
export type Gated = { readonly decision: Decision; readonly request: ApprovalInput | null };

/**
 * What the policy permits still waits for people if the activity asks for them. The policy may deny or delay it, and where it requires an
 * approval itself, that one is asked for under the stricter terms of both.
 */
export function gated(decision: Decision): Gated {
  if (decision.effect === "DENY" || decision.effect === "THROTTLE" || !asksForApproval(decision.action)) return { decision, request: null };
  const args = decision.action.input.args();
  const request = args.ok ? readApprovalInput(args.value) : args;
  // Whoever runs the activity says what is wrong with its input. It grants nothing without an approval.
  if (!request.ok) return { decision, request: null };
  const { title, reason, terms } = request.value;
  const said = reason || title || "the workflow asks for approval";
  const required = decision.effect === "REQUIRE_APPROVAL";
  return {
    request: request.value,
    decision: {
      ...decision,
      effect: "REQUIRE_APPROVAL",
      ruleId: required ? decision.ruleId : approvalActivity,
      bundle: required ? decision.bundle : null,
      reason: required ? `${said}; ${decision.reason}` : said,
      approval: strictestTerms(required ? decision.approval : null, terms),
    },
  };
}
