import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Json } from "../../dag/json.ts";
import type { JobDecision } from "../../service/jobs/jobs.ts";
import { jobCodes, jobProblem } from "./job-problem.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { count, listOf, named, textOrNull } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const limitMax = 1_000;
const limitDefault = 50;

/** Source: the decision record of Cordum's API; `attempt` is ours. */
const decisionSchema = named(
  "JobDecision",
  z.object({
    decision: z.string(),
    reason: z.string(),
    rule_id: textOrNull,
    policy_snapshot: z.string(),
    constraints: z.unknown(),
    approval_required: z.boolean(),
    approval_ref: textOrNull,
    job_hash: z.string(),
    checked_at: z.int(),
    attempt: count,
  }),
);

/** What was decided on a job, as the ledger has it. */
export const listJobDecisions = route({
  method: "GET",
  path: "/api/v1/jobs/:id/decisions",
  summary: "What the policy decided on a job, the newest first",
  params: z.object({ id: z.string() }),
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)) }),
  success: { json: listOf(decisionSchema) },
  problems: jobCodes("no-such-namespace", "no-such-job"),
  handle: async ({ headers, params: { id }, query: { limit } }, { jobs }) => {
    const found = await jobs.decisions(tenantOf(headers), id, limit ?? limitDefault);
    return found.ok ? ok({ json: found.value.map(decisionView) }) : err(jobProblem(found.error));
  },
});

function decisionView({ at, ...record }: JobDecision): z.infer<typeof decisionSchema> {
  const effect = textOf(record.effect);
  return {
    decision: effect,
    reason: textOf(record.reason),
    rule_id: textOf(record.rule) || null,
    policy_snapshot: textOf(record.snapshot),
    // Entries from before they were recorded have none.
    constraints: record.constraints ?? null,
    approval_required: effect === "REQUIRE_APPROVAL",
    approval_ref: textOf(record.approval) || null,
    job_hash: textOf(record.job_hash),
    checked_at: at * 1000,
    attempt: typeof record.attempt === "number" ? record.attempt : 1,
  };
}

const textOf = (value: Json | undefined): string => (typeof value === "string" ? value : "");
