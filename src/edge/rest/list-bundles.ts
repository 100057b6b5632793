import * as z from "zod/mini";
import { ok } from "../../base/result.ts";
import { bundleSchema, bundleView } from "./bundle-view.ts";
import { route } from "./route.ts";
import { listOf, textsByName, timeOrNull } from "./schema.ts";

/** Drafts, policy files, and what is in force; `bundles` has the texts by id. */
export const listBundles = route({
  method: "GET",
  path: "/api/v1/policy/bundles",
  summary: "Drafts, policy files, and what is in force",
  success: { json: z.object({ bundles: textsByName, items: listOf(bundleSchema), updated_at: timeOrNull }) },
  handle: async (_, { policies }) => {
    const bundles = await policies.bundles();
    const times = bundles.map(({ updatedAt }) => updatedAt ?? 0);
    return ok({
      json: {
        bundles: Object.fromEntries(bundles.map(({ id, content }) => [id, content])),
        items: bundles.map(bundleView),
        updated_at: times.length === 0 ? null : new Date(Math.max(...times)).toISOString(),
      },
    });
  },
});
