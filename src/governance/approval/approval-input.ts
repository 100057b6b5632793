import { canonicalJson } from "../../base/canonical-json.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { anyValue, into, mapping, readDocument, text } from "../../language/reader.ts";
import { type ApprovalTerms, approvalFields, approvalTerms, approversFields } from "../policy/policy.ts";

/** What the activity `holdfast.approval` was called with. */
export type ApprovalInput = {
  readonly title: string;
  readonly reason: string;
  readonly terms: ApprovalTerms;
  /** JSON text for those who decide; empty if there is none. */
  readonly context: string;
};

/** UTF-16 code units. */
export const titleLengthMax = 200;
export const inputReasonLengthMax = 2_000;
/** UTF-16 code units of its JSON text. */
export const contextLengthMax = 32_768;

const readInput = into(
  mapping({ title: text, reason: text, approvers: mapping(approversFields), ...approvalFields, context: anyValue }),
  ({ title = "", reason = "", approvers = {}, ...terms }, at) => ({ title, reason, terms: approvalTerms({ ...approvers, ...terms }, at) }),
);

/** Reads the arguments of `holdfast.approval`: one object, or nothing. Refused with a sentence that names the field. */
export function readApprovalInput(args: readonly unknown[]): Result<ApprovalInput, string> {
  const [given = {}, ...more] = args;
  if (more.length > 0) return err(`expected one object, not ${args.length} arguments`);
  if (typeof given !== "object" || given === null || Array.isArray(given)) return err("expected an object");
  const { context, ...fields } = given as { readonly [key: string]: unknown };
  // JSON is YAML as well, so that a workflow asks in the words of a policy, and hears of mistakes as policies do.
  const { value, problems } = readDocument(JSON.stringify(fields), readInput);
  if (value === null) {
    const [problem] = problems.filter(({ severity }) => severity === "error");
    return err(problem === undefined || problem.path === "" ? (problem?.message ?? "") : `\`${problem.path}\`: ${problem.message}`);
  }
  const { title, reason, terms } = value;
  const contextText = context === undefined || context === null ? "" : canonicalJson(context);
  if (title.length > titleLengthMax) return err(`\`title\`: longer than ${titleLengthMax} letters`);
  if (reason.length > inputReasonLengthMax) return err(`\`reason\`: longer than ${inputReasonLengthMax} letters`);
  if (contextText.length > contextLengthMax) return err(`\`context\`: longer than ${contextLengthMax} letters as JSON`);
  return ok({ title, reason, terms, context: contextText });
}

/**
 * Terms that hold both what the policy and what the workflow asks for: whichever is stricter. Who may decide is for the policy to say,
 * if it says anything about that; a workflow cannot widen it, also not by an escalation.
 */
export function strictestTerms(policy: ApprovalTerms | null, asked: ApprovalTerms): ApprovalTerms {
  if (policy === null) return asked;
  const { roles, principals, escalation, onExpiry } = policy.roles.length + policy.principals.length > 0 ? policy : asked;
  const expiries = [policy.expiresAfter, asked.expiresAfter].filter((after) => after !== null);
  return {
    roles,
    principals,
    escalation,
    quorum: Math.max(policy.quorum, asked.quorum),
    fourEyes: policy.fourEyes || asked.fourEyes,
    expiresAfter: expiries.length === 0 ? null : Math.min(...expiries),
    onExpiry,
    reasonRequired: policy.reasonRequired || asked.reasonRequired,
  };
}
