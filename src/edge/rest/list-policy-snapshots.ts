import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { publicationView } from "./publication-view.ts";
import { wholeNumber } from "./query.ts";
import { route } from "./route.ts";

const limitDefault = 10;
const limitMax = 100;

/** What is in force, and what was: publications, the newest first. */
export const listPolicySnapshots = route({
  method: "GET",
  path: "/api/v1/policy/snapshots",
  query: z.strictObject({ limit: z.optional(wholeNumber(1, limitMax)), cursor: z.optional(wholeNumber(1, Number.MAX_SAFE_INTEGER)) }),
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
