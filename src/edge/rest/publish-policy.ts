import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import type { Outcome } from "../../service/policy/policies.ts";
import { conditionCodes } from "./bundle-view.ts";
import { brokenPolicyCode, policyCodes, policyProblem } from "./policy-problem.ts";
import { principalCodes, principalOf } from "./principal.ts";
import { changeSchema, parentIn } from "./publication-view.ts";
import { remark, route } from "./route.ts";
import { count, listOf, texts } from "./schema.ts";

const publicationFields = { author: remark, message: remark, note: remark, dry_run: z.optional(z.boolean("expected true or false")) };

const outcomeFields = {
  snapshot_before: z.string(),
  snapshot_after: z.string(),
  /** Of the history; null when nothing came into force. */
  publication: z.nullable(count),
  changes: listOf(changeSchema),
};
const outcomeView = ({ before, after, changes, publication }: Outcome) => ({
  snapshot_before: before,
  snapshot_after: after,
  publication: publication?.number ?? null,
  changes,
});

/** Publishes the drafts named, or all that are enabled. With `If-Match: "<hash>"` only in the place of that snapshot. */
export const publishPolicy = route({
  method: "POST",
  path: "/api/v1/policy/publish",
  summary: "Puts drafts in force: those named, or all that are enabled",
  body: z.strictObject({ ...publicationFields, bundle_ids: z.optional(z.array(z.string(), "expected a list of texts")) }),
  success: { json: z.object({ ...outcomeFields, published: texts }) },
  problems: {
    ...principalCodes,
    ...conditionCodes,
    ...brokenPolicyCode,
    ...policyCodes("no-such-bundle", "bad-bundle-id", "bundle-of-file", "nothing-to-publish", "changed-meanwhile", "too-many-bundles"),
  },
  idempotent: true,
  handle: async ({ headers, body }, { policies }) => {
    const by = principalOf(headers);
    if (!by.ok) return by;
    const parent = parentIn(headers);
    if (!parent.ok) return parent;
    const { bundle_ids, author, message, note, dry_run = false } = body;
    // Of Cordum's clients, an empty list means all.
    const bundleIds = bundle_ids === undefined || bundle_ids.length === 0 ? null : bundle_ids;
    const published = await policies.publish({
      bundleIds,
      by: by.value,
      author: author ?? "",
      message: message ?? "",
      note: note ?? "",
      parent: parent.value,
      dryRun: dry_run,
    });
    if (!published.ok) return err(policyProblem(published.error));
    return ok({ json: { ...outcomeView(published.value), published: published.value.bundles } });
  },
});

/** Puts a snapshot that was in force before in force again. */
export const rollbackPolicy = route({
  method: "POST",
  path: "/api/v1/policy/rollback",
  summary: "Puts a snapshot that was in force before in force again",
  body: z.strictObject({ ...publicationFields, snapshot_id: z.string("snapshot_id required") }),
  success: { json: z.object({ ...outcomeFields, rollback_to: z.string() }) },
  problems: {
    ...principalCodes,
    ...conditionCodes,
    ...brokenPolicyCode,
    ...policyCodes("no-such-snapshot", "bundle-of-file", "changed-meanwhile"),
  },
  idempotent: true,
  handle: async ({ headers, body }, { policies }) => {
    const by = principalOf(headers);
    if (!by.ok) return by;
    const parent = parentIn(headers);
    if (!parent.ok) return parent;
    const { snapshot_id, author, message, note, dry_run = false } = body;
    const rolledBack = await policies.rollback({
      snapshot: snapshot_id,
      by: by.value,
      author: author ?? "",
      message: message ?? "",
      note: note ?? "",
      parent: parent.value,
      dryRun: dry_run,
    });
    if (!rolledBack.ok) return err(policyProblem(rolledBack.error));
    return ok({ json: { ...outcomeView(rolledBack.value), rollback_to: snapshot_id } });
  },
});
