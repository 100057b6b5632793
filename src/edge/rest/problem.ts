import { STATUS_CODES } from "node:http";
import type { ApprovalsRefusal } from "../../service/approvals/approvals.ts";
import type { AuditRefusal } from "../../service/ledger/audit.ts";
import { guardCodes } from "./guard.ts";
import { quotaCodes } from "./quota-problem.ts";
import { rateLimitCodes } from "./rate-limit.ts";

/** Why a request is not answered, as RFC 9457 has it. Programs match on `code`, which never changes; people read `detail`. */
export type Problem = {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Of bad input: what is wrong where. */
  readonly errors?: readonly ErrorAt[];
  /** Sent as the header `Retry-After`. */
  readonly retryAfterSeconds?: number;
};

/** A place in the request's JSON, or in the text of a workflow or of a policy. */
export type ErrorAt = { readonly detail: string } & (
  | { readonly pointer: string }
  | { readonly line: number; readonly column: number }
  | { readonly bundle: string; readonly line: number; readonly column: number }
);

/** Codes with their status, as a route states what it may refuse with. */
export type ProblemCodes = { readonly [code: string]: number };

export const problemType = "application/problem+json";

export const problemBody = ({ status, retryAfterSeconds: _, ...rest }: Problem): object => ({
  title: STATUS_CODES[status] ?? "Error",
  status,
  ...rest,
});

type Refusal = ApprovalsRefusal | AuditRefusal;

const refusals: { readonly [R in Refusal]: readonly [status: number, detail: string] } = {
  "no-such-namespace": [404, "this tenant does not exist"],
  "no-such-approval": [404, "this tenant has no such approval"],
  "self-approval": [403, "nobody grants what they asked for themselves"],
  "not-the-requester": [403, "only whoever asked, or started the workflow that asks, takes a request back"],
  "not-an-approver": [403, "the rule asks other approvers"],
  "not-a-person": [403, "the rule asks for people to grant this"],
  "already-requested": [409, "this approval has been asked for before"],
  "not-pending": [409, "this approval has ended"],
  "not-granted": [409, "this approval is not granted"],
  "already-used": [409, "this grant has been used"],
  "job-hash-mismatch": [409, "the action is not the one with this job hash: look at the approval again"],
  "snapshot-mismatch": [409, "the approval was asked for under another policy snapshot: look at it again"],
  "too-late": [409, "the action no longer waits, or the time for deciding is over"],
  "already-voted": [409, "this principal has voted"],
  "already-delegated": [409, "this principal has handed the right to decide over to another one"],
  "too-many-delegations": [409, "the right to decide has been handed over too often"],
  "bad-delegate": [400, "the right to decide cannot go to this principal"],
  "reason-required": [400, "the rule wants a reason with every vote"],
  "bad-reason": [400, "the reason is too long, or not well-formed Unicode"],
  busy: [503, "others are deciding on this at the same moment: try again"],
};

export function problemOf(refusal: Refusal): Problem {
  const [status, detail] = refusals[refusal];
  return { status, code: refusal, detail };
}

export const badRequest = (code: string, detail: string): Problem => ({ status: 400, code, detail });

/** Those of `problemOf`, for a route to state. */
export const refusalCodes = (...codes: readonly Refusal[]): ProblemCodes =>
  Object.fromEntries(codes.map((code) => [code, refusals[code][0]]));

/** What every route may answer. */
export const commonProblems: ProblemCodes = {
  "bad-request": 400,
  "invalid-request": 400,
  internal: 500,
  unavailable: 503,
  ...guardCodes,
  ...rateLimitCodes,
  ...quotaCodes,
};
export const notJson: Problem = {
  status: 415,
  code: "not-json",
  detail: "send JSON, with the header `content-type: application/json`; a workflow may also be YAML, with `content-type: application/yaml`",
};

/** What every request with a body may be answered. */
export const bodyProblems: ProblemCodes = { "bad-json": 400, "too-large": 413, "not-json": 415 };
