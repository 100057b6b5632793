import { ok } from "../../base/result.ts";
import { bundleView } from "./bundle-view.ts";
import { route } from "./route.ts";

/** Drafts, policy files, and what is in force; `bundles` has the texts by id. */
export const listBundles = route({
  method: "GET",
  path: "/api/v1/policy/bundles",
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
