import { activityInfo } from "@temporalio/activity";
import { type ActivityState, currentState, type Usage } from "./activity-state.ts";
import type { Constraints, Decision } from "./decision.ts";
import { denialFailure } from "./denial.ts";
import { type Diff, diffRefusal, readDiff } from "./guard/diff.ts";
import { networkRefusal } from "./guard/network.ts";
import { type Access, pathAllowed } from "./guard/paths.ts";
import { redacted } from "./guard/redaction.ts";
import { commandRefusal, toolRefusal } from "./guard/tools.ts";

export type { Usage } from "./activity-state.ts";
export type { Constraints, Decision, Spend } from "./decision.ts";
export { type Denial, denialOf, isPolicyDenied, type Remediation } from "./denial.ts";
export type { Diff } from "./guard/diff.ts";
export type { Access } from "./guard/paths.ts";

/* Each of these is about the attempt in which it is called, and throws outside of one. What the constraints refuse is thrown as a failure of
   type `PolicyDenied` that nobody retries: the workflow reads it like any other denial. */

/** What was decided of this activity; null where no policy is in force. */
export const decision = (): Decision | null => state().decision;

/** The limits that came with the permission; empty when there are none. */
export const constraints = (): Constraints => state().decision?.constraints ?? {};

/** What the call site gave, or else the same text in every attempt of this activity. For whoever the activity calls. */
export function idempotencyKey(): string {
  const { workflowExecution, activityId } = activityInfo();
  return state().fields.idempotencyKey ?? [workflowExecution?.workflowId, workflowExecution?.runId, activityId].join("/");
}

/** The global `fetch`, to where the network allow list permits it, also behind redirects. See `networkRefusal` for what entries mean. */
export const fetch: typeof globalThis.fetch = async (input, init) => {
  let request = new Request(input, init);
  const follows = request.redirect;
  for (let hop = 0; hop <= redirectsMax; hop++) {
    const url = new URL(request.url);
    refuse(await networkRefusal(url, constraints()));
    const response = await globalThis.fetch(request.clone(), { redirect: "manual" });
    const location = redirects.has(response.status) ? response.headers.get("location") : null;
    if (location === null || follows === "manual") return response;
    if (follows === "error") throw new TypeError(`\`${url.host}\` redirects, which the caller does not want`);
    request = redirected(request, new URL(location, url), response.status);
  }
  throw new TypeError(`more than ${redirectsMax} redirects`);
};

const redirectsMax = 20;
const redirects = new Set([301, 302, 303, 307, 308]);

/** The next request, as the Fetch standard makes it. */
function redirected(request: Request, url: URL, status: number): Request {
  const { method } = request;
  const headers = new Headers(request.headers);
  if (new URL(request.url).origin !== url.origin)
    for (const name of ["authorization", "cookie", "proxy-authorization"]) headers.delete(name);
  const becomesGet = (status === 303 && method !== "GET" && method !== "HEAD") || ((status === 301 || status === 302) && method === "POST");
  if (!becomesGet) return new Request(new Request(url, request), { headers });
  for (const name of ["content-type", "content-length", "content-encoding", "content-language"]) headers.delete(name);
  return new Request(url, { method: "GET", headers, signal: request.signal });
}

/** The path to open, with links followed, if the file may be read or written. */
export async function allowedPath(path: string, access: Access): Promise<string> {
  const allowed = await pathAllowed(path, access, constraints());
  if ("refusal" in allowed) throw denied(allowed.refusal);
  return allowed.path;
}

export const checkTool = (tool: string): void => refuse(toolRefusal(tool, constraints()));

/** The command as its words, to be started without a shell: what a shell makes of a text cannot be checked. */
export const checkCommand = (command: readonly string[]): void => refuse(commandRefusal(command, constraints()));

/** A unified diff, or what is known of a change. */
export const checkDiff = (diff: string | Diff): void =>
  refuse(diffRefusal(typeof diff === "string" ? readDiff(diff) : diff, constraints()));

/** Of what the activity stores elsewhere. */
export function checkArtifact(bytes: number): void {
  const max = constraints().budgets?.maxArtifactBytes ?? Number.POSITIVE_INFINITY;
  refuse(bytes > max ? `an artifact of ${bytes} bytes, and at most ${max} are allowed` : null);
}

/** The text without what may not leave the activity. */
export const redact = (text: string): string => redacted(text, constraints());

/** Adds to what this attempt has used. The server settles budgets from it when the attempt succeeds. */
export function reportUsage({ tokens = 0, usd = 0 }: Partial<Usage>): void {
  if (!(tokens >= 0 && usd >= 0)) throw new TypeError("usage is a number from 0");
  const known = state();
  known.usage = { tokens: (known.usage?.tokens ?? 0) + tokens, usd: (known.usage?.usd ?? 0) + usd };
}

/**
 * Before using something up: refuses what this attempt alone would use beyond a spending limit. The limit as a whole is the server's to keep,
 * which knows what others have used.
 */
export function checkBudget(planned: Partial<Usage>): void {
  const used = state().usage;
  const wanted = { tokens: (used?.tokens ?? 0) + (planned.tokens ?? 0), money: (used?.usd ?? 0) + (planned.usd ?? 0), actions: 1 };
  const over = constraints().spend?.find(({ unit, max }) => wanted[unit] > max);
  refuse(over === undefined ? null : `${wanted[over.unit]} ${over.unit}, and at most ${over.max} are allowed`);
}

function state(): ActivityState {
  const current = currentState();
  if (current === undefined)
    throw new TypeError("not in an activity of a worker with holdfastPlugin(), so what the policy decided is not known");
  return current;
}

function refuse(reason: string | null): void {
  if (reason !== null) throw denied(reason);
}

function denied(reason: string) {
  const { rule = null, snapshot = "" } = state().decision ?? {};
  return denialFailure({ rule, reason, snapshot, remediations: [] });
}
