import * as z from "zod/mini";
import { err, ok } from "../../base/result.ts";
import { bundleTextSchema } from "./bundle-view.ts";
import { policyCodes, policyProblem } from "./policy-problem.ts";
import { route } from "./route.ts";
import { listOf } from "./schema.ts";

/** The texts of a snapshot that is or was in force, by its hash. */
export const getPolicySnapshot = route({
  method: "GET",
  path: "/api/v1/policy/snapshots/:hash",
  summary: "The texts of a snapshot that is or was in force",
  params: z.object({ hash: z.string() }),
  success: { json: z.object({ id: z.string(), in_force: z.boolean(), bundles: listOf(bundleTextSchema) }) },
  problems: policyCodes("no-such-snapshot"),
  handle: async ({ params: { hash } }, { kernel, policies }) => {
    const bundles = await policies.snapshot(hash);
    if (!bundles.ok) return err(policyProblem(bundles.error));
    return ok({ json: { id: hash, in_force: kernel.snapshot().hash === hash, bundles: bundles.value } });
  },
});
