import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { modes } from "../../governance/policy/effect.ts";
import { publicationSchema, publicationView } from "./publication-view.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";
import { count, listOf, pageOf, texts } from "./schema.ts";

const limitDefault = 10;
const limitMax = 100;

const snapshotsSchema = z.object({
  snapshots: texts,
  in_force: z.object({
    hash: z.string(),
    version: z.string(),
    published: z.boolean(),
    rules: count,
    bundles: listOf(z.object({ id: z.string(), mode: z.enum(modes), rules: count })),
  }),
  ...pageOf(publicationSchema).shape,
});

/** What is in force, and what was: publications, the newest first. */
export const listPolicySnapshots = route({
  method: "GET",
  path: "/api/v1/policy/snapshots",
  summary: "What is in force, and publications, the newest first",
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)), cursor: z.optional(wholeNumber(1, Number.MAX_SAFE_INTEGER)) }),
  success: { json: snapshotsSchema, etag: true },
  handle: async ({ query: { limit = limitDefault, cursor } }, { kernel, policies }) => {
    const { hash, version, bundles, rules, unpublished } = kernel.snapshot();
    const publications = await policies.publications(cursor ?? null, limit);
    const inForce = {
      hash,
      version,
      published: unpublished === null,
      rules: rules.length,
      bundles: bundles.map(({ id, policy }) => ({ id, mode: policy.mode, rules: policy.rules.length })),
    };
    const last = publications.at(-1);
    return ok({
      json: {
        snapshots: [...new Set([...(cursor === undefined ? [hash] : []), ...publications.map((one) => one.hash)])],
        in_force: inForce,
        items: publications.map(publicationView),
        next_cursor: last === undefined || last.number === 1 || publications.length < limit ? null : String(last.number),
      },
      headers: { etag: `"${hash}"` },
    });
  },
});
