import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { type BacktestChange, changesListedMax } from "../../service/policy/backtest.ts";
import { type BundleSource, compileBundles, unsignedAllowed } from "../../service/policy/bundle-source.ts";
import { brokenPolicy, brokenPolicyCode, policyCodes } from "./policy-problem.ts";
import { badRequest, problemOf, refusalCodes } from "./problem.ts";
import { time } from "./query.ts";
import { route } from "./route.ts";
import { count, listOf, named, textOrNull, timeOrNull, timeText } from "./schema.ts";
import { tenantOf } from "./tenant.ts";

const listedDefault = 100;
const text = z.string("expected a text");
const limitText = `expected a whole number from 0 to ${changesListedMax}`;

const verdictSchema = z.object({ effect: z.string(), bundle: textOrNull, rule: textOrNull });
const groupSchema = z.object({ from: verdictSchema, to: z.nullable(verdictSchema), why: textOrNull, count });
const changeSchema = z.object({
  at: timeText,
  run_id: textOrNull,
  workflow_id: z.string(),
  action_id: z.string(),
  kind: z.string(),
  name: z.string(),
  topic: z.string(),
  attempt: z.int(),
  from: verdictSchema,
  to: z.nullable(verdictSchema),
});
const reportSchema = named(
  "Backtest",
  z.object({
    snapshot: z.string(),
    decisions: count,
    unchanged: count,
    changed: count,
    unknown: count,
    groups: listOf(groupSchema),
    changes: listOf(changeSchema),
    broken_off_at: timeOrNull,
  }),
);

/** What a candidate policy, given as `content` or as several `bundles`, would have said of recorded decisions. Records nothing. */
export const backtestPolicy = route({
  method: "POST",
  path: "/api/v1/policy/backtest",
  summary: "What a candidate policy would have said of recorded decisions",
  body: z.strictObject({
    content: z.optional(text),
    bundles: z.optional(z.array(z.strictObject({ id: text, content: text }), "expected a list of bundles")),
    since: z.optional(time),
    until: z.optional(time),
    limit: z.optional(z.int(limitText).check(z.minimum(0, limitText), z.maximum(changesListedMax, limitText))),
  }),
  success: { json: reportSchema },
  problems: { ...refusalCodes("no-such-namespace", "busy"), ...brokenPolicyCode, ...policyCodes("bad-bundle-id", "content-required") },
  handle: async ({ headers, body }, { backtest }) => {
    const { content, bundles = [], since, until, limit = listedDefault } = body;
    const given = content === undefined ? bundles : [...bundles, { id: "candidate", content }];
    if (given.length === 0) return err(badRequest("content-required", "give the candidate's text as `content`, or texts as `bundles`"));
    if (new Set(given.map(({ id }) => id)).size < given.length) return err(badRequest("bad-bundle-id", "two bundles have one id"));
    const sources = given.map((bundle): BundleSource => ({ ...bundle, origin: "api", signature: null }));
    const candidate = compileBundles(sources, unsignedAllowed);
    if (!candidate.ok) return err(brokenPolicy(candidate.error));
    const report = await backtest.run({
      namespace: tenantOf(headers),
      since: since ?? null,
      until: until ?? null,
      candidate: candidate.value,
      listed: limit,
    });
    if (!report.ok) return err(problemOf(report.error));
    const { decisions, unchanged, changed, unknown, groups, changes, brokenOffAt } = report.value;
    const json = {
      snapshot: candidate.value.hash,
      decisions,
      unchanged,
      changed,
      unknown,
      groups,
      changes: changes.map(changeView),
      broken_off_at: brokenOffAt === null ? null : new Date(brokenOffAt).toISOString(),
    };
    return ok({ json });
  },
});

const changeView = ({ at, runId, workflowId, actionId, kind, name, topic, attempt, from, to }: BacktestChange) => ({
  at: new Date(at).toISOString(),
  run_id: runId,
  workflow_id: workflowId,
  action_id: actionId,
  kind,
  name,
  topic,
  attempt,
  from,
  to,
});
